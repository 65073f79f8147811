"""How bright and how colourful a picture is, in a few numbers, and nothing of what is where in it.

What a class can be told apart by, when a camera, a light or a background gives it away.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.matrices import matmul

_NUM_BINS: Final = 8  # of the histogram of brightness
#: Mean and standard deviation of brightness, red, green, blue and saturation, and the histogram.
NUM_COLOURS: Final = 2 * 5 + _NUM_BINS

_MOST_PIXELS = 64  # of a row or column that are looked at
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV and Pillow use it


def colours_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure brightness, colour and saturation of a picture.

    Every pixel counts alike, wherever it is: shuffled pixels have the same colours. Of a picture
    with more than 64 pixels a side, an even grid of pixels is looked at.

    Args:
        pixels: uint8 ``(h, w, 3)``, RGB.

    Returns:
        float32 ``(NUM_COLOURS,)``, each from 0 to 1: mean and standard deviation of brightness
        (ITU-R BT.601), red, green, blue and saturation (of HSV), then the share of the pixels in
        each of 8 equal ranges of brightness, dark to bright.
    """
    height, width = (max(1, -(-side // _MOST_PIXELS)) for side in pixels.shape[:2])
    channels = np.ascontiguousarray(pixels[::height, ::width].reshape(-1, 3).T)
    scaled = channels.astype(np.float32) / np.float32(255)
    brightness = matmul(_LUMA, scaled)
    highest, lowest = scaled.max(axis=0), scaled.min(axis=0)
    saturation = (highest - lowest) / np.maximum(highest, np.float32(1e-6))
    properties = np.stack([brightness, *scaled, saturation])
    bins = np.minimum((brightness * _NUM_BINS).astype(np.intp), _NUM_BINS - 1)
    shares = np.bincount(bins, minlength=_NUM_BINS) / len(bins)
    parts = (properties.mean(axis=1), properties.std(axis=1), shares)
    return np.concatenate(parts).astype(np.float32)
