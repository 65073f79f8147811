"""Convert Pillow's modes to 8-bit RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candid.data.images.samples import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

# The modes that Pillow can average over blocks, weighted by alpha.
_AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK")
_END_OF_16_BITS = 1 << 16


def to_rgb(
    image: Image, least_px: int, sample_range: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Convert a loaded image to RGB, alpha over white.

    Args:
        image: In any mode; grey of more than 8 bits is read as `Samples` are.
        least_px: A large image may be averaged over whole blocks first, to save memory, as long as
            no side becomes shorter than this.
        sample_range: See `candid.data.images.contract.Reading`.

    Returns:
        ``uint8 (h, w, 3)``, perhaps read-only.

    Raises:
        ImageError: The range of the samples is unknown.
    """
    transparency = image.info.get("transparency")
    block = min(image.size) // least_px
    if block > 1 and image.mode in _AVERAGED and transparency is None:
        image = image.reduce(block)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image)
        if image.mode != "F" and values.min() >= 0 and values.max() < _END_OF_16_BITS:
            values = values.astype(np.uint16)  # to which Pillow scales those of a PPM too
        return Samples(values, 16).to_rgb(sample_range)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or transparency is not None:
        image = _over_white(image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _over_white(image: Image) -> Image:
    import PIL.Image

    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return rgba
    white = PIL.Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=alpha)
    return white
