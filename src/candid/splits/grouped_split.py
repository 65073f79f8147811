"""Stratified splits of whole groups into parts or folds, and random subsamples of groups.

Every draw depends on the groups' keys and the seed alone, not on their order or on file names.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.core.stored_rows import ManyRows, TurnedRows

#: The shares of train, val and test.
SHARES: Final = (0.7, 0.2, 0.1)
#: Folds of a cross-validation, where every class has that many groups.
NUM_FOLDS: Final = 5

_Value = TypeVar("_Value", bound=np.generic)
_Members = Sequence[tuple[int, int]]  # classes of a group's images, and how many of each


@dataclass(frozen=True)
class Labelled:
    """Embeddings with their labels and groups.

    Attributes:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        groups: int64 ``(n,)``, the group of each row, which no fold may split; without gaps.
        group_keys: A key per group that depends on its content alone; folds are drawn by it.
        num_classes: The number of classes.
        turned: Of many images, the same rows on the axes that heads are fitted on.
    """

    embeddings: ManyRows
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    group_keys: Sequence[str]
    num_classes: int
    turned: TurnedRows | None = None

    def take(self, places: NDArray[np.int64]) -> Labelled:
        """A subset of the rows; not copied if it is all of them in order, nor read from a file."""
        if len(places) == len(self.labels) and (places == np.arange(len(places))).all():
            return self
        kept, groups = np.unique(self.groups[places], return_inverse=True)
        group_keys = [self.group_keys[group] for group in kept]
        rows = self.embeddings.take(places, axis=0)
        turned = self.turned and self.turned.take(places)
        labels, numbers = self.labels[places], groups.astype(np.int64)
        return Labelled(rows, labels, numbers, group_keys, self.num_classes, turned)

    def folds(self, num_folds: int, *, seed: int) -> NDArray[np.int64]:
        """The fold of each image, int64 ``(n,)``; see `grouped_folds`."""
        keys = self.group_keys
        return grouped_folds(self.labels, self.groups, keys, num_folds=num_folds, seed=seed)

    def num_folds(self) -> int:
        """The number of folds that the smallest class allows, 5 at most; below 2 there is none."""
        return min(NUM_FOLDS, self.fewest_groups())

    def fewest_groups(self) -> int:
        """The number of groups in the class that has the fewest."""
        pairs = np.unique(np.stack([self.labels, self.groups]), axis=1)
        return int(np.bincount(pairs[0], minlength=self.num_classes).min())


def count_by_group(labels: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the images of each class in each group, int64 ``(num_groups, num_classes)``."""
    counts = np.zeros((int(groups.max()) + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (groups, labels), 1)
    return counts


def split_groups(
    counts: NDArray[np.int64],
    group_keys: Sequence[str],
    shares: Sequence[float],
    *,
    seed: int,
    fixed: Mapping[int, int] | None = None,
) -> NDArray[np.int64]:
    """Assign whole groups to parts so that every part gets its share of every class.

    Each part has a whole-numbered target for each class. Groups are assigned one at a time, large
    ones first, at random in proportion to what the parts still lack, among those that lack enough
    to take the whole group. So groups of a single image meet the targets exactly.

    Args:
        counts: int64 ``(g, k)``, images of each class in each group.
        group_keys: Identifies each group by content. The result depends on nothing else.
        shares: The share of each part, summing to 1.
        seed: Random seed; change it to draw another split.
        fixed: The part of groups that are assigned already.

    Returns:
        int64 ``(g,)``, the part of each group.
    """
    parts = dict(fixed or {})
    # Whole numbers in lists: NumPy takes ten times as long for a few of them.
    lacking = _targets(counts.sum(axis=0), shares).tolist()
    members = [
        [(label, count) for label, count in enumerate(row) if count] for row in counts.tolist()
    ]
    for group, part in parts.items():
        _take(members[group], lacking, part)
    hashes, sizes = _seeded_hashes(group_keys, seed), counts.sum(axis=1).tolist()
    for group in sorted(range(len(counts)), key=lambda g: (-sizes[g], hashes[g])):
        if group not in parts:
            uniform = int.from_bytes(hashes[group][:7], "big") / 2**56
            parts[group] = _choose_part(members[group], lacking, uniform)
            _take(members[group], lacking, parts[group])
    return np.array([parts[group] for group in range(len(counts))], np.int64)


def grouped_folds(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    group_keys: Sequence[str],
    *,
    num_folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """Assign images to folds, whole groups only, stratified by class; see `split_groups`.

    Returns:
        int64 ``(n,)``, the fold of each image.
    """
    counts = count_by_group(labels, groups)
    return split_groups(counts, group_keys, [1 / num_folds] * num_folds, seed=seed)[groups]


def in_order(folds: NDArray[np.int64], parts: Sequence[NDArray[_Value]]) -> NDArray[_Value]:
    """Join the values of each fold in the images' order."""
    joined = np.empty((len(folds), *parts[0].shape[1:]), parts[0].dtype)
    for fold, part in enumerate(parts):
        joined[folds == fold] = part
    return joined


def random_ranks(group_keys: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """Rank groups at random by their keys and the seed alone, int64 ``(g,)``, from 0."""
    hashes = b"".join(digest[:8] for digest in _seeded_hashes(group_keys, seed))
    order = np.argsort(np.frombuffer(hashes, ">u8"), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def sample_groups(
    places: NDArray[np.int64],
    groups: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    most: int,
) -> NDArray[np.int64]:
    """Draw whole groups until there are about ``most`` images, or all of them.

    Args:
        places: int64 ``(m,)``, the images to choose from.
        groups: int64 ``(n,)``, the group of every image.
        ranks: int64 ``(g,)``, the order in which groups are drawn.
        most: The number of images wanted; the last group may exceed it.

    Returns:
        int64 ``(at least min(m, most),)``, in the order of ``places``.
    """
    if len(places) <= most:
        return places
    rank = ranks[groups[places]]
    last = int(np.partition(rank, most - 1)[most - 1])
    return np.asarray(places[rank <= last], np.int64)


def _seeded_hashes(keys: Sequence[str], seed: int) -> list[bytes]:
    return [hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in keys]


def _take(members: _Members, lacking: list[list[int]], part: int) -> None:
    for label, count in members:
        lacking[label][part] -= count


def _choose_part(members: _Members, lacking: list[list[int]], uniform: float) -> int:
    if len(members) == 1:
        [(label, count)] = members
        lack = lacking[label]
        room = [each if each >= count else 0 for each in lack]
    else:
        wanted = [(count, lacking[label]) for label, count in members]
        lack = [sum(count * row[part] for count, row in wanted) for part in range(len(lacking[0]))]
        fits = [all(row[part] >= count for count, row in wanted) for part in range(len(lack))]
        room = [each if fit else 0 for each, fit in zip(lack, fits, strict=True)]
    total = sum(room)
    if total <= 0:
        return lack.index(max(lack))
    return bisect_right([each / total for each in accumulate(room)], uniform)


def _targets(totals: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Whole targets ``(k, parts)`` by largest remainder; a tie goes to the last part."""
    exact = np.outer(totals, shares)
    targets = np.floor(exact + 1e-9).astype(np.int64)
    for row, wanted, total in zip(targets, exact, totals, strict=True):
        remainders = wanted - row
        ranked = sorted(range(len(shares)), key=lambda p: (-round(remainders[p], 9), -p))
        for part in ranked[: int(total - row.sum())]:
            row[part] += 1
    return targets
