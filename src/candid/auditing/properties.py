"""What a file says about itself and what its pixels are like: sizes, camera, brightness, sharpness.

Computed once a content and kept in the cache. None of it says what is in the picture, which is what
makes it useful: where the label can be guessed from these, a model will guess it from them too.

Scores of what pixels are like: brightness, colour, sharpness.

Brightness and sharpness are those of CleanVision 0.3.7 (``issue_managers/image_property.py``), so
that its thresholds mean the same here, computed on 128 pixels a side instead of the full picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.core.progress import Progress, Silent
from candid.core.threads import map_ahead
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, decodable_share, decode, inspect, read_file
from candid.errors import ImageError

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


_KIND = "properties:v1"
_PIXELS = PixelContract(size_px=128)
_DIGITS = 6  # after the point, so that a row of the cache is what was computed, and short
_FILES_AHEAD = 32  # bounds the bytes in memory
_KEEP_EVERY = 256  # files that are lost to the cache at most when the process is killed


@dataclass(frozen=True)
class PixelProperties:
    """What the pixels of a picture are like. All between 0 and 1 unless said otherwise.

    Attributes:
        brightness: Perceived brightness of the mean colour, as CleanVision has it.
        dark_end: The 5th percentile of the pixels' brightness: high in what is blown out.
        bright_end: The 99th percentile: low in what is dark.
        red: Mean of the channel.
        green: Mean of the channel.
        blue: Mean of the channel.
        saturation: Mean of (max - min) / max over the pixels, 0 where a pixel is black.
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
class Properties:
    """What is known of one file.

    Attributes:
        format: One of `candid.data.images.FORMATS`.
        width_px: Width as seen, EXIF orientation applied.
        height_px: Height, likewise.
        num_bytes: Size of the file.
        mode: Pillow's name for the colour mode as stored: ``RGB``, ``L``, ``P``, ``RGBA``,
            ``CMYK``, ``I;16`` …
        num_frames: More than 1 in an animation or a file of several pages.
        orientation: EXIF orientation, 1 (upright) to 8.
        camera: Make and model by EXIF; empty where it says none.
        jpeg_quality: The quality of the IJG scale, 1 to 100, whose table is nearest; None where it
            is no JPEG.
        decodable_share: Of a truncated picture, the share of its rows that can be decoded; 1 for a
            whole one, 0 where nothing can.
        pixels: None where the file gives none.
    """

    format: str
    width_px: int
    height_px: int
    num_bytes: int
    mode: str
    num_frames: int
    orientation: int
    camera: str
    jpeg_quality: int | None
    decodable_share: float
    pixels: PixelProperties | None


def measure(
    catalog: Catalog, *, cache: Cache, progress: Progress | None = None
) -> Mapping[str, Properties]:
    """Look at every photo that the cache does not know yet.

    Args:
        catalog: The photos; the unreadable ones among them too.
        cache: Where properties are kept, by content.
        progress: Told how far it is.

    Returns:
        Properties by content. A file whose header makes no sense has none.
    """
    files = {photo.content: catalog.file(photo) for photo in catalog.photos}
    known = _known(cache, list(files))
    missing = {content: file for content, file in files.items() if content not in known}
    new: dict[str, bytes] = {}
    if missing:
        with (progress or Silent()).step("Measuring the photos", len(missing)) as advance:
            try:
                for content, measured in _measure_all(missing):
                    if measured is not None:
                        known[content] = measured
                        new[content] = _to_json(measured)
                    advance(1)
                    if len(new) >= _KEEP_EVERY:
                        cache.put(_KIND, new.items())
                        new.clear()
            finally:  # Ctrl-C or an error: what was measured by then is kept
                cache.put(_KIND, new.items())
    return known


def _measure_all(files: Mapping[str, Path]) -> Iterator[tuple[str, Properties | None]]:
    """Measure in threads, a few files ahead."""

    def work(item: tuple[str, Path]) -> tuple[str, Properties | None]:
        content, file = item
        return content, _measure_file(file, content)

    return map_ahead(work, files.items(), num_ahead=_FILES_AHEAD)


def _measure_file(file: Path, content: str) -> Properties | None:
    try:
        data = read_file(file)
        if hash_bytes(data) != content:  # changed meanwhile: another content
            return None
        details = inspect(data)
    except ImageError:
        return None
    try:
        pixels = decode(data, _PIXELS)
    except ImageError:
        share = round(decodable_share(data), _DIGITS)
        return Properties(
            **asdict(details), num_bytes=len(data), decodable_share=share, pixels=None
        )
    measured = measure_pixels(pixels, details.width_px, details.height_px)
    return Properties(**asdict(details), num_bytes=len(data), decodable_share=1.0, pixels=measured)


def measure_pixels(pixels: NDArray[np.uint8], width_px: int, height_px: int) -> PixelProperties:
    """Say what pixels are like.

    Args:
        pixels: uint8 ``(s, s, 3)`` RGB: the picture, squashed.
        width_px: Its width before.
        height_px: Its height before.
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


def _known(cache: Cache, contents: list[str]) -> dict[str, Properties]:
    rows = ((content, _from_json(value)) for content, value in cache.get(_KIND, contents))
    return {content: properties for content, properties in rows if properties is not None}


def _to_json(properties: Properties) -> bytes:
    return json.dumps(asdict(properties), separators=(",", ":")).encode()


def _from_json(value: bytes) -> Properties | None:
    """Read a row of the cache; one that is not what `_to_json` writes is none."""
    try:
        row = json.loads(value)
        if row["pixels"] is not None:
            row["pixels"] = PixelProperties(**row["pixels"])
        properties = Properties(**row)
    except (ValueError, TypeError, KeyError):
        return None
    whole = _has_its_types(properties)
    if properties.pixels is not None:
        whole = whole and _has_its_types(properties.pixels)
    return properties if whole else None


_FITS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int,
    "int | None": lambda value: value is None or type(value) is int,
    "float": lambda value: type(value) is float and math.isfinite(value),
    "PixelProperties | None": lambda value: value is None or isinstance(value, PixelProperties),
}


def _has_its_types(row: Properties | PixelProperties) -> bool:
    # Annotations are strings here.
    return all(_FITS[str(field.type)](getattr(row, field.name)) for field in fields(row))
