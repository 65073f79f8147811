"""Varied views of a picture, which a classifier should answer alike."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEAST_AREA: Final = 0.5  # of the picture, in a crop
_LARGE_AREA: Final = 0.7  # of the picture, in a larger crop
_MOST_STRETCH: Final = 1.25  # of a crop's aspect
_LIGHT: Final = 0.3  # most change of brightness and of contrast
_SATURATION: Final = 0.4
_TINT: Final = 0.07  # most change of a colour channel
_GREY_SHARE: Final = 0.15  # of the views
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def vary(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a view of a picture: a crop, perhaps mirrored, in another light, colour or in grey.

    Args:
        pixels: uint8 ``(s, s, 3)`` RGB.
        rng: Source of the random numbers.

    Returns:
        uint8 ``(s, s, 3)``.
    """
    view = _cropped(pixels, rng, _LEAST_AREA).astype(np.float32)
    view *= rng.uniform(1 - _LIGHT, 1 + _LIGHT)
    middle = view.mean()
    view = middle + (view - middle) * rng.uniform(1 - _LIGHT, 1 + _LIGHT)
    grey = (view * _LUMA).sum(axis=2, keepdims=True)
    saturation = rng.uniform(1 - _SATURATION, 1 + _SATURATION)
    view = grey + (view - grey) * (0.0 if rng.random() < _GREY_SHARE else saturation)
    view = view * rng.uniform(1 - _TINT, 1 + _TINT, 3).astype(np.float32)
    return np.asarray(np.clip(np.rint(view), 0, 255), np.uint8)


def vary_lightly(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a view in a tenth of the time of `vary`: a larger crop, in another light."""
    import cv2

    view = _cropped(pixels, rng, _LARGE_AREA)
    light = rng.uniform(1 - _LIGHT, 1 + _LIGHT)
    return np.asarray(cv2.convertScaleAbs(view, alpha=light), np.uint8)


def _cropped(
    pixels: NDArray[np.uint8], rng: np.random.Generator, least_area: float
) -> NDArray[np.uint8]:
    """A crop of a picture in its size, in one of two cases mirrored."""
    import cv2

    side = len(pixels)
    area = rng.uniform(least_area, 1)
    stretch = np.exp(rng.uniform(-np.log(_MOST_STRETCH), np.log(_MOST_STRETCH)))
    height, width = (min(side, round(side * np.sqrt(area * s))) for s in (stretch, 1 / stretch))
    top, left = rng.integers(side - height + 1), rng.integers(side - width + 1)
    crop = pixels[top : top + height, left : left + width]
    view = cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(view[:, ::-1] if rng.random() < 0.5 else view, np.uint8)
