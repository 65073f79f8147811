"""Read the directories of a TIFF file: what each page is, before anything is decoded.

TIFF 6.0, section 2, and BigTIFF. Pillow reads the tags of the pages that it understands; here it is
asked whether it should decode them at all.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SUBFILE, _DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _NUM_SAMPLES = 254, 270, 271, 272, 274, 277
_PLANAR, _COLOUR_MAP, _SUB_DIRECTORIES, _EXTRA, _SAMPLE_FORMAT = 284, 320, 330, 338, 339
_STRIPS, _GDAL_NODATA, _DNG_VERSION = 273, 42113, 50706
_TAGS: Final = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SUBFILE, _DESCRIPTION, _MAKE, _MODEL}
    | {_ORIENTATION, _NUM_SAMPLES, _PLANAR, _COLOUR_MAP, _SUB_DIRECTORIES, _EXTRA, _SAMPLE_FORMAT}
    | {_STRIPS, _GDAL_NODATA, _DNG_VERSION}
)
# Type of a value: its format in `struct`.
_FORMATS: Final = dict(
    zip((1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 16, 17, 18), "BsHIbshifdIQqQ", strict=True)
)

_MOST_DIRECTORIES: Final = 100_000
_MOST_ENTRIES: Final = 4096
_MOST_VALUES: Final = 1 << 20

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_CFA, _LINEAR_RAW = 32803, 34892  # photometric interpretations of camera raw files

Tags = Mapping[int, Any]


@dataclass(frozen=True)
class Directory:
    """One image of a TIFF file, by its tags.

    Attributes:
        index: Its place in the file's chain, from 0.
        order: ``II`` (little-endian) or ``MM``.
        tags: Values of the tags read here: tuples of numbers, or bytes.
    """

    index: int
    order: str
    tags: Tags

    @property
    def width_px(self) -> int:
        """Width as stored."""
        return self._number(_WIDTH, 0)

    @property
    def height_px(self) -> int:
        """Height as stored."""
        return self._number(_HEIGHT, 0)

    @property
    def orientation(self) -> int:
        """1 (upright) to 8."""
        value = self._number(_ORIENTATION, 1)
        return value if 1 <= value <= 8 else 1

    @property
    def compression(self) -> int:
        """Number of the compression; 1 for none."""
        return self._number(_COMPRESSION, 1)

    @property
    def photometric(self) -> int:
        """0 WhiteIsZero, 1 BlackIsZero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab."""
        return self._number(_PHOTOMETRIC, 1)

    @property
    def is_planar(self) -> bool:
        """Whether the bands lie one after the other."""
        return self._number(_PLANAR, 1) == 2 and self.num_samples > 1

    @property
    def num_samples(self) -> int:
        """Bands, alpha and others included."""
        return self._number(_NUM_SAMPLES, 1)

    @property
    def num_bits(self) -> int:
        """Bits of the deepest band."""
        return max(self._numbers(_BITS, (1,)))

    @property
    def kind(self) -> str:
        """``u`` unsigned, ``i`` signed, ``f`` float, ``c`` complex; ``?`` if bands differ."""
        formats = self._numbers(_SAMPLE_FORMAT, (1,))
        kinds = {{1: "u", 2: "i", 3: "f", 4: "u"}.get(number, "c") for number in formats}
        return kinds.pop() if len(kinds) == 1 else "?"

    @property
    def sample_type(self) -> str:
        """Type of the samples: ``uint16``; ``mixed16`` if bands differ."""
        names = {"u": "uint", "i": "int", "f": "float", "c": "complex"}
        return f"{names.get(self.kind, 'mixed')}{self.num_bits}"

    @property
    def extra(self) -> tuple[int, ...]:
        """What each band beyond the colours is: 0 unknown, 1 premultiplied alpha, 2 alpha."""
        return self._numbers(_EXTRA, ())

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller copy of another page, or a mask."""
        return bool(self._number(_SUBFILE, 0) & (_REDUCED | _MASK))

    @property
    def is_raw(self) -> bool:
        """Whether it holds a sensor's samples, which a raw converter makes into a picture."""
        return self.photometric in (_CFA, _LINEAR_RAW) or _DNG_VERSION in self.tags

    @property
    def is_deep(self) -> bool:
        """Whether a sample has more than 8 bits."""
        return self.num_bits > 8

    @property
    def colour_map(self) -> tuple[int, ...]:
        """The palette: all red values, all green, all blue."""
        return self._numbers(_COLOUR_MAP, ())

    @property
    def first_strip(self) -> int:
        """Where the data begin."""
        return self._number(_STRIPS, 0)

    @property
    def nodata(self) -> float | None:
        """The value of missing samples, as GDAL writes it."""
        try:
            return float(self.text(_GDAL_NODATA))
        except ValueError:
            return None

    @property
    def camera(self) -> tuple[str, str]:
        """Make and model."""
        return self.text(_MAKE), self.text(_MODEL)

    @cached_property
    def description(self) -> str:
        """The description, in which ImageJ and OME-TIFF keep the meaning of the pages."""
        return self.text(_DESCRIPTION)

    def text(self, tag: int) -> str:
        """The text of a tag; may be empty."""
        value = self.tags.get(tag, b"")
        return value.partition(b"\0")[0].decode("utf-8", "replace") if value else ""

    def _numbers(self, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.tags.get(tag)
        return value if isinstance(value, tuple) and value else default

    def _number(self, tag: int, default: int) -> int:
        return int(self._numbers(tag, (default,))[0])


def read_directories(data: bytes) -> list[Directory]:
    """The images of a file's chain, in order, up to the first malformed one."""
    order = data[:2].decode("ascii", "replace")
    mark, is_big = _layout(data)
    found: list[Directory] = []
    visited: set[int] = set()
    try:
        (start,) = struct.unpack_from(mark + ("Q" if is_big else "I"), data, 8 if is_big else 4)
        while start and start not in visited and len(found) < _MOST_DIRECTORIES:
            visited.add(start)
            tags, start = _read_directory(data, start, mark, is_big)
            found.append(Directory(len(found), order, tags))
    except (struct.error, OverflowError):  # the second of an offset beyond 2**63
        pass
    return found


def has_raw(data: bytes, directories: list[Directory]) -> bool:
    """Whether it is a camera raw file: the sensor's samples lie in the chain or in a sub-directory.

    DNG, NEF, CR2, ARW, PEF and others are TIFF files whose first page is a thumbnail.
    """
    if data[8:10] == b"CR":  # CR2
        return True
    return any(
        directory.is_raw or any(sub.is_raw for sub in _sub_directories(data, directory))
        for directory in directories
    )


def _sub_directories(data: bytes, directory: Directory) -> Iterator[Directory]:
    mark, is_big = _layout(data)
    for start in directory.tags.get(_SUB_DIRECTORIES, ())[:16]:
        try:
            yield Directory(0, directory.order, _read_directory(data, start, mark, is_big)[0])
        except (struct.error, OverflowError):
            continue


def _layout(data: bytes) -> tuple[str, bool]:
    """The mark of the byte order in `struct`, and whether it is a BigTIFF."""
    return "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")


def _read_directory(data: bytes, start: int, mark: str, is_big: bool) -> tuple[Tags, int]:
    """Tags of a directory, and the offset of the next; raises struct.error if it is cut."""
    wide = "Q" if is_big else "I"
    (count,) = struct.unpack_from(mark + ("Q" if is_big else "H"), data, start)
    at = start + (8 if is_big else 2)
    size = 20 if is_big else 12
    if count > _MOST_ENTRIES:
        raise struct.error("too many entries")
    tags: dict[int, Any] = {}
    for place in range(at, at + count * size, size):
        tag, kind, num_values = struct.unpack_from(f"{mark}HH{wide}", data, place)
        if tag in _TAGS and kind in _FORMATS and 0 < num_values <= _MOST_VALUES:
            tags[tag] = _read_value(
                data, place + 4 + struct.calcsize(wide), mark, wide, kind, num_values
            )
    (following,) = struct.unpack_from(mark + wide, data, at + count * size)
    return tags, following


def _read_value(
    data: bytes, at: int, mark: str, wide: str, kind: int, num_values: int
) -> tuple[float, ...] | bytes:
    form = f"{mark}{num_values}{_FORMATS[kind]}"
    if struct.calcsize(form) > struct.calcsize(mark + wide):
        (at,) = struct.unpack_from(mark + wide, data, at)
    values = struct.unpack_from(form, data, at)
    return values[0] if _FORMATS[kind] == "s" else values


_MODES: Final = {2: "RGB", 3: "P", 5: "CMYK", 6: "YCbCr", 8: "LAB"}


def tiff_mode(page: Directory) -> str:
    """The colour mode of a page; see `candid.data.images.inspect.Details.mode`."""
    if page.kind != "u" or page.num_bits not in (1, 2, 4, 8, 16):
        return page.sample_type
    alpha = "A" if page.extra[:1] in ((1,), (2,)) else ""
    mode = _MODES.get(page.photometric, "L") + alpha
    if page.num_bits == 16:
        return "I;16" if mode == "L" else f"{mode};16"
    return "1" if page.num_bits == 1 and mode == "L" else mode


_OME_SIZE = re.compile(r'\bSize([CZT])="(\d{1,9})"')
_OME_ORDER = re.compile(r'\bDimensionOrder="XY([CZT]{3})"')
_IMAGEJ_NUMBER = re.compile(r"^(channels|images|slices|frames)=(\d{1,9})\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Stack:
    """How the planes of a microscope's file belong together.

    Attributes:
        num_planes: Planes by the description, which may be more than the directories: ImageJ
            writes one for a whole stack. 0 if it says nothing.
        num_channels: Channels of one field of view that are to be shown together; 1 if separate.
        stride: Distance of a field's channels, in planes.
    """

    num_planes: int = 0
    num_channels: int = 1
    stride: int = 1


def read_stack(description: str) -> Stack:
    """Read what OME-TIFF and ImageJ say of the planes in the first description."""
    if "<OME" in description[:2000]:
        # Not ElementTree, which a file could make use up the memory; the first image counts.
        image = description.partition("</Pixels>")[0]
        sizes = {axis: int(number) for axis, number in _OME_SIZE.findall(image)}
        order = _OME_ORDER.search(image)
        stride = 1
        for axis in (order[1] if order else "CZT").partition("C")[0]:
            stride *= sizes.get(axis, 1)
        channels = sizes.get("C", 1)
        planes = channels * sizes.get("Z", 1) * sizes.get("T", 1)
        return Stack(planes, channels, stride)
    if description.startswith("ImageJ="):
        numbers = {name: int(number) for name, number in _IMAGEJ_NUMBER.findall(description)}
        is_shown_together = re.search(r"^mode=(composite|color)\s*$", description, re.MULTILINE)
        channels = numbers.get("channels", 1) if is_shown_together else 1
        return Stack(numbers.get("images", 0), channels)
    return Stack()
