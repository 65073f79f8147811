"""Bytes → a small picture for people to look at: lenient where `decode` is strict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from candid.data.images.colour import to_rgb
from candid.data.images.contract import resize
from candid.data.images.decode import decode_stored, decoder_errors, open_checked
from candid.data.images.exif import read_orientation, upright
from candid.data.images.files import identify
from candid.data.images.jpeg import load_part
from candid.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

# As in `decode`: what the resize may still average over.
_OVERSAMPLING = 2

# For the share of rows; in rows as thick as those of a small picture it would be rough.
_PART_PX = 512


def preview(data: bytes, size_px: int) -> NDArray[np.uint8] | None:
    """Show what there is of a picture. Never raises, and prints nothing.

    Args:
        data: The whole file, or what is left of it.
        size_px: The longest side of the result.

    Returns:
        ``uint8 (h, w, 3)`` RGB, upright, with the shape of the picture; the missing part of a JPEG
        that breaks off is grey. None where nothing can be shown.
    """
    for show in (_show_whole, _show_part):
        try:
            return show(data, size_px)
        except _errors():
            continue
    return None


def decodable_share(data: bytes) -> float:
    """Tell how much there is of a picture that `decode` refuses. Never raises, and prints nothing.

    Args:
        data: The whole file, or what is left of it.

    Returns:
        The share of rows of a JPEG that breaks off, from the top as stored; 1 of a progressive one
        that has all of them, if coarse. 0 where there is nothing, and for all other formats, of
        which no part is decoded.
    """
    try:
        return _load_part(data, (_PART_PX, _PART_PX))[1]
    except _errors():
        return 0.0


def _errors() -> tuple[type[Exception], ...]:
    return (ImageError, *decoder_errors())


def _show_whole(data: bytes, size_px: int) -> NDArray[np.uint8]:
    least_px = _least_px(open_checked(data), size_px)
    pixels, orientation = decode_stored(data, least_px)
    return _fit(upright(pixels, orientation), size_px)


def _show_part(data: bytes, size_px: int) -> NDArray[np.uint8] | None:
    least_px = _least_px(open_checked(data), size_px)
    image, share = _load_part(data, (least_px, least_px))
    if not share:
        return None
    orientation = read_orientation(image.info.get("exif", b""))
    return _fit(upright(to_rgb(image, least_px), orientation), size_px)


def _load_part(data: bytes, size: tuple[int, int]) -> tuple[ImageFile, float]:
    if identify(data) != "JPEG":
        raise ImageError("only of a JPEG can a part be decoded")
    open_checked(data)
    return load_part(data, size)


def _least_px(image: ImageFile, size_px: int) -> int:
    """Tell how long the shorter side has to be decoded."""
    return max(1, math.ceil(_OVERSAMPLING * size_px * min(image.size) / max(image.size)))


def _fit(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
