"""Detect truncated JPEGs, decode what is there of them, and estimate the quality of a JPEG.

libjpeg fills missing data with mid-grey, without an error. The test is to decode twice: with the
end marker right after the data, and after additional noise. A complete picture never reads the
noise; a truncated one shows it. Of several scans, such as a progressive JPEG has, all must be there
(`read_scans`): a missing one lacks detail or colour, and no area.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from candid.data.images.packages import TRUNCATED, open_image
from candid.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

_END = b"\xff\xd9"

#: libjpeg's filling; 127 in the inverted planes of CMYK.
_MID_GREY = {127, 128}


def load_whole(data: bytes, image: ImageFile, size: tuple[int, int]) -> ImageFile:
    """Load an opened JPEG, of which only the end marker may be missing; ``size`` is for ``draft``.

    Raises:
        ImageError: More is missing, or may be.
        Exception: One of `candid.data.images.decode.decoder_errors`.
    """
    image.draft("", size)
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error):
            raise
        image = _load_without_end(data, size)
    scans = read_scans(data)
    is_suspect = scans.ends_in_first_pass or _ends_in_mid_grey(image)
    end = data.rfind(_END)
    body = data[: end if end >= 0 else len(data)]
    if not scans.is_whole or (is_suspect and not _same_with_noise(body, size)):
        raise ImageError(TRUNCATED)
    return image


def _load_without_end(data: bytes, size: tuple[int, int]) -> ImageFile:
    body = data.removesuffix(b"\xff")
    # A progressive file that ends after a pass lacks detail, not area, which the test can't detect.
    if is_progressive(data) or not _same_with_noise(body, size):
        raise ImageError(TRUNCATED)
    return _load(body + _END, size)


def _ends_in_mid_grey(image: ImageFile) -> bool:
    """Whether the last pixel has libjpeg's filling."""
    last = image.getpixel((image.width - 1, image.height - 1))
    return set(last if isinstance(last, tuple) else (last,)) <= _MID_GREY


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
        reached = ~np.isin(rows, [*_MID_GREY]).all(axis=1)
        return image, float(np.flatnonzero(reached).max(initial=-1) + 1) / len(rows)
    filled = np.asarray(_load(body + _noise() + _END, size)).reshape(rows.shape)
    same = (rows == filled).all(axis=1)
    return image, 1.0 if same.all() else float(same.argmin()) / len(rows)


# ITU T.81, table B.1. Not searched for: those within entropy-coded data, and some without a length.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_SCAN, _END_MARKER = 0xDA, 0xD9
_UNSENT = 255


def is_progressive(data: bytes) -> bool:
    """Whether the frame is progressive (ITU T.81, marker SOF2 or SOF10); True if unknown."""
    frames = (marker for marker, _ in _segments(data) if marker in _FRAMES)
    return next(frames, 0xC2) in _PROGRESSIVE


class Scans(NamedTuple):
    """Which of a JPEG's coefficients its scans hold."""

    is_progressive: bool  # True if there is no frame
    is_whole: bool  # every coefficient of every component to its last bit
    ends_in_first_pass: bool  # the last of several brings new detail, and does not only refine


def read_scans(data: bytes) -> Scans:
    """Read which coefficients the scans hold (ITU T.81, B.2.3 and G.1.1.1), by their headers."""
    progressive, num_scans = True, 0
    bits_left: dict[int, list[int]] = {}
    for marker, body in _segments(data):
        if marker in _FRAMES:
            progressive = marker in _PROGRESSIVE
            bits_left = {number: [_UNSENT] * 64 for number in body[6::3]}
        elif marker == _SCAN and body:
            num_scans += 1
            fields = 1 + 2 * body[0]
            scanned = {*body[1:fields:2]}
            # Others than progressive ones have but one scan a component, whatever these bytes say.
            band = body[fields : fields + 3] if progressive else bytes((0, 63, 0))
            if len(band) < 3:
                break
            start, end, bits = band
            for number in scanned:
                bits_left.get(number, [])[start : end + 1] = [bits & 15] * (end + 1 - start)
            if not any(map(any, bits_left.values())):
                is_luma = next(iter(bits_left), -1) in scanned
                is_new = not bits >> 4 and num_scans > 1 and (is_luma or not progressive)
                return Scans(progressive, is_whole=True, ends_in_first_pass=is_new)
    return Scans(progressive, is_whole=False, ends_in_first_pass=False)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and contents of the segments up to the end marker, passing over the scans' data."""
    at = 2
    while (found := _MARKER.search(data, at)) and data[found.start() + 1] != _END_MARKER:
        at = max(found.end(), found.end() + int.from_bytes(data[found.end() : found.end() + 2]))
        yield data[found.start() + 1], data[found.end() + 2 : at]


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
