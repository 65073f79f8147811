"""Train, validation and test parts that share no picture, nor any copy of one; and their CSV file.

The user's own groups (a patient, a session) come from a CSV file or a pattern on the path.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.text import join_names, plural, sanitize
from candid.data.catalog import NOT_IMAGES, Catalog, Photo
from candid.data.parts import NO_PART, PARTS
from candid.data.tables import PathFinder, read_table
from candid.errors import SplitError
from candid.splits.duplicates import Groups, connect
from candid.splits.grouped_split import SHARES, count_by_group, split_groups
from candid.splits.own_parts import Members, Mode, OwnParts, find_own_parts, keep_own_parts
from candid.splits.user_groups import find_groups

#: Characters of a group's smallest content hash that name the group; folds are drawn by them.
KEY_CHARACTERS: Final = 16

_COLUMNS: Final = ("path", "class", "part", "group")


@dataclass(frozen=True, slots=True)
class Row:
    """The part of one file.

    Attributes:
        path: Relative to the folder, with forward slashes.
        label: Its class.
        part: ``train``, ``val``, ``test``, or empty for none.
        group: Files of one group are in one part; empty for a file that is left out.
        content: SHA-256 of the file; empty for an unreadable one.
    """

    path: str
    label: str
    part: str
    group: str
    content: str


Unit = Literal["different picture", "group"]


@dataclass(frozen=True)
class Split:
    """A split of a folder.

    Attributes:
        rows: One row per photo in the order of the catalog, then one per photo that is left out,
            unreadable or dropped.
        notes: Warnings: conflicts, classes too small for a part.
        unit: What stays in one part, in the singular: a picture with its copies, or a group of the
            user's.
        own: The parts that the folder came with; None if all of them were drawn.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    unit: Unit = "different picture"
    own: OwnParts | None = None

    def name_units(self) -> str:
        """``60 photos show 3 different pictures: a.jpg with 29 others, b.jpg, …``."""
        members: dict[str, list[str]] = {}
        for row in self.rows:
            if row.part:
                members.setdefault(row.group, []).append(row.path)
        names = [
            sanitize(paths[0]) + (f" with {plural(len(paths) - 1, 'other')}" if paths[1:] else "")
            for paths in sorted(members.values(), key=len, reverse=True)
        ]
        photos = plural(sum(map(len, members.values())), "photo")
        verb = "show" if self.unit == "different picture" else "form"
        return f"{photos} {verb} {plural(len(members), self.unit)}: {join_names(names, most=5)}"

    def places(self, *parts: str) -> NDArray[np.int64]:
        """Indices of the rows in any of these parts, in order."""
        return np.array([i for i, row in enumerate(self.rows) if row.part in parts], np.int64)


def split(
    catalog: Catalog,
    groups: Groups,
    *,
    seed: int = 0,
    previous: Split | None = None,
    group_by: Mapping[str, str] | None = None,
    own_parts: Mode | None = "strict",
) -> Split:
    """Split a catalog's photos 70 / 20 / 10, stratified, whole groups only.

    The split depends on the contents and the seed, not on names or order. A picture in two classes
    has no right answer: it is in no part. A folder with parts of its own keeps them, see
    `candid.splits.own_parts`.

    Args:
        catalog: The readable photos.
        groups: Which of them show the same picture.
        seed: Random seed; change it to draw another split.
        previous: An earlier split: its photos keep their part, only new ones are assigned.
        group_by: The user's own groups by path (a patient, a session); they stay whole too.
        own_parts: What to do with copies across the folder's own parts.

    Raises:
        UsageError: No path of the user's groups is that of a photo.
        SplitError: The earlier split knows no photo, or the folder has parts but none to train on.
    """
    photos = catalog.photos
    labels = label_numbers(catalog)
    conflict = in_two_classes(labels, groups.of_photo)
    of_user, group_notes = find_groups(photos, group_by)
    merged = _merge_groups(photos, groups.of_photo, of_user)
    keys = keys_of([photo.content for photo in photos], merged)
    old, part_notes = _find_parts(photos, previous)
    own, unit = None, unit_of(group_by)
    if own_parts is not None and find_own_parts(catalog):
        kept = conflict & (own_parts == "strict")
        members = Members(merged, keys, labels, kept)
        parts, own, own_notes = keep_own_parts(catalog, members, old, mode=own_parts, seed=seed)
    else:
        parts, own_notes = _draw_parts(photos, Members(merged, keys, labels, conflict), old, seed)
    rows = [
        Row(photo.path, photo.label, part, keys[group][:KEY_CHARACTERS], photo.content)
        for photo, part, group in zip(photos, parts, merged, strict=True)
    ]
    notes = (
        *group_notes,
        *part_notes,
        *_conflict_notes(photos, groups, conflict, parts),
        *own_notes,
        *_small_class_notes(catalog.classes, rows, unit, own),
    )
    return Split((*rows, *_left_out_rows(catalog)), notes, unit, own)


def unit_of(group_by: Mapping[str, str] | None) -> Unit:
    """What stays in one part, given the user's groups."""
    return "group" if group_by else "different picture"


def label_numbers(catalog: Catalog) -> NDArray[np.int64]:
    """The index of each photo's class, int64 ``(n,)``."""
    numbers = {name: i for i, name in enumerate(catalog.classes)}
    return np.array([numbers[photo.label] for photo in catalog.photos], np.int64)


def in_two_classes(labels: NDArray[np.int64], pictures: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each photo, by its picture's number, shows one in several classes, bool ``(n,)``."""
    num_pictures = int(pictures.max(initial=-1)) + 1
    low, high = np.full(num_pictures, np.iinfo(np.int64).max), np.full(num_pictures, -1)
    np.minimum.at(low, pictures, labels)
    np.maximum.at(high, pictures, labels)
    return np.asarray((low < high)[pictures], np.bool_)


def keys_of(contents: Sequence[str], groups: NDArray[np.int64]) -> list[str]:
    """The smallest content (SHA-256) of each group, int64 ``(n,)``, numbered without gaps."""
    keys: dict[int, str] = {}
    for content, group in zip(contents, groups.tolist(), strict=True):
        keys[group] = min(content, keys.get(group, content))
    return [keys[group] for group in range(len(keys))]


def _find_parts(
    photos: tuple[Photo, ...], previous: Split | None
) -> tuple[dict[int, str], list[str]]:
    """The part, perhaps none, of each photo that an earlier split knows, and a note on new ones."""
    if previous is None:
        return {}, []
    finder = PathFinder(photo.path for photo in photos)
    rows = sorted(previous.rows, key=lambda row: bool(row.part))
    # Of two files with the same content, one may be in no part, such as a dropped one.
    by_content = {row.content: row.part for row in rows if row.content}
    named = ((row.path, row.part) for row in rows if not row.content)
    by_path = finder.assign(named, "part", error=SplitError)
    # Equal files may be in two parts, if the folder came with them.
    at = {(row.content, row.path): row.part for row in rows if row.content}
    parts = [
        at.get((p.content, p.path), by_content.get(p.content, by_path.get(p.path))) for p in photos
    ]
    old = {place: part for place, part in enumerate(parts) if part is not None}
    if photos and rows and not old:
        raise SplitError(
            "the earlier split has no photo of this folder, neither by content nor by path. It "
            f"has {sanitize(rows[0].path)}, the folder {photos[0].path}. Name the folder's own."
        )
    if len(old) == len(photos):
        return old, []
    note = (
        f"the earlier split has {len(old)} of {plural(len(photos), 'photo')}; the others were "
        "assigned now."
    )
    return old, [note]


def _merge_groups(
    photos: tuple[Photo, ...], pictures: NDArray[np.int64], group_by: Mapping[str, str]
) -> NDArray[np.int64]:
    """Groups of photos that share a picture or a group of the user's, directly or indirectly."""
    members: dict[tuple[str, str | int], list[int]] = {}
    for place, photo in enumerate(photos):
        members.setdefault(("picture", int(pictures[place])), []).append(place)
        if photo.path in group_by:
            members.setdefault(("user", group_by[photo.path]), []).append(place)
    return connect(len(photos), [pair for places in members.values() for pair in pairwise(places)])


def _draw_parts(
    photos: tuple[Photo, ...], members: Members, old: Mapping[int, str], seed: int
) -> tuple[list[str], list[str]]:
    """The part of each photo, drawn but for those of an earlier split; and notes."""
    groups, conflict = members.groups, members.conflict
    fixed, torn = _keep_parts(groups, conflict, old)
    counts = np.zeros((len(members.keys), int(members.labels.max(initial=0)) + 1), np.int64)
    drawn = np.full(len(members.keys), -1, np.int64)
    if not conflict.all():
        counted = count_by_group(members.labels[~conflict], groups[~conflict])
        counts[: len(counted), : counted.shape[1]] = counted
        drawn = split_groups(counts, members.keys, SHARES, seed=seed, fixed=fixed)
    parts = [
        NO_PART if conflict[place] else torn.get(place, PARTS[drawn[group]])
        for place, group in enumerate(groups.tolist())
    ]
    return parts, _torn_notes(photos, torn)


def _keep_parts(
    groups: NDArray[np.int64], conflict: NDArray[np.bool_], parts: Mapping[int, str]
) -> tuple[dict[int, int], dict[int, str]]:
    """Parts of groups that an earlier split knows, and of photos whose group it has in two parts.

    Where a new copy joins photos of two parts, old photos keep their part (moving one would put
    training photos into the test part) and new ones get none.
    """
    old: dict[int, dict[int, str]] = {}
    for place, part in parts.items():
        if part and not conflict[place]:
            old.setdefault(int(groups[place]), {})[place] = part
    fixed = {group: PARTS.index(next(iter(parts.values()))) for group, parts in old.items()}
    torn: dict[int, str] = {}
    for place, group in enumerate(groups.tolist()):
        parts = old.get(group, {})
        if len(set(parts.values())) > 1:
            torn[place] = parts.get(place, NO_PART)
    return fixed, torn


def _left_out_rows(catalog: Catalog) -> list[Row]:
    """Rows of unreadable or dropped images in a class's folder; they are in no part."""
    found = []
    for skipped in catalog.skipped:
        steps = catalog.below_part(skipped.path)
        if steps and skipped.reason not in NOT_IMAGES:
            found.append(Row(skipped.path, steps[0], NO_PART, "", skipped.content))
    return found


def _conflict_notes(
    photos: tuple[Photo, ...],
    groups: Groups,
    conflict: NDArray[np.bool_],
    parts: Sequence[str],
) -> list[str]:
    by_picture: dict[int, list[int]] = {}
    for place in np.flatnonzero(conflict).tolist():
        by_picture.setdefault(int(groups.of_photo[place]), []).append(place)
    return [
        "the same picture is in two classes"
        f"{'' if any(parts[place] for place in places) else ', so it is in no part'}: "
        f"{', '.join(photos[place].path for place in places)}. "
        "Keep the one in the right class and remove the others."
        for places in by_picture.values()
    ]


def _torn_notes(photos: tuple[Photo, ...], torn: dict[int, str]) -> list[str]:
    if not torn:
        return []
    paths = ", ".join(photos[place].path for place in torn)
    return [
        f"these photos belong together, but the earlier split has them in two parts: {paths}. "
        "Old ones kept their part and new ones are in none. To fix it, make a new split."
    ]


def _small_class_notes(
    classes: tuple[str, ...], rows: list[Row], unit: Unit, own: OwnParts | None
) -> list[str]:
    notes = []
    by_class: dict[str, list[Row]] = {name: [] for name in classes}
    for row in rows:
        if row.part:
            by_class[row.label].append(row)
    for name, assigned in by_class.items():
        used = {row.part for row in assigned}
        missing = [part for part in PARTS if part not in used]
        lacking = " and a ".join(missing)
        if missing and own is not None:
            notes.append(f"class {name!r} has no photo for a {lacking} part")
        elif missing:
            number = len({row.group for row in assigned})
            notes.append(
                f"class {name!r} has {plural(number, unit)}, too few for a {lacking} part. Add "
                "photos: 10 different ones are enough for all three parts."
            )
    return notes


def to_csv(split: Split, *, with_content: bool = False) -> str:
    """Write a split as CSV: ``path,class,part,group``, and ``content`` in a run's own file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, "content") if with_content else _COLUMNS)
    for row in split.rows:
        values = (row.path, row.label, row.part, row.group)
        writer.writerow((*values, row.content) if with_content else values)
    return text.getvalue()


def read_csv(file: Path) -> Split:
    """Read a split that was written by `to_csv`.

    Raises:
        SplitError: The file can't be read, lacks a column or names an unknown part.
    """
    remedy = f"Expected the header {','.join(_COLUMNS)}; use a split.csv of Candid."
    rows = read_table(file, required=_COLUMNS, remedy=remedy, error=SplitError).rows
    for row in rows:
        if row["part"] not in (*PARTS, NO_PART):
            raise SplitError(
                f"{file}: {sanitize(row['path'])} is in part {sanitize(row['part'])!r}; "
                f"expected one of {', '.join(PARTS)}, or nothing for no part."
            )
    found = (Row(r["path"], r["class"], r["part"], r["group"], r.get("content", "")) for r in rows)
    return Split(tuple(found), ())
