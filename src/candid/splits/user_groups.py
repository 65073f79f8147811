"""The person's own groups (a patient, a session), which stay in one part: `--group-by`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from candid.core.text import plural, sanitize
from candid.data.catalog import Catalog, Photo
from candid.data.tables import PathFinder, read_table
from candid.errors import UsageError


def read_groups(catalog: Catalog, given: str) -> dict[str, str]:
    """Groups by path, from a regular expression or the path of a CSV file.

    Raises:
        UsageError: They can't be read, match nothing, or are one group of all photos.
    """
    if given.lower().endswith(".csv"):
        group_by = group_by_file(Path(given))
    else:
        group_by = group_by_pattern(catalog, given)
    num_photos = len(catalog.photos)
    if 1 < num_photos <= len(group_by) and len(set(group_by.values())) == 1:
        raise UsageError(
            f"--group-by puts all {num_photos} photos into one group, "
            f"{sanitize(next(iter(group_by.values())))!r}. A group is in one part as a whole: "
            "expected ten or more of each class, such as one for each person or session."
        )
    return group_by


def group_by_pattern(catalog: Catalog, pattern: str) -> dict[str, str]:
    """The user's groups by a regular expression on the path.

    Args:
        catalog: The photos.
        pattern: Photos with the same match (of its first bracket, if it has one) are one group;
            photos without a match stay on their own.

    Raises:
        UsageError: The expression is invalid, or matches no path.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--group-by {pattern!r} is no regular expression: {error}.") from error
    matches = {photo.path: expression.search(photo.path) for photo in catalog.photos}
    found = {p: m.group(1 if expression.groups else 0) for p, m in matches.items() if m is not None}
    if not found:
        example = catalog.photos[0].path if catalog.photos else "none"
        raise UsageError(f"--group-by {pattern!r} matches no path. Paths look like {example}.")
    return {path: group for path, group in found.items() if group is not None}


def group_by_file(file: Path) -> dict[str, str]:
    """The user's groups from a CSV file with the columns ``path`` and ``group``.

    Raises:
        UsageError: The file can't be read, lacks a column, or has a path in two groups.
    """
    remedy = "Expected the columns path and group."
    table = read_table(file, required=("path", "group"), remedy=remedy)
    found: dict[str, str] = {}
    for row in table.rows:
        if row["group"] and found.setdefault(row["path"], row["group"]) != row["group"]:
            raise UsageError(
                f"{file}: {sanitize(row['path'])} is in two groups, {sanitize(found[row['path']])} "
                f"and {sanitize(row['group'])}. Expected one group for each photo."
            )
    return found


def count_groups(photos: Iterable[Photo], group_by: Mapping[str, str]) -> dict[str, int]:
    """For each class, the number of groups that its photos are in.

    Args:
        photos: The photos.
        group_by: Groups by path; a photo without one is on its own.
    """
    groups = {
        (photo.label, photo.path in group_by, group_by.get(photo.path, photo.path))
        for photo in photos
    }
    return dict(Counter(label for label, _, _ in groups))


def find_groups(
    photos: tuple[Photo, ...], group_by: Mapping[str, str] | None
) -> tuple[dict[str, str], list[str]]:
    """The user's groups by the paths of the photos, and a note if some photos have none."""
    if not group_by:
        return {}, []
    finder = PathFinder(photo.path for photo in photos)
    of_user = finder.assign(group_by.items(), "group", error=UsageError)
    if photos and not of_user:
        raise UsageError(
            f"the groups name no photo of the folder. Expected paths like {photos[0].path}, "
            f"received {sanitize(next(iter(group_by)))}."
        )
    if len(of_user) == len(photos):
        return of_user, []
    note = (
        f"groups are given for {len(of_user)} of {plural(len(photos), 'photo')}; each of the "
        "others is in a group with its copies only."
    )
    return of_user, [note]
