"""Pictures with copies, for the checks on copies."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from candid.auditing.evidence import Evidence

Gather = Callable[[Path], Evidence]


def draw(seed: int) -> Image.Image:
    """Smooth random colours with some detail, 120×90."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (120, 90))
    fine = cv2.resize(rng.integers(0, 60, (30, 40, 3), dtype=np.uint8), (120, 90))
    return Image.fromarray(cv2.add(coarse // 2, fine))


def save(image: Image.Image, path: Path, *, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    path.write_bytes(stream.getvalue())
    return path


def fill(folder: Path, *labels: str, count: int = 4) -> None:
    """Different pictures in some classes."""
    for number, label in enumerate(labels):
        for place in range(count):
            save(draw(1000 * (number + 1) + place), folder / label / f"own{place}.jpg")
