"""PNG chunks: keep what makes the picture, drop the rest before Pillow sees it.

Metadata are the usual cause of refusals: a wrong checksum in a colour profile, a compressed text
that is a bomb, animation chunks out of order. Browsers show such files, so they are shown here too.
Without its animation chunks an APNG is its default image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE_BYTES = 8
_CHUNK_OVERHEAD_BYTES = 12


def without_metadata(data: bytes) -> bytes:
    """Keep the critical chunks and transparency; what is no chunk stays for Pillow to judge."""
    kept = [data[:_SIGNATURE_BYTES]]
    end = _SIGNATURE_BYTES
    for kind, start, end in _chunks(data):
        # An upper-case first letter marks a chunk that no decoder may ignore.
        if kind == b"tRNS" or kind[:1].isupper():
            kept.append(data[start:end])
        if kind == b"IEND":
            return b"".join(kept)
    return b"".join([*kept, data[end:]])


def read_exif(data: bytes) -> bytes:
    """Give the EXIF block (PNG 3rd edition, chunk eXIf), or nothing."""
    return _read_chunk(data, b"eXIf")


def read_num_frames(data: bytes) -> int:
    """Read how many frames an animation has (PNG 3rd edition, chunk acTL); 1 where it is none."""
    return max(1, int.from_bytes(_read_chunk(data, b"acTL")[:4], "big"))


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
