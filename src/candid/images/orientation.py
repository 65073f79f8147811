"""EXIF orientation: read from a block, applied to an array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candid.images.exif import read_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112
_SIZES = {1: 1, 3: 2, 4: 4}  # bytes, by the type of the value


def read_orientation(exif: bytes) -> int:
    r"""Read the orientation from an EXIF block.

    Args:
        exif: The block, with or without the ``Exif\0\0`` before it.

    Returns:
        1 to 8; 1, upright, where the block says nothing that makes sense.
    """
    for entry in read_entries(exif):
        if entry.tag == _ORIENTATION_TAG:
            value = int.from_bytes(entry.field[: _SIZES.get(entry.kind, 2)], entry.order)
            return value if 1 <= value <= 8 else 1
    return 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn an image the way its EXIF orientation asks for.

    Args:
        pixels: ``(h, w, c)``.
        orientation: 1 to 8, as in the EXIF standard 2.32, tag 274.

    Returns:
        A view of ``pixels``, of shape ``(w, h, c)`` for the orientations from 5 on.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
