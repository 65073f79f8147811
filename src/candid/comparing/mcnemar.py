"""Do two classifiers err on the same number of images, or is one better: McNemar's test."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


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
