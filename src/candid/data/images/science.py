"""Packages of the extra ``science``, imported when the first file needs them.

tifffile takes about 0.1 s to import and pydicom 0.4 s, which no other photo should pay for.
"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_OUTPUT = logging.NullHandler()


def load_tiff_page(data: bytes, index: int, *, needed_by: str) -> NDArray[Any]:
    """Samples of a page of a TIFF file, ``(h, w)`` or ``(h, w, n)``, neither inverted nor scaled.

    Args:
        data: The file.
        index: The place of the page in the file's chain.
        needed_by: What needs tifffile, for the message.

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
    """The reason that names the extra."""
    return ImageError(f'{needed_by} needs packages: pip install "candid-image[science]"')


def hush(name: str) -> None:
    """Silence a package: without a handler, logging's last resort would print its warnings."""
    logger = logging.getLogger(name)
    if _NO_OUTPUT not in logger.handlers:
        logger.addHandler(_NO_OUTPUT)
