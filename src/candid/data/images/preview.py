"""Small pictures for display, of damaged files too, which `decode` refuses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from candid.data.images.colour import to_rgb
from candid.data.images.contract import Reading, resize, resize_longest
from candid.data.images.decode import decode_stored, decoder_errors, open_checked, read_header
from candid.data.images.exif import read_orientation, upright
from candid.data.images.files import identify
from candid.data.images.jpeg import load_part
from candid.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

# As in `decode`, for an antialiased resize.
_OVERSAMPLING = 2

_DEFAULT = Reading()

_THUMBNAIL_PX = 128

# On three real data sets, thumbnails of 160 pixels at this quality have 4.7 kB on average, 8 kB at
# most. WebP is a third smaller, but takes five times as long to encode.
JPEG_QUALITY = 80

# Decoded size for the share of rows, which a smaller one would give only roughly.
_PART_PX = 512


def preview(data: bytes, size_px: int, reading: Reading = _DEFAULT) -> NDArray[np.uint8] | None:
    """Decode a picture, or the existing part of it. Never raises, and prints nothing.

    Args:
        data: The file, perhaps truncated.
        size_px: The longest side of the result.
        reading: What of the file becomes a picture.

    Returns:
        ``uint8 (h, w, 3)`` RGB, upright, with the aspect ratio of the picture; the missing part of
        a truncated JPEG is grey. None if nothing can be decoded.
    """
    for show in (_show_whole, _show_part):
        try:
            return show(data, size_px, reading)
        except _errors():
            continue
    return None


def thumbnail(pixels: NDArray[np.uint8], shape: tuple[int, ...]) -> bytes:
    """A small JPEG of a picture, its longest side `_THUMBNAIL_PX`: 2 to 5 kB.

    Args:
        pixels: ``uint8 (h, w, 3)`` RGB.
        shape: Height and width whose aspect ratio it gets.
    """
    scale = _THUMBNAIL_PX / max(shape)
    height, width = (max(1, round(side * scale)) for side in shape)
    return to_jpeg(resize(pixels, width, height))


def to_jpeg(pixels: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    """Encode ``uint8 (h, w, 3)`` RGB as a JPEG for display."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return bytes(cv2.imencode(".jpg", pixels[..., ::-1], options)[1])


def decodable_share(data: bytes) -> float:
    """How much of a picture that `decode` refuses can be decoded. Never raises or prints.

    Returns:
        The share of rows of a truncated JPEG, from the top as stored; 1 of a progressive one that
        has all rows, if coarse. 0 for other formats.
    """
    try:
        return _load_part(data, (_PART_PX, _PART_PX))[1]
    except _errors():
        return 0.0


def _errors() -> tuple[type[Exception], ...]:
    return (ImageError, *decoder_errors())


def _show_whole(data: bytes, size_px: int, reading: Reading) -> NDArray[np.uint8]:
    header = read_header(data, max_pixels=reading.max_pixels)
    least_px = _least_px((header.width_px, header.height_px), size_px)
    pixels, orientation = decode_stored(data, least_px, reading)
    return resize_longest(upright(pixels, orientation), size_px)


def _show_part(data: bytes, size_px: int, reading: Reading) -> NDArray[np.uint8] | None:
    least_px = _least_px(open_checked(data, reading.max_pixels).size, size_px)
    image, share = _load_part(data, (least_px, least_px))
    if not share:
        return None
    orientation = read_orientation(image.info.get("exif", b""))
    return resize_longest(upright(to_rgb(image, least_px), orientation), size_px)


def _load_part(data: bytes, size: tuple[int, int]) -> tuple[ImageFile, float]:
    if identify(data) != "JPEG":
        raise ImageError("only JPEG can be decoded in part")
    open_checked(data)
    return load_part(data, size)


def _least_px(size: tuple[int, int], size_px: int) -> int:
    """Least length of the shorter side when decoding."""
    return max(1, math.ceil(_OVERSAMPLING * size_px * min(size) / max(size)))
