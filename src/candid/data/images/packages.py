"""Open images with the packages that decode them, without warnings.

They are imported when the first file needs them: Pillow's plugin classes, and those of the extra
``science``; tifffile takes about 0.1 s and pydicom 0.4 s, which no other photo should pay for.
"""

from __future__ import annotations

import ctypes
import functools
import io
import logging
import re
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from candid.data.images import png
from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
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
    hush("PIL")
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


def load_tiff_page(data: bytes, index: int, *, needed_by: str) -> NDArray[Any]:
    """Samples of a page of a TIFF file by tifffile, neither inverted nor scaled.

    Args:
        data: The file.
        index: The place of the page in the file's chain.
        needed_by: What needs tifffile, for the message.

    Returns:
        ``(h, w)`` or ``(h, w, n)``.

    Raises:
        ImageError: A package is missing, or the page has more axes.
        Exception: One of `candid.data.images.decode.decoder_errors`.
    """
    try:
        import imagecodecs  # noqa: F401  (tifffile asks for it only when it meets a compression)
        import tifffile
    except ImportError:
        raise missing(needed_by) from None
    hush("tifffile")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[index]
        values, axes = np.asarray(page.asarray()), page.axes
    if axes == "SYX":
        return np.moveaxis(values, 0, 2)
    if axes not in ("YX", "YXS"):
        raise ImageError(f"a page of {'×'.join(map(str, values.shape))} samples, not of rows")
    return values


def missing(needed_by: str) -> ImageError:
    """The reason that names the extra ``science``."""
    return ImageError(f'{needed_by} needs packages: pip install "candid-image[science]"')


def hush(package: str) -> None:
    """Suppress what a package says of single files, as warnings and in its log.

    Not by ``warnings.catch_warnings``, which before Python 3.14 swaps the process's filters, which
    threads share.
    """
    modules = rf"{package}\."
    if ("ignore", None, Warning, re.compile(modules), 0) not in warnings.filters:
        warnings.filterwarnings("ignore", module=modules)
        # Without a handler, logging's last resort would print errors.
        logging.getLogger(package).addHandler(_NO_OUTPUT)


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
