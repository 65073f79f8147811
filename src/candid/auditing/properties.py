"""Properties of image files and their pixels: sizes, camera, brightness, sharpness.

They are computed once per content and cached. None of them describes what a photo shows, so where
they predict the label, a model can learn them instead.

Brightness and sharpness are those of CleanVision 0.3.7 (``issue_managers/image_property.py``), so
that its thresholds apply, computed on 128 pixels a side instead of the full picture.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.progress import Progress
from candid.core.safe_json import read_as
from candid.data.catalog import Catalog
from candid.data.file_reader import make_once
from candid.data.images import PixelContract, Reading, decodable_share, decode, inspect
from candid.data.images.inspect import Details
from candid.errors import ImageError

# CleanVision's `calculate_brightness`, after Finley's HSP colour model: red, green, blue.
_WEIGHTS = (0.241, 0.691, 0.068)

# CleanVision's MAX_RESOLUTION_FOR_BLURRY_DETECTION, and its defaults for the issue "blurry".
_SHARPNESS_PX = 64
_NORMALISING_FACTOR = 0.01
_MIN_SPREAD = 0.18

# Pillow's ImageFilter.FIND_EDGES.
_EDGES = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)


def brightness_of(
    red: NDArray[np.float32], green: NDArray[np.float32], blue: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Perceived brightness, 0 to 1, of channels of one shape, 0 to 255."""
    channels = zip(_WEIGHTS, (red, green, blue), strict=True)
    weighted = sum(weight * channel * channel for weight, channel in channels)
    return cast("NDArray[np.float32]", np.sqrt(weighted) / 255)


def saturation(
    red: NDArray[np.float32], green: NDArray[np.float32], blue: NDArray[np.float32]
) -> float:
    """Mean of (max - min) / max over the pixels; 0 for black pixels. Channels are whole numbers."""
    most = np.maximum(np.maximum(red, green), blue)
    least = np.minimum(np.minimum(red, green), blue)
    return float(np.mean((most - least) / np.maximum(most, 1)))


def entropy_bits(grey: NDArray[np.uint8]) -> float:
    """Shannon entropy of the histogram of a grey picture, 0 to 8."""
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def sharpness(pixels: NDArray[np.uint8], width_px: int, height_px: int) -> float:
    """CleanVision's score of the issue "blurry", from 0 (blurred) to 1.

    It adds how much the edges vary and how unevenly the grey levels are used; with the second,
    drawings of a few flat colours count as sharp.

    Args:
        pixels: ``(h, w, 3)`` RGB, possibly with another aspect ratio than the picture.
        width_px: Width of the picture.
        height_px: Its height.
    """
    import cv2

    # CleanVision's size for detecting blur, with its rounding.
    ratio = max(width_px, height_px) / _SHARPNESS_PX
    size = (width_px, height_px)
    if ratio > 1:
        size = (max(int(width_px // ratio), 1), max(int(height_px // ratio), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    edges = _saturate(float(find_edges(grey).std()))
    spread = _saturate(float(np.bincount(grey.ravel(), minlength=256).std()))
    return min(edges + (spread if spread > _MIN_SPREAD else 0.0), 1.0)


def find_edges(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pillow's edge filter, which leaves the outermost pixels unchanged, as in the score."""
    import cv2

    edges = grey.copy()
    if min(grey.shape) > 2:
        edges[1:-1, 1:-1] = cv2.filter2D(grey, cv2.CV_8U, _EDGES)[1:-1, 1:-1]
    return edges


def _saturate(value: float) -> float:
    return float(1 - np.exp(-value * _NORMALISING_FACTOR))


_KIND = "properties:v1"
_SIZE_PX = 128
_DIGITS = 6  # decimals, so that cached and fresh values are equal, and rows short


@dataclass(frozen=True)
class PixelProperties:
    """Statistics of a picture's pixels, from 0 to 1 unless noted otherwise.

    Attributes:
        brightness: Perceived brightness of the mean colour, as in CleanVision.
        dark_end: 5th percentile of the pixels' brightness: high in blown-out photos.
        bright_end: 99th percentile: low in dark photos.
        red, green, blue: Mean of each channel.
        saturation: Mean of (max - min) / max over the pixels; 0 for black pixels.
        contrast: Standard deviation of the brightness.
        entropy_bits: Shannon entropy of the grey histogram, 0 to 8.
        sharpness: CleanVision's score of blur, from 0 (blurred) to 1.
    """

    brightness: float
    dark_end: float
    bright_end: float
    red: float
    green: float
    blue: float
    saturation: float
    contrast: float
    entropy_bits: float
    sharpness: float


@dataclass(frozen=True)
class Properties(Details):
    """Properties of one image file: the facts of its header, and these.

    Attributes:
        num_bytes: Size of the file.
        decodable_share: Share of the rows that can be decoded: 1 for a whole file, 0 if none can.
        pixels: None if the file can't be decoded.
    """

    num_bytes: int
    decodable_share: float
    pixels: PixelProperties | None


def measure(
    catalog: Catalog,
    *,
    reading: Reading | None = None,
    cache: Cache,
    progress: Progress | None = None,
) -> Mapping[str, Properties]:
    """Properties by content of all files with a valid header, measured unless in the cache."""
    contract = PixelContract.of(reading or Reading(), _SIZE_PX, "squash")
    parse = functools.cache(_from_json)
    rows = make_once(
        cache,
        _KIND + contract.reading_key,
        {photo.content: catalog.file(photo) for photo in catalog.photos},
        lambda: functools.partial(_measure_file, contract=contract),
        is_valid=parse,
        progress=progress,
        title="Measuring the photos",
    )
    return {content: known for content, row in rows.items() if (known := parse(row)) is not None}


def _measure_file(data: bytes, contract: PixelContract) -> bytes:
    """A row of the cache: the properties of a file, as JSON."""
    details = inspect(data, max_pixels=contract.max_pixels)
    pixels, share = None, 1.0
    try:
        pixels = measure_pixels(decode(data, contract), details.width_px, details.height_px)
    except ImageError:
        share = round(decodable_share(data), _DIGITS)
    row = Properties(**vars(details), num_bytes=len(data), decodable_share=share, pixels=pixels)
    return json.dumps(asdict(row), separators=(",", ":")).encode()


def measure_pixels(pixels: NDArray[np.uint8], width_px: int, height_px: int) -> PixelProperties:
    """Compute the statistics of a picture's pixels.

    Args:
        pixels: uint8 ``(s, s, 3)`` RGB: the picture, resized to a square.
        width_px: Original width.
        height_px: Original height.
    """
    import cv2

    red, green, blue = cv2.split(pixels.astype(np.float32))
    means = [channel.mean(dtype=np.float64) for channel in (red, green, blue)]
    each = brightness_of(red, green, blue)
    dark_end, bright_end = np.percentile(each, (5, 99))
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    values = {
        "brightness": brightness_of(*means),
        "dark_end": dark_end,
        "bright_end": bright_end,
        "red": means[0] / 255,
        "green": means[1] / 255,
        "blue": means[2] / 255,
        "saturation": saturation(red, green, blue),
        "contrast": each.std(),
        "entropy_bits": entropy_bits(grey),
        "sharpness": sharpness(pixels, width_px, height_px),
    }
    return PixelProperties(**{name: round(float(value), _DIGITS) for name, value in values.items()})


def _from_json(value: bytes) -> Properties | None:
    """Read a row of the cache; None if it is not valid."""
    try:
        return cast("Properties", read_as(Properties, json.loads(value), "a row of the cache"))
    except ValueError:
        return None
