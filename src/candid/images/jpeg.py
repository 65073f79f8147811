"""Is a JPEG whole, and what is there of it? libjpeg fills up with mid-grey, and reports no error.

The test is to decode twice: the end marker once right after the data, once after filler that would
decode to something. A whole picture never reads the filler; one that lacks data shows it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from candid.errors import ImageError
from candid.images.plugins import open_image

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_END = b"\xff\xd9"

#: What libjpeg fills in; 127 in the inverted planes of CMYK.
_MID_GREY = (127, 128)


def load_without_end(data: bytes, size: tuple[int, int]) -> ImageFile:
    """Load a JPEG of which only the end marker is missing.

    Args:
        data: The whole file, on which Pillow has given up.
        size: What to pass to ``draft``.

    Raises:
        ImageError: More than the end marker is missing, or it can't be told.
    """
    body = data.removesuffix(b"\xff")
    # A progressive file that ends after one of its passes lacks detail, not area: can't be told.
    if is_progressive(data) or not _same_with_filler(body, size):
        raise ImageError("truncated: the data end before the picture does")
    return _load(body + _END, size)


def ends_in_mid_grey(image: ImageFile) -> bool:
    """Tell whether the last pixel is what libjpeg fills in."""
    last = np.asarray(image.getpixel((image.width - 1, image.height - 1)))
    return bool(np.isin(last, _MID_GREY).all())


def is_whole(data: bytes, size: tuple[int, int]) -> bool:
    """Tell a picture that ends in mid-grey from one that libjpeg has filled up with it."""
    end = data.rfind(_END)
    return _same_with_filler(data[: end if end >= 0 else len(data)], size)


def load_part(data: bytes, size: tuple[int, int]) -> tuple[ImageFile, float]:
    """Load what there is of a JPEG whose data end early; the rest is mid-grey.

    Args:
        data: The whole file.
        size: What to pass to ``draft``.

    Returns:
        The picture, and the share of its rows that the data reach, from the top as stored. It is 1
        for a whole one, and for a progressive one that has at least its first, coarse pass.
    """
    # Not `rfind`: a preview in the metadata has an end marker of its own.
    body = data.removesuffix(_END).removesuffix(b"\xff")
    image = _load(body + _END, size)
    rows = np.asarray(image).reshape(image.height, -1)
    if is_progressive(data):
        # A later pass changes what is there already, so filler would tell about that pass only.
        reached = ~np.isin(rows, _MID_GREY).all(axis=1)
        return image, float(np.flatnonzero(reached).max(initial=-1) + 1) / len(rows)
    filled = np.asarray(_load(body + _filler() + _END, size)).reshape(rows.shape)
    same = (rows == filled).all(axis=1)
    return image, 1.0 if same.all() else float(same.argmin()) / len(rows)


def is_progressive(data: bytes) -> bool:
    """Tell whether the frame is progressive (ITU T.81, marker SOF2 or SOF10)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker in (0xC2, 0xCA)
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    # Not understood: the cautious answer.
    return True


def _same_with_filler(body: bytes, size: tuple[int, int]) -> bool:
    plain = np.asarray(_load(body + _END, size))
    filled = np.asarray(_load(body + _filler() + _END, size))
    return np.array_equal(plain, filled)


def _load(data: bytes, size: tuple[int, int]) -> ImageFile:
    image = open_image(data, "JPEG")
    image.draft("", size)
    image.load()
    return image


@functools.cache
def _filler() -> bytes:
    """Give entropy-coded noise with every restart marker, so that restart intervals read it too."""
    noise = np.random.default_rng(0).integers(0, 255, (8, 4096), dtype=np.uint8)
    return b"".join(row.tobytes() + b"\xff" + bytes([0xD0 + n]) for n, row in enumerate(noise))
