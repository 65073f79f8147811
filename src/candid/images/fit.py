"""From a picture of any shape to a square: squash, crop or pad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from candid.images.contract import Fit


def fit_square(pixels: NDArray[np.uint8], size_px: int, fit: Fit) -> NDArray[np.uint8]:
    """Bring an image to a square.

    Args:
        pixels: ``(h, w, 3)``.
        size_px: Both sides of the result.
        fit: See `PixelContract`.

    Returns:
        ``(size_px, size_px, 3)``, C-contiguous.
    """
    height, width = pixels.shape[:2]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[top : top + side, left : left + side]
    elif fit == "pad":
        return _pad(pixels, size_px)
    return resize(pixels, size_px, size_px)


def _pad(pixels: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    inner_height = max(1, round(height * scale))
    inner_width = max(1, round(width * scale))
    top, left = (size_px - inner_height) // 2, (size_px - inner_width) // 2
    square = np.full((size_px, size_px, 3), 255, np.uint8)
    inner = resize(pixels, inner_width, inner_height)
    square[top : top + inner_height, left : left + inner_width] = inner
    return square


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize, by area where a side shrinks and linearly where it grows. Contiguous."""
    import cv2

    # INTER_AREA silently becomes bilinear, and so aliases, as soon as one side grows: hence first
    # only what shrinks, then only what grows. Linear rather than cubic: no overshoot at edges.
    narrow = min(width, pixels.shape[1])
    low = min(height, pixels.shape[0])
    resized = np.ascontiguousarray(pixels)
    if (low, narrow) != resized.shape[:2]:
        resized = cv2.resize(resized, (narrow, low), interpolation=cv2.INTER_AREA)
    if (height, width) != resized.shape[:2]:
        resized = cv2.resize(resized, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized
