"""Embeddings with their labels, and what must not be torn apart among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
