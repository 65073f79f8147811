"""Photos to try a model on: those that it was checked with when it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_samples(golden: Path) -> tuple[bytes, ...]:
    """Read the pictures of a run's ``golden.npz``.

    Args:
        golden: The file, whose hash was checked.

    Returns:
        A PNG file a picture, in the shape that the network sees.
    """
    with golden.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        return tuple(_encode(pixels) for pixels in arrays["image"])


def _encode(pixels: NDArray[Any]) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
