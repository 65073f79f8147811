"""Leak tax: how far a random split, which separates copies, overstates accuracy."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.core.stored_rows import blocks_of
from candid.evaluation.estimate import (
    Estimate,
    effective_size,
    paired_difference,
    proportion,
    unpaired_difference,
    wilson,
)
from candid.splits.grouped_split import Labelled

#: Random splits over which the naive accuracy is averaged, for few images.
NUM_SPLITS: Final = 3
_FEW_IMAGES: Final = 1000  # above, one split is stable enough, and three take too long


@dataclass(frozen=True)
class LeakTax:
    """Accuracy of one recipe on the same images, split at random and split by groups.

    Attributes:
        naive: With a random split, so that copies are on both sides; the mean of three splits for
            at most 1,000 images.
        honest: With a grouped split.
        tax: ``naive`` minus ``honest``.
        estimate: How both were measured: ``5-fold`` or ``test part``.
        num_copies: Number of images minus number of groups.
        num_images: Number of images that ``num_copies`` refers to; 0 if it is ``honest.n``.
    """

    naive: Estimate
    honest: Estimate
    tax: Estimate
    estimate: str
    num_copies: int = 0
    num_images: int = 0


@dataclass(frozen=True)
class _Ungrouped(Labelled):
    """Images that are each a group of their own, with the number of folds of the grouped ones."""

    most_folds: int = 0

    def num_folds(self) -> int:
        return self.most_folds


def naive_hits(
    data: Labelled,
    *,
    seed: int,
    predict: Callable[[Sequence[Labelled]], Sequence[Rows] | None],
) -> NDArray[np.float64] | None:
    """Cross-validate with every image as a group of its own.

    The choice of the head's strength is ungrouped too.

    Args:
        data: n images.
        seed: Random seed; change it to draw other splits.
        predict: Cross-validates some sets of n images: float32 ``(n, k)`` probabilities for each,
            or None if it can't.

    Returns:
        float64 ``(n,)``, the share of random splits in which an image is right; None if there are
        no copies, and so nothing to fit, or no cross-validation.
    """
    size = len(data.labels)
    if data.num_folds() < 2 or len(np.unique(data.groups)) == size:
        return None
    num_splits = NUM_SPLITS if size <= _FEW_IMAGES else 1
    answers = predict([_ungroup(data, f"{seed}:{number}") for number in range(num_splits)])
    if answers is None:
        return None
    return np.asarray(np.mean([a.argmax(axis=1) == data.labels for a in answers], axis=0))


def measure_leak_tax(
    data: Labelled, honest: NDArray[np.bool_], naive: NDArray[np.float64] | None
) -> LeakTax | None:
    """Compare random splits with grouped folds; without copies both are the same.

    Args:
        data: n images.
        honest: bool ``(n,)``, hits of the grouped cross-validation.
        naive: From `naive_hits`.

    Returns:
        The tax; None if there is no cross-validation.
    """
    num_folds, size = data.num_folds(), len(data.labels)
    true = proportion(honest, data.groups)
    if true is None or num_folds < 2:
        return None
    estimate, num_copies = f"{num_folds}-fold", size - len(np.unique(data.groups))
    if not num_copies:
        return LeakTax(true, true, Estimate(0.0, 0.0, 0.0, size), estimate)
    if naive is None:
        return None
    share = wilson(float(naive.sum()), size, effective_n=effective_size(data.groups))
    tax = paired_difference(naive, honest, data.groups)
    if share is None or tax is None:
        return None
    return LeakTax(share, true, tax, estimate, num_copies)


def _ungroup(data: Labelled, prefix: str) -> Labelled:
    """The same images, each a group of its own with a key that depends on its embedding."""
    seen: Counter[str] = Counter()
    keys = []
    for block in blocks_of(data.embeddings):
        for row in data.embeddings[block]:
            digest = hashlib.blake2b(row.tobytes(), digest_size=8).hexdigest()
            seen[digest] += 1  # equal files have equal embeddings, and need different keys too
            keys.append(f"{prefix}:{digest}:{seen[digest]}")
    changed = {"groups": np.arange(len(keys)), "group_keys": keys, "most_folds": data.num_folds()}
    return _Ungrouped(**(vars(data) | changed))


def unpaired_tax(
    naive: Estimate | None,
    honest: Estimate | None,
    *,
    estimate: str,
    num_copies: int,
    num_images: int,
) -> LeakTax | None:
    """The tax from two accuracies on different images; None if either was not measured.

    ``num_copies`` and ``num_images`` are of all parts.
    """
    if naive is None or honest is None:
        return None
    tax = unpaired_difference(naive, honest)
    return LeakTax(naive, honest, tax, estimate, num_copies, num_images)
