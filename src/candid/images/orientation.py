"""EXIF orientation: read without a metadata library, applied to an array.

Our own reader because Pillow's warns, raises and looks into XMP; one number is all that is needed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORIENTATION_TAG = 0x0112
_INTEGER_TYPES = {1: "B", 3: "H", 4: "I"}


def read_orientation(exif: bytes) -> int:
    r"""Read the orientation from an EXIF block.

    Args:
        exif: The block, with or without the ``Exif\0\0`` before it.

    Returns:
        1 to 8; 1, upright, where the block says nothing that makes sense.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", tiff, entry)
            if tag == _ORIENTATION_TAG:
                (value,) = struct.unpack_from(
                    order + _INTEGER_TYPES.get(kind, "H"), tiff, entry + 8
                )
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
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
