"""Read the chunks of a PNG, and what Pillow misreads of them.

Metadata are removed before Pillow reads a file, as they are the usual cause of failures that
browsers ignore: a wrong checksum in a colour profile, a decompression bomb in a text, animation
chunks out of order. Without its animation chunks, an APNG is its default image.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

_SIGNATURE_BYTES = 8
_CHUNK_OVERHEAD_BYTES = 12
_DEPTH_AT, _KIND_AT = 24, 25  # of the header's fields
_GREY, _COLOUR = 0, 2  # kinds that may have a transparent colour


def without_metadata(data: bytes) -> bytes:
    """Keep critical chunks, transparency, and data that are no chunk, for Pillow to check."""
    kept = [data[:_SIGNATURE_BYTES]]
    end = _SIGNATURE_BYTES
    for kind, start, end in _chunks(data):
        # An upper-case first letter marks a critical chunk.
        if kind == b"tRNS" or kind[:1].isupper():
            kept.append(data[start:end])
        if kind == b"IEND":
            return b"".join(kept)
    return b"".join([*kept, data[end:]])


def read_exif(data: bytes) -> bytes:
    """The EXIF block (PNG 3rd edition, chunk eXIf); may be empty."""
    return _read_chunk(data, b"eXIf")


def read_num_frames(data: bytes) -> int:
    """Number of frames of an animation (PNG 3rd edition, chunk acTL); else 1."""
    return max(1, int.from_bytes(_read_chunk(data, b"acTL")[:4], "big"))


def read_transparent(data: bytes) -> bytes:
    """The samples that stand for transparent (PNG, chunk tRNS), 2 bytes each; may be empty."""
    content = _read_chunk(data, b"tRNS")
    return content[: len(content) // 2 * 2]


def has_end(data: bytes) -> bool:
    """Whether it has its last chunk, without which browsers show no PNG; Pillow asks for none."""
    chunks = list(_chunks(data))
    after = chunks[-1][2] if chunks else _SIGNATURE_BYTES
    # Its checksum, of no data, may be missing.
    is_next = data[after + 4 : after + 8] == b"IEND"
    return is_next or any(kind == b"IEND" for kind, _, _ in chunks)


def mark_transparent(data: bytes, image: ImageFile) -> None:
    """Set the transparent colour as Pillow's 8-bit samples have it; Pillow leaves it as stored.

    Only as many low bits count as a sample has (PNG 3rd edition, 11.3.1.1).
    """
    samples, depth = _transparent_colour(data), data[_DEPTH_AT]
    if depth <= 8 and samples:
        most = (1 << depth) - 1
        levels = tuple((sample & most) * 255 // most for sample in samples)
        image.info["transparency"] = levels if len(levels) > 1 else levels[0]


def is_deep_transparent(data: bytes) -> bool:
    """Whether it has colours of 16 bits, of which one is transparent."""
    return data[_DEPTH_AT] == 16 and len(_transparent_colour(data)) == 3


def find_transparent(data: bytes, high: NDArray[np.uint8], again: ImageFile) -> NDArray[np.bool_]:
    """Where a PNG of 16-bit colours has its transparent one.

    Args:
        data: The file.
        high: The upper bytes, ``(h, w, 3)``, all that Pillow keeps.
        again: The file, opened but not loaded, to read the lower bytes.

    Returns:
        ``(h, w)``.
    """
    # Pillow keeps the second byte of what it takes for little-endian.
    again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
    colour = np.array(_transparent_colour(data))
    is_high = (high == colour >> 8).all(axis=2)
    is_there: NDArray[np.bool_] = is_high & (np.asarray(again) == (colour & 255)).all(axis=2)
    return is_there


def _transparent_colour(data: bytes) -> tuple[int, ...]:
    """The samples as stored: one of a grey PNG, three of a colour one, none of others."""
    num_samples = {_GREY: 1, _COLOUR: 3}.get(data[_KIND_AT], 0)
    chunk = _read_chunk(data, b"tRNS")
    return struct.unpack_from(f">{num_samples}H", chunk) if len(chunk) >= 2 * num_samples else ()


def _read_chunk(data: bytes, wanted: bytes) -> bytes:
    for kind, start, end in _chunks(data):
        if kind == wanted:
            return data[start + 8 : end - 4]
    return b""


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    start = _SIGNATURE_BYTES
    while start + _CHUNK_OVERHEAD_BYTES <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        end = start + _CHUNK_OVERHEAD_BYTES + length
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end
