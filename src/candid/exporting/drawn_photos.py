"""Photos of every colour mode, drawn, to ask an export's own code about."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_LARGE = 4  # times the model's input: libjpeg halves a JPEG from this size on
_SEED = 7


@cache
def draw_photos(size_px: int) -> Mapping[str, bytes]:
    """Draw a photo of each colour mode, and a large one.

    Args:
        size_px: The model's input. Sides are whole multiples of it, so that resizing leaves no
            choice to a right reader.

    Returns:
        Files by colour mode: PNG, and JPEG for CMYK and the large one.
    """
    from PIL import Image

    modes = in_modes(Image.fromarray(_draw(2 * size_px)))
    large = Image.fromarray(_draw(_LARGE * size_px))
    return modes | {"large JPEG": _encode(large, "JPEG", quality=95)}


def in_modes(colours: Image) -> dict[str, bytes]:
    """A picture in each colour mode: PNG, and JPEG for CMYK.

    Args:
        colours: RGB. Where the mode has alpha, its corners become transparent.
    """
    from PIL import Image

    grey, mask = colours.convert("L"), _draw_mask(*colours.size)
    deep = (np.asarray(grey).astype(np.uint16) << 8) + 77
    palette = colours.quantize(64)
    modes = {
        "1": grey.convert("1"),
        "L": grey,
        "LA": Image.merge("LA", (grey, mask)),
        "P": palette,
        "RGB": colours,
        "RGBA": Image.merge("RGBA", (*colours.split(), mask)),
        "I;16": Image.fromarray(deep),
    }
    return {
        **{name: _encode(image, "PNG") for name, image in modes.items()},
        "I;16, transparent": _encode(modes["I;16"], "PNG", transparency=int(np.median(deep))),
        "P, transparent": _encode(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "CMYK": _encode(colours.convert("CMYK"), "JPEG", quality=95),
    }


def _draw(side: int) -> NDArray[np.uint8]:
    """Soft colours with some grain, as photos have, ``(side, side, 3)``."""
    import cv2

    random = np.random.default_rng(_SEED)
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    grain = random.integers(0, 12, (side, side, 1), dtype=np.uint8)
    drawn: NDArray[np.uint8] = cv2.add(soft, np.repeat(grain, 3, axis=2))
    return drawn


def _draw_mask(width: int, height: int) -> Image:
    """Opaque within an ellipse, transparent in the corners, translucent between."""
    from PIL import Image

    y, x = np.mgrid[:height, :width]
    radius = np.hypot(x * (2 / width) - 1, y * (2 / height) - 1)
    return Image.fromarray(np.uint8(np.clip(1.4 - radius, 0, 0.6) / 0.6 * 255))


def _encode(image: Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
