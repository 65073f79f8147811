"""Paired statistics of two classifiers on the same images, with whole groups of copies.

McNemar's test, Holm's correction, the sample size, and the difference with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Z95, Estimate, effective_size

POWER: Final = 0.8
_NUM_RESAMPLES: Final = 5000


def mcnemar(
    hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], groups: NDArray[np.int64]
) -> float:
    """Two-sided p-value of McNemar's test, exact with the mid-p correction.

    Mid-p keeps the level without being conservative (Fagerland, Lydersen and Laake, 2013).
    Copies are not independent, so the statistic is the sum of the gains of whole groups, as in
    McNemar's test for clusters (Obuchowski, 1998; Durkalski et al., 2003; Yang, Sun and Hardin,
    2010). Those assume a normal distribution, which does not hold if few groups differ; here the
    exact distribution over all signs of the gains is computed. Without copies it is the binomial
    distribution of the ordinary test.

    Args:
        hits_a: bool ``(n,)``.
        hits_b: bool ``(n,)``.
        groups: int64 ``(n,)``; images of one group are copies of one another.

    Returns:
        Above 0 and at most 1; 1 if no group differs.
    """
    gains = gains_by_group(hits_a, hits_b, groups)
    gains = gains[gains != 0]
    if not len(gains):
        return 1.0
    sizes, counts = np.unique(np.abs(gains), return_counts=True)
    chance = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(count * size + 1)
        spread[::size] = _coin_tosses(count)
        chance = np.convolve(chance, spread)
    # chance[i]: probability that the gains in favour of b sum to i.
    sums = np.abs(2 * np.arange(len(chance)) - int(np.abs(gains).sum()))
    observed = abs(int(gains.sum()))
    p = chance[sums > observed].sum() + chance[sums == observed].sum() / 2
    return min(1.0, float(p))


def gains_by_group(
    hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Hits of b minus hits of a in each of the g groups, int64 ``(g,)``."""
    _, numbers = np.unique(groups, return_inverse=True)
    gains = np.zeros(int(numbers.max(initial=-1)) + 1, np.int64)
    np.add.at(gains, numbers, hits_b.astype(np.int64) - hits_a.astype(np.int64))
    return gains


def _coin_tosses(count: int) -> NDArray[np.float64]:
    """Binomial distribution with probability 1/2, float64 ``(count + 1,)``."""
    ways = [
        math.lgamma(count + 1) - math.lgamma(heads + 1) - math.lgamma(count - heads + 1)
        for heads in range(count + 1)
    ]
    return np.exp(np.array(ways) - count * math.log(2))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for multiple comparisons (Holm, 1979).

    Controls the family-wise error rate, whatever the dependence between the comparisons.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return tuple(corrected)


def photos_needed(
    *, difference: float, discordant: float, level: float = 0.05, power: float = POWER
) -> int:
    """Number of different photos with which McNemar's test detects a difference.

    n = (z_level √ψ + z_power √(ψ - δ²))² / δ² (Connor, 1987), rounded up.

    Args:
        difference: δ, between the accuracies; not 0.
        discordant: ψ, share of the images that only one of the two gets right, at least |δ|.
        level: Two-sided significance level.
        power: Probability of detection.

    >>> photos_needed(difference=0.4, discordant=0.5)
    23
    """
    normal = NormalDist()
    by_chance = normal.inv_cdf(1 - level / 2) * math.sqrt(discordant)
    beyond = normal.inv_cdf(power) * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil(((by_chance + beyond) / difference) ** 2)


def difference(
    hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Estimate:
    """Accuracy of b minus that of a, with a 95 % interval by the paired bootstrap.

    Percentile interval (Efron and Tibshirani, 1993) of 5,000 seeded resamples of whole groups. If
    all groups have the same gain, the bootstrap has no spread; Tango's score interval (1998), which
    has a closed form there, takes its place.

    Args:
        hits_a: bool ``(n,)``; n is at least 1.
        hits_b: bool ``(n,)``.
        groups: int64 ``(n,)``; images of one group are copies of one another.

    Returns:
        -1 to 1. Swapping a and b changes only the sign.
    """
    gains = gains_by_group(hits_a, hits_b, groups)
    sizes = np.unique(groups, return_counts=True)[1]
    sign = -1 if gains.sum() < 0 else 1
    value = sign * float(gains.sum()) / len(groups)
    low, high = _percentiles(sign * gains, sizes)
    if low == high:
        half = Z95**2 / (effective_size(groups) + Z95**2)
        low, high = low - half, high + half
    low, high = max(-1.0, min(low, value)), min(1.0, max(high, value))
    if sign < 0:
        value, low, high = -value, -high, -low
    return Estimate(value, low, high, len(groups))


def _percentiles(gains: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """The middle 95 % of the resampled mean gain per image."""
    # Groups of equal size and gain are drawn together, as there are few kinds of them.
    kinds, counts = np.unique(np.stack([gains, sizes]), axis=1, return_counts=True)
    draws = np.random.default_rng(0).multinomial(
        len(gains), counts / len(gains), size=_NUM_RESAMPLES
    )
    means = matmul(draws, kinds[0]) / matmul(draws, kinds[1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
