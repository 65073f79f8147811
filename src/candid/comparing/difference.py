"""By how much one classifier's accuracy exceeds another's on the same images."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.comparing.mcnemar import gains_by_group
from candid.evaluation.figures import Figure, effective_size
from candid.matrices import matmul

_Z95: Final = 1.959963984540054  # the normal quantile of a two-sided 95 % interval
_NUM_RESAMPLES: Final = 5000


def difference(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Figure:
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
    return Figure(value, low, high, len(groups))


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
