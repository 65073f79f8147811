"""Bytes → pixels: the one function that training, evaluation, prediction and the server all call.

    bytes ─ identify ─▶ format ─ read_header ─▶ Header ─ decode ─▶ uint8 (S, S, 3) RGB

What gives no pixels raises `ImageError`, whose text is a reason in one line; nothing else is
raised, and nothing is printed, whatever the bytes are. Which library decodes what, and the figures
behind it, is in ``docs/adr/0003-pixels-which-decoder.md``. `inspect` says what stands in the
header; `preview` shows a person what there is, of broken files too.

Pillow and OpenCV are imported by the first `decode`, so that importing this package stays cheap.
All functions may be called from several threads at once. OpenCV's global number of threads is left
as it is: a resize is too short to gain from it, and a library should not decide for its process.
"""

from candid.data.images.contract import MAX_PIXELS, PixelContract, ResizeMode
from candid.data.images.decode import Header, decode, read_header
from candid.data.images.files import FORMATS, MAX_BYTES, SUFFIXES, identify, read_file
from candid.data.images.inspect import Details, inspect
from candid.data.images.preview import decodable_share, preview

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Details",
    "Header",
    "PixelContract",
    "ResizeMode",
    "decodable_share",
    "decode",
    "identify",
    "inspect",
    "preview",
    "read_file",
    "read_header",
]
