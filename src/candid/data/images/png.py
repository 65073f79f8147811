"""Read the chunks of a PNG, and what Pillow misreads of them.

Metadata are removed before Pillow reads a file, as they are the usual cause of failures that
browsers ignore: a wrong checksum in a colour profile, a decompression bomb in a text, animation
chunks out of order. Without its animation chunks, an APNG is its default image.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from candid.data.images.samples import Samples
from candid.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def has_end(data: bytes) -> bool:
    """Whether it has its last chunk, without which browsers show no PNG; Pillow asks for none."""
    chunks = list(_chunks(data))
    after = chunks[-1][2] if chunks else _SIGNATURE_BYTES
    # Its checksum, of no data, may be missing.
    is_next = data[after + 4 : after + 8] == b"IEND"
    return is_next or any(kind == b"IEND" for kind, _, _ in chunks)


def transparent_colour(data: bytes) -> tuple[int, ...]:
    """The samples that stand for transparent (PNG, chunk tRNS).

    One of a grey PNG, three of one in colour; none of others, or if there is no such colour.
    """
    num_samples = {_GREY: 1, _COLOUR: 3}.get(data[_KIND_AT], 0)
    chunk = _read_chunk(data, b"tRNS")
    return struct.unpack_from(f">{num_samples}H", chunk) if len(chunk) >= 2 * num_samples else ()


def mark_transparent(data: bytes, image: ImageFile) -> None:
    """Set the transparent colour as Pillow's 8-bit samples have it; Pillow leaves it as stored.

    Only as many low bits count as a sample has (PNG 3rd edition, 11.3.1.1).
    """
    samples, depth = transparent_colour(data), data[_DEPTH_AT]
    if depth <= 8 and samples:
        most = (1 << depth) - 1
        levels = tuple((sample & most) * 255 // most for sample in samples)
        image.info["transparency"] = levels if len(levels) > 1 else levels[0]


def is_deep(data: bytes) -> bool:
    """Whether it is a PNG of 16 bits a sample (PNG, 11.2.1)."""
    return data[1:4] == b"PNG" and data[_DEPTH_AT : _DEPTH_AT + 1] == b"\x10"


def read_deep(data: bytes) -> Samples:
    """Samples of a PNG of 16 bits, of which Pillow keeps the upper bytes where it has colours.

    The file has been loaded by Pillow before, as OpenCV prints about damaged ones.
    """
    import cv2

    clean = _for_opencv(without_metadata(data))
    values = cv2.imdecode(np.frombuffer(clean, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise ImageError("damaged or unsupported (16-bit PNG)")
    alpha = None
    if values.ndim == 3:
        alpha = Samples(values[..., 3], 16).scaled(None) if values.shape[2] == 4 else None
        values = np.ascontiguousarray(values[..., 2::-1])
    if hidden := transparent_colour(data):
        is_hidden = (values.reshape(*values.shape[:2], -1) == hidden).all(axis=2)
        alpha = np.where(is_hidden, np.uint8(0), np.uint8(255))
    return Samples(values, 16, alpha=alpha)


def _for_opencv(data: bytes) -> bytes:
    """Mend the checksums, which Pillow does not look at, and leave out the transparent colour."""
    mended = [data[:_SIGNATURE_BYTES]]
    for kind, start, end in _chunks(data + bytes(4)):  # the checksum of the end may be missing
        if kind != b"tRNS":
            checksum = zlib.crc32(data[start + 4 : end - 4])
            mended.append(data[start : end - 4] + checksum.to_bytes(4, "big"))
    return b"".join(mended)


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
