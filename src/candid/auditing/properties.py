"""What a file says about itself and what its pixels are like: sizes, camera, brightness, sharpness.

Computed once a content and kept in the cache. None of it says what is in the picture, which is what
makes it useful: where the label can be guessed from these, a model will guess it from them too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.auditing.pixel_scores import brightness_of, entropy_bits, saturation, sharpness
from candid.cache import Cache
from candid.catalog import Catalog
from candid.errors import ImageError
from candid.hashing import hash_bytes
from candid.images import PixelContract, decodable_share, decode, inspect, read_file
from candid.progress import Progress, Silent
from candid.threads import map_ahead

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
        format: One of `candid.images.FORMATS`.
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
