"""Open images with Pillow's plugin classes, without warnings."""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import re
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, cast

from candid.data.images import png
from candid.errors import ImageError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: Why a file that was cut is refused.
TRUNCATED = "truncated: the data end before the picture does"

_CLASSES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
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
        data = png.without_metadata(data)
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
