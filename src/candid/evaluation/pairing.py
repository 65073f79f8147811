"""How much better one set of answers is than another, on the same images."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.figures import Figure

_Z95: Final = 1.959963984540054


def paired_difference(
    hits_a: NDArray[np.generic], hits_b: NDArray[np.generic], groups: NDArray[np.int64]
) -> Figure | None:
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
    return Figure(value, min(value, low), max(value, high), size)
