"""Convert any of Pillow's modes to 8-bit RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from candid.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

# The modes that Pillow can average over blocks, weighted by alpha.
_AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK")


def to_rgb(image: Image, least_px: int) -> NDArray[np.uint8]:
    """Convert a loaded image to RGB, alpha over white.

    Args:
        image: In any mode.
        least_px: A large image may be averaged over whole blocks first, to save memory, as long as
            no side becomes shorter than this.

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
        return _deep_grey_to_rgb(np.asarray(image), transparency)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or transparency is not None:
        image = _over_white(image)
    return np.asarray(image.convert("RGB"))


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


def _deep_grey_to_rgb(samples: NDArray[Any], transparency: Any) -> NDArray[np.uint8]:
    is_float = samples.dtype.kind == "f"
    grey = _unit_floats_to_8_bits(samples) if is_float else _integers_to_8_bits(samples)
    if isinstance(transparency, int):
        grey = np.where(samples == transparency, np.uint8(255), grey)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _integers_to_8_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Keep the high byte of 16 bits, as Pillow does for 16-bit colour."""
    if samples.dtype.itemsize == 2:
        return cast("NDArray[np.uint8]", (samples >> 8).astype(np.uint8))
    # 32-bit files do not declare their range; in practice they hold 8 or 16 bits.
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > 65535:
        raise ImageError(f"32-bit samples from {low} to {high}: expected 0 to 65535")
    return cast("NDArray[np.uint8]", (samples >> (8 if high > 255 else 0)).astype(np.uint8))


def _unit_floats_to_8_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = float(samples.min()), float(samples.max())
    # Not `low < 0 or high > 1`, which would accept a NaN.
    if not (low >= 0 and high <= 1):
        raise ImageError(f"float samples from {low:.4g} to {high:.4g}: expected 0 to 1")
    return cast("NDArray[np.uint8]", np.rint(samples * 255).astype(np.uint8))
