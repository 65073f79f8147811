"""Takes the picture: light, colour cast, focus, noise, and the file that comes out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from candid.demo.looks import choose
from candid.demo.pen import Pixels

Format = Literal["jpeg", "png", "webp"]

SUFFIXES: dict[Format, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}


@dataclass(frozen=True)
class Film:
    """How a picture is stored."""

    format: Format
    quality: int


def deal_film(rng: np.random.Generator) -> Film:
    """Deal a format, JPEG for most, and a quality."""
    return Film(
        format=choose(rng, ("jpeg", "png", "webp"), (84.0, 10.0, 6.0)),
        quality=int(rng.integers(50, 96)),
    )


def expose(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Give a clean drawing the light, the focus and the noise of a photo."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.08:
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.3:
        sigma_px = float(rng.uniform(0.4, 1.8)) * min(height, width) / 300.0
        pixels = cv2.GaussianBlur(pixels, (0, 0), sigma_px)
    cast = rng.uniform(0.75, 1.12) * rng.normal(1.0, 0.04, size=3)
    level = np.arange(256)[:, None] / 255.0
    curve = np.clip(level ** rng.uniform(0.75, 1.3) * cast * 255.0, 0.0, 255.0)
    pixels = cv2.LUT(pixels, np.rint(curve).astype(np.uint8)[:, None])
    if rng.random() < 0.5:
        pixels = _add_grain(pixels, rng, sigma=float(rng.uniform(2.0, 11.0)))
    return pixels


def _add_grain(pixels: Pixels, rng: np.random.Generator, *, sigma: float) -> Pixels:
    height, width = pixels.shape[:2]
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(sigma)
    noisy: Pixels = cv2.add(pixels, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    return noisy


def develop(pixels: Pixels, film: Film) -> bytes:
    """Encode RGB uint8 ``(h, w, 3)`` to the bytes of a file."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    if film.format == "png":
        image.save(stream, "PNG", compress_level=3)
    elif film.format == "webp":
        # The slower methods take ten times as long and save a tenth of the bytes.
        image.save(stream, "WEBP", quality=film.quality, method=1)
    else:
        image.save(stream, "JPEG", quality=film.quality)
    return stream.getvalue()
