"""How much better one set of answers is than another, on the same images.

Figures that carry their interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_Z95: Final = 1.959963984540054  # the normal quantile of a two-sided 95 % interval


@dataclass(frozen=True)
class Estimate:
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


def wilson(successes: float, n: int, *, effective_n: float | None = None) -> Estimate | None:
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
    return Estimate(
        share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), n
    )


def effective_size(groups: NDArray[np.int64], *, correlation: float = 1.0) -> float:
    """How many independent images a set with copies is worth.

    A set of groups of sizes s is worth n / d with the design effect d, the mean over the images of
    1 + (s - 1) · correlation (Kish, 1965). With a correlation of 1, copies are always right or
    wrong together, and d = sum of s² / sum of s.

    Args:
        groups: int64 ``(n,)``, the group of each image.
        correlation: How alike the outcomes of one group are, from 0 to 1.

    Returns:
        At most n; 0 for none.
    """
    if not len(groups):
        return 0.0
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes * (1 + (sizes - 1) * correlation)).sum())


def intraclass_correlation(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """How alike the outcomes of copies are: 1 always the same, 0 no more than of two strangers.

    It is the kappa of the pairs within groups: 1 less the share of pairs that differ, over the
    share that would differ by chance (kappa-type estimators are compared by Ridout, Demétrio and
    Firth, "Estimating intraclass correlation for binary data", Biometrics, 1999). For what chance
    gives, one success and one failure are added, so that it is known where all hits are alike.

    Args:
        hits: bool ``(n,)``.
        groups: int64 ``(n,)``.

    Returns:
        From 0 to 1; 1 where there are no pairs.
    """
    _, units = np.unique(groups, return_inverse=True)
    sizes = np.bincount(units).astype(np.float64)
    hits_of = np.bincount(units, hits)
    num_pairs = float((sizes * (sizes - 1)).sum())
    if not num_pairs:
        return 1.0
    differing = float((2 * hits_of * (sizes - hits_of)).sum()) / num_pairs
    share = (float(hits.sum()) + 1) / (len(hits) + 2)
    return min(1.0, max(0.0, 1 - differing / (2 * share * (1 - share))))


def proportion(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> Estimate | None:
    """The share of hits, with an interval that knows of copies.

    Wilson's interval at the effective number of images, with the correlation of the copies as
    measured on these hits (as Saha, Miller and Wang, 2016, for clustered proportions).

    Args:
        hits: bool ``(n,)``.
        groups: int64 ``(n,)``.
    """
    worth = effective_size(groups, correlation=intraclass_correlation(hits, groups))
    return wilson(float(hits.sum()), len(hits), effective_n=worth)


def paired_difference(
    hits_a: NDArray[np.generic], hits_b: NDArray[np.generic], groups: NDArray[np.int64]
) -> Estimate | None:
    """The share of hits of one minus that of the other, with an interval that knows of copies.

    The interval is that of A. Agresti and Y. Min, "Simple improved confidence intervals for
    comparing matched proportions", Statistics in Medicine, 2005: half a pair is added to each of
    the four cells, so that no difference among few images is not taken for none among all. The
    variance is summed over groups, whose images are right or wrong together.

    Args:
        hits_a: ``(n,)``, bool, or 0 to 1 where hits are averaged over repeats.
        hits_b: ``(n,)``, likewise.
        groups: int64 ``(n,)``; images of one group show the same picture.

    Returns:
        The figure, -1 to 1, or None where n is 0.
    """
    size = len(groups)
    if not size:
        return None
    differences = hits_a.astype(np.float64) - hits_b.astype(np.float64)
    value = float(differences.mean())
    _, units = np.unique(groups, return_inverse=True)
    sums = np.bincount(units, differences - value)
    half = _Z95 * math.sqrt(float(np.square(sums).sum()) + 1) / (size + 2)
    middle = value * size / (size + 2)
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return Estimate(value, min(value, low), max(value, high), size)
