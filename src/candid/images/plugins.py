"""Pillow's plugin classes, by format, quiet."""

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
from candid.images import png

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

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
        name: What `candid.images.identify` says it is.

    Raises:
        ImageError: The format needs a package that is not installed.
        Exception: Whatever Pillow raises; `candid.images.decode` knows the list.
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
        data = png.without_metadata(data)
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
