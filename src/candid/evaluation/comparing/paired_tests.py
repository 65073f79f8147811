"""By how much one classifier's accuracy exceeds another's on the same images.

Do two classifiers err on the same number of images, or is one better: McNemar's test.

Several comparisons at once: one of twenty is "significant" by chance alone.

How many photos it takes to see a difference between two classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Estimate, effective_size


def mcnemar(
    hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], groups: NDArray[np.int64]
) -> float:
    """The probability of a difference at least this large, if neither is better.

    McNemar's test looks at the images that only one of the two gets right: if neither is better,
    each of them might as well have gone the other way. It is exact, with the mid-p correction,
    which keeps the level without being timid (Fagerland, Lydersen and Laake, 2013).

    Copies of a picture don't go one way or the other each on its own, so whole groups do. The
    statistic is the sum over the groups of what one gained over the other, as in McNemar's test
    for clusters (Obuchowski, 1998; Durkalski et al., 2003; Yang, Sun and Hardin, 2010); those take
    it to be normal, which it is not where few groups differ, so here its distribution over all
    ways in which the groups could have gone is computed. Without copies that is the binomial
    distribution of the ordinary test.

    Args:
        hits_a: bool ``(n,)``, whether one of the two is right.
        hits_b: bool ``(n,)``, likewise for the other.
        groups: int64 ``(n,)``; images of one group are copies of one another.

    Returns:
        The two-sided p-value, above 0 and at most 1; 1 where no group differs.
    """
    gains = gains_by_group(hits_a, hits_b, groups)
    gains = gains[gains != 0]
    if not len(gains):
        return 1.0
    sizes, counts = np.unique(np.abs(gains), return_counts=True)
    chance = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        chance = np.convolve(chance, _spread(_coin_tosses(count), size))
    # The place in `chance` is the sum over the groups that went to b.
    sums = np.abs(2 * np.arange(len(chance)) - int(np.abs(gains).sum()))
    observed = abs(int(gains.sum()))
    p = chance[sums > observed].sum() + chance[sums == observed].sum() / 2
    return min(1.0, float(p))


def gains_by_group(
    hits_a: NDArray[np.bool_], hits_b: NDArray[np.bool_], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many more images of each group b gets right than a.

    Args:
        hits_a: bool ``(n,)``.
        hits_b: bool ``(n,)``.
        groups: int64 ``(n,)``.

    Returns:
        int64 ``(g,)``.
    """
    _, units = np.unique(groups, return_inverse=True)
    gains = np.zeros(int(units.max(initial=-1)) + 1, np.int64)
    np.add.at(gains, units, hits_b.astype(np.int64) - hits_a.astype(np.int64))
    return gains


def _coin_tosses(count: int) -> NDArray[np.float64]:
    """The probability of each number of heads in some tosses, float64 ``(count + 1,)``."""
    ways = [
        math.lgamma(count + 1) - math.lgamma(heads + 1) - math.lgamma(count - heads + 1)
        for heads in range(count + 1)
    ]
    return np.exp(np.array(ways) - count * math.log(2))


def _spread(chance: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The distribution of ``size`` times a number."""
    wide = np.zeros((len(chance) - 1) * size + 1)
    wide[::size] = chance
    return wide


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for their number (Holm, 1979).

    What is below 5 % afterwards is so with at most 5 % chance that any of it is due to chance,
    however the comparisons depend on one another.

    Args:
        p_values: 0 to 1.

    Returns:
        The corrected ones in the same order, each at least what it was and at most 1.

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


POWER: Final = 0.8


def photos_needed(
    *, difference: float, discordant: float, level: float = 0.05, power: float = POWER
) -> int:
    """The number of different photos with which McNemar's test would see a difference.

    n = (z_level √ψ + z_power √(ψ - δ²))² / δ² (Connor, 1987).

    Args:
        difference: δ, between the accuracies; not 0.
        discordant: ψ, the share of the images that only one of the two gets right, at least |δ|.
        level: Up to which p-value a difference is seen, two-sided.
        power: How often it is to be seen.

    Returns:
        How many, rounded up.

    >>> photos_needed(difference=0.4, discordant=0.5)
    23
    """
    normal = NormalDist()
    by_chance = normal.inv_cdf(1 - level / 2) * math.sqrt(discordant)
    beyond = normal.inv_cdf(power) * math.sqrt(max(0.0, discordant - difference**2))
    return math.ceil(((by_chance + beyond) / difference) ** 2)


_Z95: Final = 1.959963984540054  # the normal quantile of a two-sided 95 % interval
_NUM_RESAMPLES: Final = 5000


def difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Estimate:
    """The second's accuracy minus the first's, with a 95 % interval.

    The interval is the paired bootstrap's (percentiles; Efron and Tibshirani, 1993): whole groups
    are drawn with replacement 5,000 times, seeded. From groups that never differ, or all do alike,
    it would draw nothing else and be sure of that; Tango's score interval (1998), which has a
    closed form there, takes its place.

    Args:
        first: bool ``(n,)``, whether the first is right; n is at least 1.
        second: bool ``(n,)``, likewise.
        groups: int64 ``(n,)``; images of one group are copies of one another.

    Returns:
        A figure from -1 to 1. From the other side it is the same with the other sign.
    """
    gains = gains_by_group(first, second, groups)
    sizes = np.unique(groups, return_counts=True)[1]
    sign = -1 if gains.sum() < 0 else 1
    value = sign * float(gains.sum()) / len(groups)
    low, high = _percentiles(sign * gains, sizes)
    if low == high:
        half = _Z95**2 / (effective_size(groups) + _Z95**2)
        low, high = low - half, high + half
    low, high = max(-1.0, min(low, value)), min(1.0, max(high, value))
    if sign < 0:
        value, low, high = -value, -high, -low
    return Estimate(value, low, high, len(groups))


def _percentiles(gains: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[float, float]:
    """The middle 95 % of what groups drawn with replacement gain an image."""
    # Groups of one size and gain are drawn together: there are few kinds of them.
    kinds, counts = np.unique(np.stack([gains, sizes]), axis=1, return_counts=True)
    draws = np.random.default_rng(0).multinomial(
        len(gains), counts / len(gains), size=_NUM_RESAMPLES
    )
    means = matmul(draws, kinds[0]) / matmul(draws, kinds[1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
