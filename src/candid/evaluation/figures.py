"""Figures that carry their interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Z95: Final = 1.959963984540054  # the normal quantile of a two-sided 95 % interval
_NUM_RESAMPLES: Final = 2000


@dataclass(frozen=True)
class Figure:
    """A figure between 0 and 1 with its 95 % interval.

    Attributes:
        value: The figure.
        low: Where the interval begins.
        high: Where it ends.
        n: How many images it was measured on.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f}  ({self.low:.3f} to {self.high:.3f}, n = {self.n})"


def wilson(successes: float, n: int, *, effective_n: float | None = None) -> Figure | None:
    """A proportion with Wilson's score interval (Wilson, 1927).

    Args:
        successes: How many of the ``n`` succeeded; an average over repeats need not be whole.
        n: How many there were.
        effective_n: How many independent ones these are worth, where copies are among them.

    Returns:
        The figure, or None where n is 0.
    """
    if n == 0:
        return None
    share, worth = successes / n, effective_n or n
    shrink = 1 + _Z95**2 / worth
    middle = (share + _Z95**2 / (2 * worth)) / shrink
    spread = share * (1 - share) / worth + _Z95**2 / (4 * worth**2)
    half = _Z95 / shrink * math.sqrt(spread)
    return Figure(
        share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), n
    )


def effective_size(groups: NDArray[np.int64]) -> float:
    """How many independent images a set with copies is worth, at worst.

    Copies of a picture are taken to be right or wrong together, so a set of groups of sizes s is
    worth n / d with the design effect d = sum of s² / sum of s (Kish, 1965).

    Args:
        groups: int64 ``(n,)``, the group of each image.

    Returns:
        At most n; 0 for none.
    """
    if not len(groups):
        return 0.0
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def proportion(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> Figure | None:
    """The share of hits, with an interval that knows of copies.

    Args:
        hits: bool ``(n,)``.
        groups: int64 ``(n,)``.
    """
    return wilson(float(hits.sum()), len(hits), effective_n=effective_size(groups))


def macro(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    num_classes: int,
    axis: int,
) -> Figure | None:
    """Precision (``axis=0``) or recall (``axis=1``), averaged over the classes.

    The interval is the bootstrap's: whole groups are drawn with replacement 2,000 times (seeded).

    Args:
        truth: int64 ``(n,)``.
        predicted: int64 ``(n,)``.
        groups: int64 ``(n,)``.
        num_classes: How many classes there are.
        axis: Which side of the confusion matrix is summed.
    """
    if not len(truth):
        return None
    _, units = np.unique(groups, return_inverse=True)
    cells = truth * num_classes + predicted
    by_unit = np.zeros((units.max() + 1, num_classes * num_classes))
    np.add.at(by_unit, (units, cells), 1)
    shape = (-1, num_classes, num_classes)
    draws = np.random.default_rng(0).multinomial(
        len(by_unit), np.full(len(by_unit), 1 / len(by_unit)), size=_NUM_RESAMPLES
    )
    resampled = _mean_share((draws.astype(np.float64) @ by_unit).reshape(shape), axis)
    low, high = np.nanquantile(resampled, [0.025, 0.975])
    value = float(_mean_share(by_unit.sum(axis=0).reshape(shape), axis)[0])
    return Figure(value, float(min(low, value)), float(max(high, value)), len(truth))


def _mean_share(confusion: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean over the classes of diagonal / sum, for matrices ``(b, k, k)``; absent ones left out."""
    diagonal = np.diagonal(confusion, axis1=1, axis2=2)
    sums = confusion.sum(axis=1 + axis)
    present = sums > 0
    shares = np.divide(diagonal, sums, out=np.zeros_like(diagonal), where=present)
    return np.asarray(shares.sum(axis=1) / np.maximum(present.sum(axis=1), 1), np.float64)
