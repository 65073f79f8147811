"""Read orientation and camera from EXIF, and apply the orientation.

Not by Pillow, whose reader warns, raises, and reads XMP too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAKE_TAG, _MODEL_TAG, _TEXT_TYPE = 0x010F, 0x0110, 2
_ORIENTATION_TAG = 0x0112
_SIZES = {1: 1, 3: 2, 4: 4}  # bytes, by type of the value
_MOST_CHARACTERS = 60


class Entry(NamedTuple):
    """An entry of the first directory; ``field`` is four bytes: the values, or their offset."""

    tag: int
    kind: int
    num_values: int
    field: bytes
    order: Literal["little", "big"]


def read_entries(exif: bytes) -> Iterator[Entry]:
    r"""Read the first directory of an EXIF block (TIFF 6.0, section 2).

    Args:
        exif: The block, with or without the prefix ``Exif\0\0``. A classic TIFF file is one too.

    Yields:
        The entries, up to the first malformed one.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    if tiff[:2] not in (b"II", b"MM"):
        return
    mark: Literal["<", ">"] = "<" if tiff[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(mark + "I", tiff, 4)
        (num_entries,) = struct.unpack_from(mark + "H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * num_entries, 12):
            tag, kind, count, field = struct.unpack_from(mark + "HHI4s", tiff, at)
            yield Entry(tag, kind, count, field, "little" if mark == "<" else "big")
    except struct.error:
        return


def read_camera(exif: bytes) -> str:
    """Make and model from an EXIF block; see `read_entries` and `name_camera`."""
    texts = {
        entry.tag: _text(exif, entry)
        for entry in read_entries(exif)
        if entry.tag in (_MAKE_TAG, _MODEL_TAG) and entry.kind == _TEXT_TYPE
    }
    return name_camera(texts.get(_MAKE_TAG, ""), texts.get(_MODEL_TAG, ""))


def name_camera(make: str, model: str) -> str:
    """Combine make and model into printable text.

    Returns:
        At most 60 characters; empty if both are. The make is omitted if the model begins with it,
        or with its first word.

    >>> name_camera("NIKON CORPORATION", "NIKON D70")
    'NIKON D70'
    """
    make, model = _clean(make), _clean(model)
    if make and model.casefold().startswith(make.split()[0].casefold()):
        make = ""
    return f"{make} {model}".strip()[:_MOST_CHARACTERS].rstrip()


def _text(exif: bytes, entry: Entry) -> str:
    value = entry.field[: entry.num_values]
    if entry.num_values > len(entry.field):
        tiff = exif.removeprefix(b"Exif\0\0")
        start = int.from_bytes(entry.field, entry.order)
        value = tiff[start : start + min(entry.num_values, 4 * _MOST_CHARACTERS)]
    return value.partition(b"\0")[0].decode("utf-8", "replace")


def _clean(text: str) -> str:
    """Remove control characters, unpaired surrogates and runs of spaces."""
    printable = "".join(c if c.isprintable() else " " for c in text.partition("\0")[0])
    return " ".join(printable.replace("\N{REPLACEMENT CHARACTER}", " ").split())


def read_orientation(exif: bytes) -> int:
    """Orientation from an EXIF block, 1 to 8; 1 (upright) if it is missing or invalid."""
    for entry in read_entries(exif):
        if entry.tag == _ORIENTATION_TAG:
            value = int.from_bytes(entry.field[: _SIZES.get(entry.kind, 2)], entry.order)
            return value if 1 <= value <= 8 else 1
    return 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Apply an EXIF orientation.

    Args:
        pixels: ``(h, w, c)``.
        orientation: 1 to 8, as in the EXIF standard 2.32, tag 274.

    Returns:
        A view of ``pixels``, of shape ``(w, h, c)`` for the orientations from 5 on.
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
