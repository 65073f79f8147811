"""Recognise camera raw files: a sensor's samples, which a raw converter makes into a picture.

DNG, NEF, CR2, ARW, PEF and others are TIFF files; `candid.data.images.tiff_tags.has_raw` looks into
them. What Pillow would read of them is their thumbnail.
"""

from __future__ import annotations

from typing import Final

#: Why camera raw files are refused.
CAMERA_RAW: Final = "a camera raw file; export it as JPEG"

# Olympus, Panasonic, Fujifilm, Sigma and Minolta; Canon's CR3 is ISO media.
_MAGIC: Final = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")


def is_raw(data: bytes) -> bool:
    """Whether a file is a camera raw file of a format of its own, by its first bytes."""
    return data.startswith(_MAGIC) or data[4:12] == b"ftypcrx "
