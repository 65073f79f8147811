"""Whether what is called evidence is evidence: erase it, and see how far the answer moves."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Run = Callable[[np.ndarray], np.ndarray]

_NUM_DRAWS = 6


def drops_by_erasing(
    pixels: np.ndarray, heat: np.ndarray, run: Run, answered: int, random: np.random.Generator
) -> np.ndarray:
    """What the answer's probability loses if a tenth of the picture takes its mean colour.

    Returns:
        float64 ``(7,)``: for the hottest tenth, and for six tenths of the same shape somewhere
        else: the hottest one is shifted, and comes in again on the other side.
    """
    hottest = np.zeros(heat.size, bool)
    hottest[np.argsort(-heat, axis=None)[: max(1, round(heat.size / 10))]] = True
    hottest = hottest.reshape(heat.shape)
    shifts = [_shift(heat.shape, random) for _ in range(_NUM_DRAWS)]
    masks = [hottest, *(np.roll(hottest, shift, axis=(0, 1)) for shift in shifts)]
    chosen = run(np.stack([pixels, *(_erase(pixels, mask) for mask in masks)]))[:, answered]
    return chosen[0].astype(np.float64) - chosen[1:]


def _shift(shape: tuple[int, ...], random: np.random.Generator) -> tuple[int, int]:
    place = random.integers(1, shape[0] * shape[1])
    return int(place // shape[1]), int(place % shape[1])


def _erase(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    size = (pixels.shape[1], pixels.shape[0])
    where = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    erased = pixels.copy()
    erased[where] = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    return erased
