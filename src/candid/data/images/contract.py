"""The pixel contract: every image becomes a square, by squashing, cropping or padding."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np

from candid.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ResizeMode = Literal["squash", "crop", "pad"]

# Pillow's own threshold for a decompression bomb: 0.5 GiB of RGB. A 108-megapixel photo passes.
MAX_PIXELS = 178_956_970

# Incremented whenever `decode` gives other pixels for the same bytes, to invalidate caches.
_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What of a file becomes a picture, and which samples are black and white.

    Attributes:
        max_pixels: Images with more pixels, by their header, are refused undecoded. Above
            `MAX_PIXELS` for JPEGs alone, which libjpeg scales while decoding.
        sample_range: The samples that become 0 and 255 in pictures with more than 8 bits a sample,
            for a whole set of pictures; None if nothing is known: 16 bits then keep their upper
            byte, and other deep samples are refused. Pictures of 8 bits are never stretched.
        page: Page of a TIFF or frame of a DICOM file, from 1; None for the first.
        bands: Bands, from 1, that become red, green and blue, in pictures of several bands; None
            for those that the file names.

    Raises:
        UsageError: A limit, page or band below 1, or a range that is empty or not finite.
    """

    max_pixels: int = MAX_PIXELS
    sample_range: tuple[float, float] | None = None
    page: int | None = None
    bands: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise UsageError(f"max_pixels must be at least 1. Received: {self.max_pixels}")
        if self.sample_range is not None:
            _require_range(self.sample_range)
        if self.page is not None and self.page < 1:
            raise UsageError(f"page must be at least 1, the first. Received: page={self.page}")
        if self.bands is not None and (len(self.bands) != 3 or min(self.bands) < 1):
            raise UsageError(
                "bands must be three numbers from 1 on, for red, green and blue, such as 4,3,2. "
                f"Received: {','.join(map(str, self.bands))}"
            )

    def with_range(self, sample_range: tuple[float, float] | None) -> Self:
        """A copy with another range of samples."""
        return replace(self, sample_range=sample_range)

    @property
    def reading_key(self) -> str:
        """The part of a cache key that says what is read; empty unless something was chosen."""
        low_high = self.sample_range and "range={:.9g},{:.9g}".format(*self.sample_range)
        page = self.page and f"page={self.page}"
        bands = self.bands and f"bands={','.join(map(str, self.bands))}"
        return "".join(f":{part}" for part in (low_high, page, bands) if part)


def _require_range(sample_range: tuple[float, ...]) -> None:
    if (
        len(sample_range) != 2
        or not all(map(math.isfinite, sample_range))
        or sample_range[0] >= sample_range[1]
    ):
        raise UsageError(
            "a range of samples must be two numbers, the lower one first, such as 0,4095. "
            f"Received: {','.join(f'{value:g}' for value in sample_range)}"
        )


@dataclass(frozen=True)
class PixelContract(Reading):
    """How an image becomes pixels; see `Reading` for the other attributes.

    Attributes:
        size_px: Both sides of the result, in pixels.
        fit: ``squash`` resizes both sides to ``size_px``, as the tutorial does; ``crop`` takes the
            centred square; ``pad`` keeps everything and fills the rest with white.

    Raises:
        UsageError: A size below 1, an unknown fit, or as `Reading`.
    """

    size_px: int = 224
    fit: ResizeMode = "squash"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fit not in get_args(ResizeMode):
            choices = ", ".join(get_args(ResizeMode))
            raise UsageError(f"fit must be one of {choices}. Received: fit={self.fit!r}")
        if self.size_px < 1:
            raise UsageError(f"size_px must be at least 1. Received: size_px={self.size_px}")

    @classmethod
    def of(cls, reading: Reading, size_px: int, fit: ResizeMode) -> PixelContract:
        """A contract with the attributes of a reading, or of another contract."""
        taken = {field.name: getattr(reading, field.name) for field in fields(Reading)}
        return cls(size_px, fit, **taken)

    @property
    def key(self) -> str:
        """Cache key, ``v2:224:squash``: with equal keys, equal bytes give equal pixels."""
        return f"v{_VERSION}:{self.size_px}:{self.fit}{self.reading_key}"


def fit_square(pixels: NDArray[np.uint8], size_px: int, fit: ResizeMode) -> NDArray[np.uint8]:
    """Resize an image to a square.

    Args:
        pixels: ``(h, w, 3)``.
        size_px: Both sides of the result ``(size_px, size_px, 3)``, C-contiguous.
        fit: See `PixelContract`.
    """
    height, width = pixels.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    elif fit == "pad":
        inner = resize_longest(pixels, size_px)
        height, width = inner.shape[:2]
        top, left = (size_px - height) // 2, (size_px - width) // 2
        square = np.full((size_px, size_px, 3), 255, np.uint8)
        square[top : top + height, left : left + width] = inner
        return square
    return resize(pixels, size_px, size_px)


def resize_longest(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Resize the longest side to ``size_px``, keeping the aspect ratio."""
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    return resize(pixels, max(1, round(width * scale)), max(1, round(height * scale)))


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize, by area where a side shrinks, linearly where it grows. The result is contiguous."""
    import cv2

    # INTER_AREA silently becomes bilinear, and aliases, if either side grows: hence two steps.
    # Linear rather than cubic: no overshoot at edges.
    narrow = min(width, pixels.shape[1])
    low = min(height, pixels.shape[0])
    resized = np.ascontiguousarray(pixels)
    if (low, narrow) != resized.shape[:2]:
        resized = cv2.resize(resized, (narrow, low), interpolation=cv2.INTER_AREA)
    if (height, width) != resized.shape[:2]:
        resized = cv2.resize(resized, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized
