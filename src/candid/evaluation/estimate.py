"""Estimates with 95 % intervals: proportions, and differences between two of them.

Copies of a picture are right or wrong together, so intervals treat a group of copies as a cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

#: Normal quantile of a two-sided 95 % interval.
Z95: Final = 1.959963984540054

#: How a model was evaluated: on the test part, or by grouped cross-validation.
EstimateSource = Literal["test", "kfold"]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, measured on ``n`` images."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f}  ({self.low:.3f} to {self.high:.3f}, n = {self.n})"


def percentage_points(share: float, digits: int = 1, sign: str = "") -> str:
    """Format a difference in percentage points; what rounds to 0 has no sign.

    >>> percentage_points(-0.0123), percentage_points(0.02, 0, "+"), percentage_points(-0.0001)
    ('-1.2', '+2', '0.0')
    """
    rounded = round(100 * share, digits)
    return f"{rounded or 0.0:{sign if rounded else ''}.{digits}f}"


def wilson(successes: float, n: int, *, effective_n: float | None = None) -> Estimate | None:
    """A proportion with Wilson's score interval (Wilson, 1927).

    Args:
        successes: Number of successes; not whole if averaged over repeats.
        n: Number of images.
        effective_n: Effective sample size if there are copies; by default ``n``.

    Returns:
        The estimate; None if n is 0.
    """
    if n == 0:
        return None
    share, worth = successes / n, effective_n or n
    shrink = 1 + Z95**2 / worth
    middle = (share + Z95**2 / (2 * worth)) / shrink
    spread = share * (1 - share) / worth + Z95**2 / (4 * worth**2)
    half = Z95 / shrink * math.sqrt(spread)
    low, high = max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
    return Estimate(share, low, high, n)


def effective_size(groups: NDArray[np.int64], *, correlation: float = 1.0) -> float:
    """Effective sample size of n images with copies among them.

    n / d with the design effect d: the mean over the images of 1 + (s - 1) · correlation, where s
    is the size of the image's group (Kish, 1965).

    Args:
        groups: int64 ``(n,)``, the group of each image.
        correlation: Intraclass correlation, 0 to 1; at 1 copies are always right or wrong together.

    Returns:
        At most n; 0 for no images.
    """
    if not len(groups):
        return 0.0
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    return float(sizes.sum() ** 2 / (sizes * (1 + (sizes - 1) * correlation)).sum())


def intraclass_correlation(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Correlation of the outcomes within groups: 1 if copies always agree, 0 if independent.

    Kappa of the pairs within groups: 1 minus the observed share of differing pairs over the
    expected one (kappa-type estimators are compared by Ridout, Demétrio and Firth, "Estimating
    intraclass correlation for binary data", Biometrics, 1999). One success and one failure are
    added for the expected share, so that it is defined if all outcomes are equal.

    Args:
        hits: bool ``(n,)``.
        groups: int64 ``(n,)``.

    Returns:
        0 to 1; 1 if there are no pairs.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(numbers).astype(np.float64)
    num_hits = np.bincount(numbers, hits)
    num_pairs = float((sizes * (sizes - 1)).sum())
    if not num_pairs:
        return 1.0
    differing = float((2 * num_hits * (sizes - num_hits)).sum()) / num_pairs
    share = (float(hits.sum()) + 1) / (len(hits) + 2)
    return min(1.0, max(0.0, 1 - differing / (2 * share * (1 - share))))


def proportion(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> Estimate | None:
    """Share of hits, with Wilson's interval at the effective sample size.

    The intraclass correlation is measured on these hits (as Saha, Miller and Wang, 2016, for
    clustered proportions).

    Args:
        hits: bool ``(n,)``.
        groups: int64 ``(n,)``.
    """
    size = effective_size(groups, correlation=intraclass_correlation(hits, groups))
    return wilson(float(hits.sum()), len(hits), effective_n=size)


def paired_difference(
    hits_a: NDArray[np.generic], hits_b: NDArray[np.generic], groups: NDArray[np.int64]
) -> Estimate | None:
    """Share of hits of a minus that of b, on the same images.

    The interval is that of A. Agresti and Y. Min, "Simple improved confidence intervals for
    comparing matched proportions", Statistics in Medicine, 2005: half a pair is added to each of
    the four cells, so that the interval has a width even if no pair differs. The variance is
    summed over groups.

    Args:
        hits_a: ``(n,)``, bool, or 0 to 1 if averaged over repeats.
        hits_b: ``(n,)``, likewise.
        groups: int64 ``(n,)``; images of one group show the same picture.

    Returns:
        The estimate, -1 to 1; None if n is 0.
    """
    size = len(groups)
    if not size:
        return None
    differences = hits_a.astype(np.float64) - hits_b.astype(np.float64)
    value = float(differences.mean())
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], differences - value)
    half = Z95 * math.sqrt(float(np.square(sums).sum()) + 1) / (size + 2)
    middle = value * size / (size + 2)
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return Estimate(value, min(value, low), max(value, high), size)


def unpaired_difference(a: Estimate, b: Estimate) -> Estimate:
    """Proportion a minus proportion b, measured on different images.

    The interval is Newcombe's from both Wilson intervals (R. G. Newcombe, "Interval estimation for
    the difference between independent proportions", Statistics in Medicine, 1998, method 10).
    """
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return Estimate(value, low, high, min(a.n, b.n))
