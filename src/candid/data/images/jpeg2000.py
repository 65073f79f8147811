"""Refuse JPEG 2000 that Pillow would read wrongly, or of which a part is missing, with a reason.

Pillow brings samples of more than 8 bits to 8 by rounding without a limit, so that white turns
black; only grey ones become 16 bits. It ignores palettes of more than 8 bits, takes Lab for RGB,
and shows what there is of a file that was cut.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from candid.data.images.packages import TRUNCATED
from candid.errors import ImageError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_START = b"\xffO\xffQ"  # ISO/IEC 15444-1, markers SOC and SIZ
_TILE, _END = b"\xff\x90", b"\xff\xd9"  # SOT and EOC
_COLOURS = frozenset({12, 16, 17, 18})  # CMYK, sRGB, grey, sYCC
_MOST_TILES = 65_535
_MOST_PIXELS = 64_000_000  # some ten seconds; a few kilobytes can claim any number
_REMEDY = "save it as PNG"


def require_readable(data: bytes, image: ImageFile) -> None:
    """Refuse what Pillow does not read as it is meant.

    Args:
        data: The file.
        image: It, opened.

    Raises:
        ImageError: Why.
        struct.error: The header is cut.
    """
    start = data.find(_START)
    header = data[:start]
    num_tiles = _count_tiles(data, start + 4, image.size)
    bits, is_subsampled = _read_components(data, start + 4)
    if bits > (16 if image.mode == "I;16" else 8):
        raise ImageError(f"JPEG 2000 of {bits} bits a colour is not supported: {_REMEDY}")
    if is_subsampled:
        raise ImageError(f"JPEG 2000 with colours of fewer pixels is not supported: {_REMEDY}")
    if b"pclr" in header and image.palette is None:
        raise ImageError(f"JPEG 2000 with such a palette is not supported: {_REMEDY}")
    at = header.find(b"colr")
    if at >= 0 and header[at + 4] == 1:
        (colours,) = struct.unpack_from(">I", header, at + 7)
        if colours not in _COLOURS:
            raise ImageError(f"JPEG 2000 in colour space {colours} is not supported: {_REMEDY}")
    if not _is_whole(data, start, num_tiles):
        raise ImageError(TRUNCATED)


def _count_tiles(data: bytes, at: int, size: tuple[int, int]) -> int:
    """Number of tiles (marker SIZ), of a codestream that takes no minutes to decode.

    Raises:
        ImageError: It is too large, or not of the size that the box around it says.
    """
    if size[0] * size[1] > _MOST_PIXELS:
        limit = f"limit {_MOST_PIXELS} in all for JPEG 2000"
        raise ImageError(f"too large: {size[0]} x {size[1]} pixels, {limit}")
    right, bottom, left, top, *tile = struct.unpack_from(">8I", data, at + 4)
    if (right - left, bottom - top) != size:
        raise ImageError(f"damaged: {right - left} x {bottom - top} pixels in a frame of {size}")
    across, down, first_x, first_y = tile
    number: int = -((first_x - right) // max(across, 1)) * -((first_y - bottom) // max(down, 1))
    if not 0 < number <= _MOST_TILES:
        raise ImageError(f"damaged: {number} tiles of {across} x {down} pixels")
    return number


def _read_components(data: bytes, at: int) -> tuple[int, bool]:
    """Most bits of a component's samples, and whether one has fewer pixels (marker SIZ)."""
    (num_components,) = struct.unpack_from(">H", data, at + 36)
    rows = [data[at + 38 + 3 * n : at + 41 + 3 * n] for n in range(num_components)]
    bits = max((row[0] & 127) + 1 for row in rows)
    return bits, any(row[1:] != b"\1\1" for row in rows)


def _is_whole(data: bytes, start: int, num_tiles: int) -> bool:
    """Whether the tile-parts (marker SOT), by their lengths, lead to the end and have each tile."""
    at, tiles = start + 2, set()
    while data[at : at + 2] not in (_TILE, _END, b""):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    while data[at : at + 2] == _TILE:
        tile, length = struct.unpack_from(">HI", data, at + 4)
        tiles.add(tile)
        if not length:  # the last, up to the end marker
            return len(tiles) == num_tiles and data.rstrip(b"\0").endswith(_END)
        at += max(length, 2)
    return len(tiles) == num_tiles and data[at : at + 2] == _END
