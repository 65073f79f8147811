"""Decode images: the one function that training, evaluation, prediction and the server all call.

    bytes ─ identify ─▶ format ─ read_header ─▶ Header ─ decode ─▶ uint8 (S, S, 3) RGB

Files that can't be decoded raise `ImageError`, whose text is a reason in one line; nothing else is
raised or printed, whatever the bytes are. ``docs/adr/0003-pixels-which-decoder.md`` says which
library decodes what. `inspect` reads the header; `preview` shows what is left of broken files too.

Pillow and OpenCV are imported by the first `decode`, which keeps the import of this package cheap.
All functions are thread-safe. OpenCV's global number of threads is not changed: a resize is too
short to gain from it.
"""

from candid.data.images.contract import MAX_PIXELS, PixelContract, Reading, ResizeMode
from candid.data.images.decode import Header, decode, decode_whole, read_header
from candid.data.images.files import (
    FORMATS,
    HEAD_BYTES,
    MAX_BYTES,
    NO_FILE,
    SUFFIXES,
    identify,
    is_picture,
    read_file,
)
from candid.data.images.foreign import identify_foreign, remedy
from candid.data.images.inspect import Details, inspect
from candid.data.images.preview import decodable_share, preview

__all__ = [
    "FORMATS",
    "HEAD_BYTES",
    "MAX_BYTES",
    "MAX_PIXELS",
    "NO_FILE",
    "SUFFIXES",
    "Details",
    "Header",
    "PixelContract",
    "Reading",
    "ResizeMode",
    "decodable_share",
    "decode",
    "decode_whole",
    "identify",
    "identify_foreign",
    "inspect",
    "is_picture",
    "preview",
    "read_file",
    "read_header",
    "remedy",
]
