"""Embeddings with their labels, and what must not be torn apart among them.

Deals whole units into parts by share: stratified, random by content, and the same every time.

Parts of a split and folds of a cross-validation are both dealt here.

Draws some of many units by content and seed: the same ones whatever the files are called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import without_flags


def count_by_group(labels: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the images of each class in each unit, int64 ``(num_units, num_classes)``."""
    counts = np.zeros((int(units.max()) + 1, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (units, labels), 1)
    return counts


@without_flags()  # once for all units; products of whole numbers are finite
def split_groups(
    counts: NDArray[np.int64],
    keys: Sequence[str],
    shares: Sequence[float],
    *,
    seed: int,
    fixed: Mapping[int, int] | None = None,
) -> NDArray[np.int64]:
    """Deal units into parts so that every part gets its share of every class.

    Each part has a whole-numbered target for each class. Units are dealt one by one, large ones
    first, at random in proportion to what the parts still lack, among those that lack enough to
    take the unit whole; so single images end exactly on the targets.

    Args:
        counts: int64 ``(u, k)``, images of each class in each unit; a unit stays whole.
        keys: What identifies each unit by content. The result depends on nothing else: not on the
            order of the units, nor on any name.
        shares: The share of each part, summing to 1.
        seed: Another seed, another deal.
        fixed: Units that have their part already.

    Returns:
        int64 ``(u,)``, the part of each unit.
    """
    parts = np.full(len(counts), -1, np.int64)
    lacking = _targets(counts.sum(axis=0), shares).astype(np.float64)
    for unit, part in (fixed or {}).items():
        parts[unit] = part
        lacking[:, part] -= counts[unit]
    drawn = [hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in keys]
    order = sorted(range(len(counts)), key=lambda unit: (-counts[unit].sum(), drawn[unit]))
    for unit in order:
        if parts[unit] < 0:
            uniform = int.from_bytes(drawn[unit][:7], "big") / 2**56
            parts[unit] = _choose(counts[unit], lacking, uniform)
            lacking[:, parts[unit]] -= counts[unit]
    return parts


def grouped_folds(
    labels: NDArray[np.int64],
    units: NDArray[np.int64],
    keys: Sequence[str],
    *,
    num_folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """Deal images into folds, whole units only, stratified by class.

    Args:
        labels: int64 ``(n,)``.
        units: int64 ``(n,)``, numbered from 0 without gaps.
        keys: A key a unit; see `split_groups`.
        num_folds: How many folds.
        seed: Another seed, other folds.

    Returns:
        int64 ``(n,)``, the fold of each image.
    """
    counts = count_by_group(labels, units)
    return split_groups(counts, keys, [1 / num_folds] * num_folds, seed=seed)[units]


def _choose(count: NDArray[np.int64], lacking: NDArray[np.float64], uniform: float) -> int:
    has = count > 0
    room = np.where((lacking[has] >= count[has, None]).all(axis=0), count @ lacking, 0.0)
    if room.sum() <= 0:
        return int(np.argmax(count @ lacking))
    return int(np.searchsorted(np.cumsum(room) / room.sum(), uniform, side="right"))


def _targets(totals: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.int64]:
    """Whole targets ``(k, parts)`` by the largest remainder; of equal ones the last part's."""
    exact = np.outer(totals, shares)
    targets = np.floor(exact + 1e-9).astype(np.int64)
    for row, wanted, total in zip(targets, exact, totals, strict=True):
        remainders = wanted - row
        ranked = sorted(range(len(shares)), key=lambda p: (-round(remainders[p], 9), -p))
        for part in ranked[: int(total - row.sum())]:
            row[part] += 1
    return targets


_BYTES = 8  # of a hash


def random_ranks(keys: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """Put units into an order that depends on their keys and the seed alone.

    Args:
        keys: A key a unit.
        seed: Another seed, another order.

    Returns:
        int64 ``(u,)``, the place of each unit in the order.
    """
    text = "".join(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:16] for key in keys)
    drawn = np.frombuffer(bytes.fromhex(text), f">u{_BYTES}")
    ranks = np.empty(len(drawn), np.int64)
    ranks[np.argsort(drawn, kind="stable")] = np.arange(len(drawn))
    return ranks


def sample_groups(
    places: NDArray[np.int64],
    units: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    most: int,
) -> NDArray[np.int64]:
    """Draw whole units until there are about ``most`` images, or all of them.

    Args:
        places: int64 ``(m,)``, the images to choose from.
        units: int64 ``(n,)``, the unit of every image.
        ranks: int64 ``(u,)``, the order in which units are drawn.
        most: How many images are wanted; the last unit may exceed it.

    Returns:
        int64 ``(at least min(m, most),)``, in the order of ``places``.
    """
    if len(places) <= most:
        return places
    drawn = ranks[units[places]]
    last = int(np.partition(drawn, most - 1)[most - 1])
    return np.asarray(places[drawn <= last], np.int64)


Rows = NDArray[np.float32]

NUM_FOLDS: Final = 5


@dataclass(frozen=True)
class Labelled:
    """Embeddings with their labels.

    Attributes:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        units: int64 ``(n,)``, what must not be torn apart by a fold, numbered without gaps.
        keys: A key a unit that depends on its content alone, as folds are dealt by it.
        num_classes: How many classes there are.
    """

    embeddings: Rows
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    keys: Sequence[str]
    num_classes: int

    def take(self, places: NDArray[np.int64]) -> Labelled:
        """Some of the images; all of them in order are not copied."""
        if len(places) == len(self.labels) and (places == np.arange(len(places))).all():
            return self
        kept, units = np.unique(self.units[places], return_inverse=True)
        keys = [self.keys[unit] for unit in kept]
        rows = self.embeddings[places]
        return Labelled(rows, self.labels[places], units.astype(np.int64), keys, self.num_classes)

    def num_folds(self) -> int:
        """How many folds the smallest class allows, at most five; below 2 there is none."""
        return min(NUM_FOLDS, self.fewest_units())

    def fewest_units(self) -> int:
        """How many units the class has that has the fewest."""
        pairs = np.unique(np.stack([self.labels, self.units]), axis=1)
        return int(np.bincount(pairs[0], minlength=self.num_classes).min())
