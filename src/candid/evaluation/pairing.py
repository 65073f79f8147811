"""Stand-in until `candid.evaluation.figures` has it: a difference, paired by image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.figures import Figure


def paired_difference(
    hits_a: NDArray[np.generic], hits_b: NDArray[np.generic], groups: NDArray[np.int64]
) -> Figure | None:
    """The mean of a - b with a 95 % interval by the bootstrap over whole groups."""
    if not len(groups):
        return None
    difference = hits_a.astype(np.float64) - hits_b.astype(np.float64)
    _, units = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(units, difference), np.bincount(units)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(sizes), (2000, len(sizes)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    value = float(difference.mean())
    return Figure(value, float(min(low, value)), float(max(high, value)), len(groups))
