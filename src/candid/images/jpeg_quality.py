"""Which quality a JPEG was saved at, by its quantisation table."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# ITU T.81, table K.1: luminance, in rows.
_BASE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def nearest_quality(table: Sequence[int]) -> int | None:
    """Find the quality of the Independent JPEG Group's scale whose table is nearest.

    Args:
        table: The 64 steps of the luminance table, row by row.

    Returns:
        1 to 100, exact for files of libjpeg and all that use its scale, the nearest for tables of
        other makers; None where it is no table.
    """
    if len(table) != _tables().shape[1]:
        return None
    # The ratio of the steps counts, not their difference: the coarse ones would drown the others.
    distances = np.abs(np.log(_tables()) - np.log(np.maximum(table, 1))).sum(axis=1)
    return int(distances.argmin()) + 1


@functools.cache
def _tables() -> NDArray[np.int64]:
    """Scale the base table as libjpeg's ``jpeg_quality_scaling`` does, ``(100, 64)``."""
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    scaled = (np.ravel(_BASE) * percent[:, None] + 50) // 100
    return cast("NDArray[np.int64]", np.clip(scaled, 1, 255))
