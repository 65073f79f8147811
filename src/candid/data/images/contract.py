"""The pixel contract: every image becomes a square, by squashing, cropping or padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from candid.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

ResizeMode = Literal["squash", "crop", "pad"]

# Pillow's own threshold for a decompression bomb: 0.5 GiB of RGB. A 108-megapixel photo passes.
MAX_PIXELS = 178_956_970

# Incremented whenever `decode` gives other pixels for the same bytes, to invalidate caches.
_VERSION = 2


@dataclass(frozen=True)
class PixelContract:
    """How an image becomes pixels.

    Attributes:
        size_px: Both sides of the result, in pixels.
        fit: ``squash`` resizes both sides to ``size_px``, as the tutorial does; ``crop`` takes the
            centred square; ``pad`` keeps everything and fills the rest with white.
        max_pixels: Images with more pixels, by their header, are refused undecoded.

    Raises:
        UsageError: A size or limit below 1, or an unknown fit.
    """

    size_px: int = 224
    fit: ResizeMode = "squash"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        if self.fit not in get_args(ResizeMode):
            choices = ", ".join(get_args(ResizeMode))
            raise UsageError(f"fit must be one of {choices}. Received: fit={self.fit!r}")
        if self.size_px < 1 or self.max_pixels < 1:
            received = f"size_px={self.size_px}, max_pixels={self.max_pixels}"
            raise UsageError(f"size_px and max_pixels must be at least 1. Received: {received}")

    @property
    def key(self) -> str:
        """Cache key, ``v2:224:squash``: with equal keys, equal bytes give equal pixels."""
        return f"v{_VERSION}:{self.size_px}:{self.fit}"


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
