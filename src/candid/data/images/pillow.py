"""Pillow's plugin classes, by format, quiet.

PNG chunks: keep what makes the picture, drop the rest before Pillow sees it.

Metadata are the usual cause of refusals: a wrong checksum in a colour profile, a compressed text
that is a bomb, animation chunks out of order. Browsers show such files, so they are shown here too.
Without its animation chunks an APNG is its default image.
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
        name: What `candid.data.images.files` says it is.

    Raises:
        ImageError: The format needs a package that is not installed.
        Exception: Whatever Pillow raises; `candid.data.images.decode` knows the list.
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
    elif name == "WEBP" and len(data) + 1 < 8 + int.from_bytes(data[4:8], "little"):
        # libwebp would only say that it could not create a decoder.
        raise ImageError(
            f"truncated: {len(data)} bytes of {8 + int.from_bytes(data[4:8], 'little')}"
        )
    elif name == "TIFF":
        _hush_libtiff()
    return cast("ImageFile", plugin(io.BytesIO(data)))


def _hush() -> None:
    """Keep Pillow's warnings about other people's metadata from the user.

    One filter for one package, added where it is absent. Not ``warnings.catch_warnings``: before
    Python 3.14's context-aware warnings that swaps the process's filters, which threads share.
    """
    if _FILTER not in warnings.filters:
        warnings.filterwarnings("ignore", module=_QUIET_MODULES)
        # Without a handler of its own, logging's last resort would print Pillow's errors.
        logging.getLogger("PIL").addHandler(_NO_OUTPUT)


@functools.cache
def _hush_libtiff() -> None:
    """Switch off what libtiff prints to file descriptor 2, by its own switch.

    That holds for the whole process and for every thread, and a child inherits it, unlike a
    redirected descriptor, which would swallow what other threads print. Nothing is lost: errors
    still reach Pillow as return codes. OpenCV carries a libtiff of its own, which is not touched.
    """
    import PIL._imaging

    # Looking a symbol up in Pillow's extension also searches the libraries that it is linked with.
    # Where it does not, as on Windows, libtiff is heard.
    library = ctypes.CDLL(PIL._imaging.__file__)
    for switch in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if hasattr(library, switch):
            set_handler = getattr(library, switch)
            set_handler.argtypes, set_handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
            set_handler(None)
