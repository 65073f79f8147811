"""Detect truncated JPEGs, decode what is there of them, and estimate the quality of a JPEG.

libjpeg fills missing data with mid-grey, without an error. The test is to decode twice: with the
end marker right after the data, and after additional noise. A complete picture never reads the
noise; a truncated one shows it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

import numpy as np

from candid.data.images.pillow import open_image
from candid.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

_END = b"\xff\xd9"

#: libjpeg's filling; 127 in the inverted planes of CMYK.
_MID_GREY = (127, 128)


def load_without_end(data: bytes, size: tuple[int, int]) -> ImageFile:
    """Load a JPEG that Pillow refuses, if only its end marker is missing; ``size`` is for draft.

    Raises:
        ImageError: More than the end marker is missing, or may be.
    """
    body = data.removesuffix(b"\xff")
    # A progressive file that ends after a pass lacks detail, not area, which the test can't detect.
    if is_progressive(data) or not _same_with_noise(body, size):
        raise ImageError("truncated: the data end before the picture does")
    return _load(body + _END, size)


def ends_in_mid_grey(image: ImageFile) -> bool:
    """Whether the last pixel has libjpeg's filling."""
    last = np.asarray(image.getpixel((image.width - 1, image.height - 1)))
    return bool(np.isin(last, _MID_GREY).all())


def is_whole(data: bytes, size: tuple[int, int]) -> bool:
    """Whether a picture that ends in mid-grey is complete."""
    end = data.rfind(_END)
    return _same_with_noise(data[: end if end >= 0 else len(data)], size)


def load_part(data: bytes, size: tuple[int, int]) -> tuple[ImageFile, float]:
    """Load a truncated JPEG; the missing part is mid-grey, ``size`` is for ``draft``.

    Returns:
        The picture, and the share of its rows with data, from the top as stored. It is 1 for a
        complete one, and for a progressive one with at least its first, coarse pass.
    """
    # Not `rfind`: a preview in the metadata has an end marker too.
    body = data.removesuffix(_END).removesuffix(b"\xff")
    image = _load(body + _END, size)
    rows = np.asarray(image).reshape(image.height, -1)
    if is_progressive(data):
        # A later pass refines existing rows, so noise would test that pass only.
        reached = ~np.isin(rows, _MID_GREY).all(axis=1)
        return image, float(np.flatnonzero(reached).max(initial=-1) + 1) / len(rows)
    filled = np.asarray(_load(body + _noise() + _END, size)).reshape(rows.shape)
    same = (rows == filled).all(axis=1)
    return image, 1.0 if same.all() else float(same.argmin()) / len(rows)


def is_progressive(data: bytes) -> bool:
    """Whether the frame is progressive (ITU T.81, marker SOF2 or SOF10); True if unknown."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker in (0xC2, 0xCA)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return True


def _same_with_noise(body: bytes, size: tuple[int, int]) -> bool:
    plain = np.asarray(_load(body + _END, size))
    filled = np.asarray(_load(body + _noise() + _END, size))
    return np.array_equal(plain, filled)


def _load(data: bytes, size: tuple[int, int]) -> ImageFile:
    image = open_image(data, "JPEG")
    image.draft("", size)
    image.load()
    return image


@functools.cache
def _noise() -> bytes:
    """Entropy-coded noise with every restart marker, so that restart intervals read it too."""
    noise = np.random.default_rng(0).integers(0, 255, (8, 4096), dtype=np.uint8)
    return b"".join(row.tobytes() + b"\xff" + bytes([0xD0 + n]) for n, row in enumerate(noise))


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
    """Quality on the scale of the Independent JPEG Group whose table is nearest.

    Args:
        table: The 64 steps of the luminance table, row by row.

    Returns:
        1 to 100, exact for files by libjpeg and others with its scale; None for an invalid table.
    """
    if len(table) != _tables().shape[1]:
        return None
    # Ratios, not differences, which the coarse steps would dominate.
    distances = np.abs(np.log(_tables()) - np.log(np.maximum(table, 1))).sum(axis=1)
    return int(distances.argmin()) + 1


@functools.cache
def _tables() -> NDArray[np.int64]:
    """The base table scaled as by libjpeg's ``jpeg_quality_scaling``, ``(100, 64)``."""
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    scaled = (np.ravel(_BASE) * percent[:, None] + 50) // 100
    return cast("NDArray[np.int64]", np.clip(scaled, 1, 255))
