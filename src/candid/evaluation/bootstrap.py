"""Intervals by the bootstrap over whole groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.figures import Figure

NUM_RESAMPLES: Final = 1000
_MOST_VALUES = 40_000_000

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def group_weights(groups: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.float64]:
    """Weights, float64 ``(b, n)``, of whole groups: the Bayesian bootstrap (Rubin, 1981)."""
    _, units = np.unique(groups, return_inverse=True)
    num = int(units.max(initial=0)) + 1
    resamples = int(np.clip(_MOST_VALUES // max(len(groups), 1), 200, NUM_RESAMPLES))
    drawn = np.random.default_rng(seed).standard_exponential((resamples, num))
    return drawn[:, units]


def interval(values: NDArray[np.float64], value: float, n: int) -> Figure | None:
    """A figure with the 95 % interval of its resampled values."""
    known = values[np.isfinite(values)]
    if not np.isfinite(value) or not len(known):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return Figure(value, float(min(low, value)), float(max(high, value)), n)
