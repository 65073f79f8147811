"""The parts that a folder comes with: ``train/cat/1.jpg``, ``test/cat/7.jpg``.

They are kept. Only what would make the figures wrong is changed, and named: of a picture in two
parts, the photos in the later one (train, val, test) are left out. A part that is missing is cut
out of train; docs/adr/0021 says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.safe_json import Range
from candid.core.text import join_names, plural
from candid.data.catalog import Catalog
from candid.data.parts import NO_PART, PARTS
from candid.errors import SplitError
from candid.splits.grouped_split import SHARES, split_groups

#: ``strict`` leaves copies across parts out of the later one; ``as-is`` keeps all photos.
Mode = Literal["strict", "as-is"]

_NUM_NAMED: Final = 20


@dataclass(frozen=True)
class OwnParts:
    """The parts that a folder came with.

    Attributes:
        mode: ``strict`` if copies of training photos were left out of the test part, ``as-is`` if
            they were kept.
        parts: Those of train, val and test that the folder has; others were cut out of train.
        num_copies: Photos of the folder's test part that show a picture of train or val.
    """

    mode: Mode
    parts: tuple[str, ...]
    num_copies: Annotated[int, Range(0)]

    @property
    def has_test(self) -> bool:
        """Whether the test part is the folder's own."""
        return "test" in self.parts

    @property
    def are_leaking(self) -> bool:
        """Whether the model was tested on copies of training photos."""
        return self.mode == "as-is" and self.num_copies > 0


@dataclass(frozen=True)
class Members:
    """Which photos stay together.

    Attributes:
        groups: int64 ``(n,)``, the group of each photo.
        keys: The key of each group, by its content.
        labels: int64 ``(n,)``, the class of each photo.
        conflict: bool ``(n,)``, photos whose picture is in two classes.
    """

    groups: NDArray[np.int64]
    keys: Sequence[str]
    labels: NDArray[np.int64]
    conflict: NDArray[np.bool_]


def find_own_parts(catalog: Catalog) -> tuple[str, ...]:
    """The parts that the folder comes with, in order; none if it has photos in one of them only.

    Raises:
        SplitError: No photo is in a training part.
    """
    present = {catalog.role(photo) for photo in catalog.photos} - {NO_PART}
    if present and "train" not in present:
        raise SplitError(
            f"{catalog.source} has no photo in a training part; its folders are "
            f"{join_names(catalog.parts)}. Add train/ with one sub-folder of photos per class."
        )
    return tuple(part for part in PARTS if part in present) if len(present) > 1 else ()


def keep_own_parts(
    catalog: Catalog, members: Members, previous: Mapping[int, str], *, mode: Mode, seed: int
) -> tuple[list[str], OwnParts, list[str]]:
    """Keep every photo in the part that it lies in.

    Args:
        catalog: A folder with parts of its own.
        members: Which photos stay together, and which are in two classes.
        previous: Parts, perhaps none, of photos that an earlier split knows; they are kept.
        mode: What to do with copies across parts.
        seed: Random seed of the parts that are missing.

    Returns:
        The part of each photo, perhaps none; what was done; and notes.
    """
    own = found = find_own_parts(catalog)
    roles = [catalog.role(photo) for photo in catalog.photos]
    parts = _cut_missing(roles, members, previous, own, seed=seed)
    late, earlier = _find_late(parts, members)
    moved = {
        name
        for i, part in previous.items()
        if part and part != roles[i] and (roles[i] != "train" or part in own)
        for name in (part, roles[i])
    }
    own = tuple(name for name in own if name not in moved)
    made = OwnParts(mode, own, sum(parts[place] == "test" for place in late))
    notes = [_describe(found, own, roles, parts), *_copy_notes(catalog, parts, late, earlier, mode)]
    if mode == "strict":
        for place in (*late, *np.flatnonzero(members.conflict).tolist()):
            parts[place] = NO_PART
    return parts, made, notes


def _cut_missing(
    roles: Sequence[str],
    members: Members,
    previous: Mapping[int, str],
    own: Sequence[str],
    *,
    seed: int,
) -> list[str]:
    """The part of each photo, where the missing parts are cut out of train."""
    parts = [previous.get(place, role) for place, role in enumerate(roles)]
    names = [part for part in PARTS if part == "train" or part not in own]
    pool = np.array([part in names for part in parts]) & ~members.conflict
    # A picture that another part has as well stays in train: it can't be set aside any more.
    held = {int(members.groups[i]) for i, part in enumerate(parts) if part and part not in names}
    pool &= ~np.isin(members.groups, list(held))
    if len(names) == 1 or not pool.any():
        return parts
    counts = np.zeros((len(members.keys), int(members.labels.max()) + 1), np.int64)
    np.add.at(counts, (members.groups[pool], members.labels[pool]), 1)
    shares = np.array([SHARES[PARTS.index(name)] for name in names])
    fixed = {
        int(members.groups[place]): names.index(part)
        for place, part in previous.items()
        if part in names
    }
    drawn = split_groups(counts, members.keys, list(shares / shares.sum()), seed=seed, fixed=fixed)
    for place in np.flatnonzero(pool).tolist():
        if place not in previous:
            parts[place] = names[drawn[members.groups[place]]]
    return parts


def _find_late(parts: Sequence[str], members: Members) -> tuple[list[int], dict[int, int]]:
    """Photos whose picture an earlier part has too; and for each, the first photo there."""
    first: dict[int, int] = {}
    placed = [place for place, part in enumerate(parts) if part and not members.conflict[place]]
    for place in sorted(placed, key=lambda place: PARTS.index(parts[place])):
        first.setdefault(int(members.groups[place]), place)
    earlier = {place: first[int(members.groups[place])] for place in placed}
    return [place for place in placed if parts[place] != parts[earlier[place]]], earlier


def _describe(
    found: Sequence[str], own: Sequence[str], roles: Sequence[str], parts: Sequence[str]
) -> str:
    if not own:
        return "the parts are those of the earlier split, not the folder's own"
    counts = join_names([f"{name} ({roles.count(name):,})" for name in own])
    moved = [f"{name} ({parts.count(name):,})" for name in found if name not in own]
    drawn = f"; {join_names(moved)} by the earlier split" if moved else ""
    lacking = [f"a {name} ({parts.count(name):,})" for name in PARTS if name not in found]
    cut = f"; {join_names(lacking)} was cut out of train" if lacking else ""
    return f"the folder's own parts are kept: {counts}{drawn}{cut}"


def _copy_notes(
    catalog: Catalog,
    parts: Sequence[str],
    late: Sequence[int],
    earlier: Mapping[int, int],
    mode: Mode,
) -> list[str]:
    """Name the photos whose picture an earlier part has too."""
    if not late:
        return []
    photos = catalog.photos
    named = [f"{photos[i].path} (as {photos[earlier[i]].path})" for i in late[:_NUM_NAMED]]
    if len(late) > _NUM_NAMED:
        named.append(f"and {len(late) - _NUM_NAMED:,} more")
    tested = sum(parts[place] == "test" for place in late)
    what = f"{plural(len(late), 'photo')} ({tested:,} of test) of a picture or group that"
    done = (
        "in no part; --own-parts as-is keeps them"
        if mode == "strict"
        else "kept (--own-parts as-is), so the figures are too good"
    )
    return [f"{what} an earlier part has too, {done}: {', '.join(named)}"]
