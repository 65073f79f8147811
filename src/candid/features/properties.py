"""Properties of image files and their pixels: sizes, camera, brightness, colours.

They are computed with the embedding, once per content, and cached. None of them describes what a
photo shows, so where they predict the label, a model can learn them instead.

Brightness is that of CleanVision 0.3.7 (``issue_managers/image_property.py``), so that its
thresholds apply, computed on about 128 pixels a side instead of the full picture.
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
from candid.data.images import PixelContract, decodable_share, decode, inspect
from candid.data.images.contract import resize
from candid.data.images.inspect import Details
from candid.errors import ImageError

# CleanVision's `calculate_brightness`, after Finley's HSP colour model: red, green, blue.
_WEIGHTS = np.array([[0.241, 0.691, 0.068]], np.float32)
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
    contract: PixelContract | None = None,
    cache: Cache,
    progress: Progress | None = None,
) -> Mapping[str, Properties]:
    """Properties by content of all files with a valid header, measured unless in the cache.

    Those of photos that were embedded by this contract are there.
    """
    squashed = whole(contract or PixelContract())
    parse = functools.cache(_from_json)
    rows = make_once(
        cache,
        cache_kind(squashed),
        {photo.content: catalog.file(photo) for photo in catalog.photos},
        lambda: functools.partial(_measure_file, squashed=squashed),
        is_valid=parse,
        progress=progress,
        title="Measuring the photos",
    )
    return {content: known for content, row in rows.items() if (known := parse(row)) is not None}


def whole(contract: PixelContract) -> PixelContract:
    """A contract whose squares show the whole picture, whatever the fit."""
    return PixelContract.of(contract, contract.size_px, "squash")


def cache_kind(contract: PixelContract) -> str:
    """The kind of the rows in the cache."""
    return f"properties:v2:{whole(contract).key}"


def _measure_file(data: bytes, squashed: PixelContract) -> bytes:
    try:
        return to_row(data, decode(data, squashed), squashed.max_pixels)
    except ImageError:
        return to_row(data, None, squashed.max_pixels)


def to_row(data: bytes, pixels: NDArray[np.uint8] | None, max_pixels: int) -> bytes:
    """A row of the cache: the properties of a file, as JSON.

    Args:
        data: The file.
        pixels: uint8 ``(s, s, 3)`` RGB: the whole picture as a square; None if it has none.
        max_pixels: As of a contract.

    Raises:
        ImageError: The header is not valid.
    """
    details = inspect(data, max_pixels=max_pixels)
    share = 1.0 if pixels is not None else round(decodable_share(data), _DIGITS)
    measured = None if pixels is None else measure_pixels(pixels)
    row = Properties(**vars(details), num_bytes=len(data), decodable_share=share, pixels=measured)
    return json.dumps(asdict(row), separators=(",", ":")).encode()


def measure_pixels(pixels: NDArray[np.uint8]) -> PixelProperties:
    """Compute the statistics of a picture's pixels, uint8 ``(s, s, 3)`` RGB."""
    import cv2

    side = len(pixels) // max(1, round(len(pixels) / _SIZE_PX))  # a whole factor, which is fast
    pixels = resize(pixels, side, side)
    red, green, blue = cv2.split(pixels)
    squares = cv2.transform(np.square(pixels, dtype=np.float32), _WEIGHTS)
    each = cv2.sqrt(squares) / np.float32(255)
    dark_end, bright_end = np.percentile(each, (5, 99))
    means = np.array(cv2.mean(pixels)[:3]) / 255
    most, least = (f(f(red, green), blue) for f in (cv2.max, cv2.min))
    values = {
        "brightness": np.sqrt(np.vecdot(_WEIGHTS[0], np.square(means))),
        "dark_end": dark_end,
        "bright_end": bright_end,
        **dict(zip(("red", "green", "blue"), means, strict=True)),
        "saturation": np.divide(most - least, np.maximum(most, 1), dtype=np.float32).mean(),
        "contrast": each.std(),
        "entropy_bits": _entropy_bits(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)),
    }
    return PixelProperties(**{name: round(float(value), _DIGITS) for name, value in values.items()})


def _entropy_bits(grey: NDArray[np.uint8]) -> float:
    """Shannon entropy of the histogram of a grey picture, 0 to 8."""
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _from_json(value: bytes) -> Properties | None:
    """Read a row of the cache; None if it is not valid."""
    try:
        return cast("Properties", read_as(Properties, json.loads(value), "a row of the cache"))
    except ValueError:
        return None
