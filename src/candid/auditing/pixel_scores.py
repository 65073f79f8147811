"""Scores of what pixels are like: brightness, colour, sharpness.

Brightness and sharpness are those of CleanVision 0.3.7 (``issue_managers/image_property.py``), so
that its thresholds mean the same here, computed on 128 pixels a side instead of the full picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# CleanVision's `calculate_brightness`, after Finley's HSP colour model: red, green, blue.
_WEIGHTS = (0.241, 0.691, 0.068)

# CleanVision's MAX_RESOLUTION_FOR_BLURRY_DETECTION, and its defaults for the issue "blurry".
_SHARPNESS_PX = 64
_NORMALISING_FACTOR = 0.01
_LEAST_SPREAD = 0.18

# Pillow's ImageFilter.FIND_EDGES.
_EDGES = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)


def brightness_of(
    red: NDArray[np.float32], green: NDArray[np.float32], blue: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Perceived brightness of colours.

    Args:
        red: Of any shape, 0 to 255.
        green: Of the same shape.
        blue: Of the same shape.

    Returns:
        0 to 1, of the same shape.
    """
    weighed = sum(
        w * channel * channel for w, channel in zip(_WEIGHTS, (red, green, blue), strict=True)
    )
    return cast("NDArray[np.float32]", np.sqrt(weighed) / 255)


def saturation(
    red: NDArray[np.float32], green: NDArray[np.float32], blue: NDArray[np.float32]
) -> float:
    """Mean of (max - min) / max over the pixels, 0 where a pixel is black; whole numbers."""
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return float(np.mean((most - least) / np.maximum(most, 1)))


def entropy_bits(grey: NDArray[np.uint8]) -> float:
    """Shannon entropy of the histogram of a grey picture, 0 to 8."""
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def sharpness(pixels: NDArray[np.uint8], width_px: int, height_px: int) -> float:
    """CleanVision's score of the issue "blurry".

    Two parts: how much the edges vary, and how unevenly the grey levels are used; the second lets
    drawings with a few flat colours pass for sharp.

    Args:
        pixels: ``(h, w, 3)`` RGB, perhaps squashed.
        width_px: Width of the picture that they come from.
        height_px: Its height.

    Returns:
        0 (blurred) to 1.
    """
    import cv2

    small = cv2.resize(pixels, _reduced(width_px, height_px), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    edges = _squash(float(find_edges(grey).std()))
    spread = _squash(float(np.bincount(grey.ravel(), minlength=256).std()))
    return min(edges + (spread if spread > _LEAST_SPREAD else 0.0), 1.0)


def find_edges(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Filter as Pillow does, which leaves the outermost pixels as they are: the score has them."""
    import cv2

    edges = grey.copy()
    if min(grey.shape) > 2:
        edges[1:-1, 1:-1] = cv2.filter2D(grey, cv2.CV_8U, _EDGES)[1:-1, 1:-1]
    return edges


def _reduced(width_px: int, height_px: int) -> tuple[int, int]:
    """The size at which CleanVision looks for blur; with its rounding, odd as it is."""
    ratio = max(width_px, height_px) / _SHARPNESS_PX
    if ratio <= 1:
        return width_px, height_px
    return max(int(width_px // ratio), 1), max(int(height_px // ratio), 1)


def _squash(value: float) -> float:
    return float(1 - np.exp(-value * _NORMALISING_FACTOR))
