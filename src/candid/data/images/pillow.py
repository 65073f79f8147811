"""Open images with Pillow's plugin classes, without warnings.

PNG metadata are removed before Pillow reads the file, as they are the usual cause of failures that
browsers ignore: a wrong checksum in a colour profile, a decompression bomb in a text, animation
chunks out of order. Without its animation chunks, an APNG is its default image.
"""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import re
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, cast

from candid.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

_SIGNATURE_BYTES = 8
_CHUNK_OVERHEAD_BYTES = 12


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


def read_transparent(data: bytes) -> bytes:
    """The samples that stand for transparent (PNG, chunk tRNS), 2 bytes each; may be empty."""
    content = _read_chunk(data, b"tRNS")
    return content[: len(content) // 2 * 2]


def read_num_frames(data: bytes) -> int:
    """Number of frames of an animation (PNG 3rd edition, chunk acTL); else 1."""
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


_CLASSES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
}

_QUIET_MODULES = r"PIL\."
_FILTER = ("ignore", None, Warning, re.compile(_QUIET_MODULES), 0)
_NO_OUTPUT = logging.NullHandler()


def open_image(data: bytes, name: str) -> ImageFile:
    """Open an image without decoding it.

    Args:
        data: The whole file.
        name: Its format, one of `candid.data.images.FORMATS`.

    Raises:
        ImageError: A package is missing, or a WebP is truncated.
        Exception: One of `candid.data.images.decode.decoder_errors`.
    """
    _hush()
    module, cls = _CLASSES[name]
    try:
        plugin = getattr(import_module(module), cls)
    except ImportError:
        if name != "HEIF":
            raise
        raise ImageError('HEIF needs a package: pip install "candid-image[heic]"') from None
    if name == "PNG":
        data = without_metadata(data)
    elif name == "WEBP" and len(data) + 1 < (size := 8 + int.from_bytes(data[4:8], "little")):
        # libwebp would only report that it could not create a decoder.
        raise ImageError(f"truncated: {len(data)} bytes of {size}")
    elif name == "TIFF":
        _hush_libtiff()
    return cast("ImageFile", plugin(io.BytesIO(data)))


def _hush() -> None:
    """Suppress Pillow's warnings about metadata.

    One filter for one package. Not ``warnings.catch_warnings``, which before Python 3.14 swaps the
    process's filters, which threads share.
    """
    if _FILTER not in warnings.filters:
        warnings.filterwarnings("ignore", module=_QUIET_MODULES)
        # Without a handler, logging's last resort would print Pillow's errors.
        logging.getLogger("PIL").addHandler(_NO_OUTPUT)


@functools.cache
def _hush_libtiff() -> None:
    """Switch off libtiff's messages on file descriptor 2, for the whole process.

    A redirected descriptor would swallow the output of other threads. Errors still reach Pillow as
    return codes. OpenCV has a libtiff of its own, which is not affected.
    """
    import PIL._imaging

    # A lookup in Pillow's extension also searches the libraries that it is linked with, except on
    # Windows, where libtiff keeps printing.
    library = ctypes.CDLL(PIL._imaging.__file__)
    for switch in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, switch):
            set_handler = getattr(library, switch)
            set_handler.argtypes, set_handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
            set_handler(None)
