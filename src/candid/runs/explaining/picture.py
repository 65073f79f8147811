"""Draws an explanation as a PNG: photo, heat map and the most similar training photos."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.core.text import cut, sanitize
from candid.data.images.contract import resize_longest
from candid.runs.explaining.heat_map import Heat, where

Pixels = NDArray[np.uint8]

# Vermilion of Okabe and Ito (2008), whose palette all kinds of colour vision tell apart.
_FOR: Final = np.array((213, 94, 0), np.float32)
# Range of greys of the photo: neither black nor white, so that the colours stand out from all.
_DARK: Final = 40.0
_LIGHT: Final = 235.0
_STRONGEST: Final = 0.8  # opacity of the highest value
_EDGE: Final = 0.5  # share of the highest value above which places are outlined


def draw_overlay(pixels: Pixels, heat: Heat) -> Pixels:
    """Draw a heat map over a photo.

    The photo is drawn in grey, so that its own colours are not taken for heat. Evidence for the
    prediction is vermilion, with a line around places of at least half the highest value. The scale
    is relative to the photo: it shows where, not how much.

    Args:
        pixels: uint8 ``(h, w, 3)`` RGB of any size, the whole input of the network.
        heat: float32 ``(gh, gw)``, positive where a place is evidence for the prediction.

    Returns:
        uint8 ``(h, w, 3)`` RGB; grey if there is no evidence.
    """
    height, width = pixels.shape[:2]
    smooth = np.maximum(_enlarge(heat, height, width), 0)
    strength = smooth / (float(smooth.max()) or 1.0)
    mixed = _grey(pixels)
    mixed += (_STRONGEST * strength)[..., None] * (_FOR - mixed)
    drawn = mixed.round().astype(np.uint8)
    _outline(drawn, strength >= _EDGE)
    return drawn


def _enlarge(heat: Heat, height: int, width: int) -> NDArray[np.float32]:
    import cv2

    wide = np.ascontiguousarray(heat, np.float32)
    return np.asarray(cv2.resize(wide, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _grey(pixels: Pixels) -> NDArray[np.float32]:
    """The photo in greys from `_DARK` to `_LIGHT`, float32 ``(h, w, 3)``."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.repeat((_DARK + grey * ((_LIGHT - _DARK) / 255))[..., None], 3, axis=2)


def _outline(drawn: Pixels, inside: NDArray[np.bool_]) -> None:
    """Draw a white line with dark rims around a region, in place; not along the image's edges."""
    import cv2

    thickness = max(1, round(min(inside.shape) / 250))
    beyond = 4 * thickness
    mask = cv2.copyMakeBorder(inside.astype(np.uint8), *(beyond,) * 4, cv2.BORDER_REPLICATE)
    lines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    offset = (-beyond, -beyond)
    for grey, more in ((30, 2), (255, 0)):
        cv2.drawContours(
            drawn, lines, -1, (grey,) * 3, thickness + more, cv2.LINE_AA, offset=offset
        )


Captioned = tuple[Pixels, str]

_MOST_SIMILAR: Final = 3
_MOST_CHARACTERS, _FEWEST_CHARACTERS = 60, 8  # of a line
_MOST_PX: Final = 640  # longer side of a photo, about its size in the picture
_DPI: Final = 130
_INK: Final = "#1a1c1f"
_MUTED: Final = "#5b6067"

# In inches, from the top downwards.
_WIDTH: Final = 9.0
_MARGIN: Final = 0.25
_GAP: Final = 0.2
_LINE: Final = 0.24
_HEADING: Final = 0.35
_LOWEST, _HIGHEST = 2.0, 5.0
_SIMILAR_HEIGHT: Final = 2.0


def picture_of(pixels: Pixels, heat: Heat, title: str, similar: Sequence[Captioned]) -> bytes:
    """Draw a photo, its heat map and the most similar training photos.

    Args:
        pixels: uint8 ``(h, w, 3)`` RGB of any size, the whole input of the network.
        heat: float32 ``(gh, gw)``, positive where a place is evidence for the prediction.
        title: The prediction, in one or more lines, shortened in the middle to the width of the
            photo. Unprintable characters are escaped, and mathtext is not interpreted.
        similar: Up to three photos, uint8 ``(h, w, 3)`` of any shape, with their captions.

    Returns:
        A PNG file, 1170 pixels wide.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    shown = _shrink(pixels)
    heated = draw_overlay(shown, heat), f"Evidence for the answer: {where(heat)}"
    upper: list[Captioned] = [(shown, title), heated]
    lower = [(_shrink(photo), caption) for photo, caption in similar[:_MOST_SIMILAR]]
    with warnings.catch_warnings():
        # Characters that Matplotlib's font lacks are drawn as boxes, without a warning.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        return _draw(upper, lower)


def _draw(upper: Sequence[Captioned], lower: Sequence[Captioned]) -> bytes:
    require_packages(["matplotlib"], needed_by="drawing an explanation", extra="transfer")
    height, width = upper[0][0].shape[:2]
    photo_height = float(np.clip(_column_width(2) * height / width, _LOWEST, _HIGHEST))
    top = 2 * _MARGIN / 3 + _LINE * _num_lines(upper)
    bottom = top + photo_height + _MARGIN / 2
    below = _HEADING + _LINE * _num_lines(lower) + _SIMILAR_HEIGHT if lower else 0.0
    size = (_WIDTH, bottom + below + _MARGIN / 2)
    figure = import_module("matplotlib.figure").Figure(figsize=size, dpi=_DPI, facecolor="white")
    _draw_row(figure, upper, 2, top=top, height=photo_height, size=11)
    if lower:
        heading = {"fontsize": 11, "color": _MUTED, "ha": "center", "va": "center"}
        y = 1 - (bottom + _HEADING / 2) / figure.get_figheight()
        figure.text(0.5, y, "Most similar training photos", **heading)
        top = bottom + _HEADING + _LINE * _num_lines(lower)
        _draw_row(figure, lower, _MOST_SIMILAR, top=top, height=_SIMILAR_HEIGHT, size=9)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _draw_row(
    figure: Any,
    row: Sequence[Captioned],
    num_columns: int,
    *,
    top: float,
    height: float,
    size: float,
) -> None:
    """Draw photos side by side, with captions above them."""
    whole = figure.get_figheight()
    width = _column_width(num_columns)
    for column, (pixels, caption) in enumerate(row):
        left = _MARGIN + column * (width + _GAP)
        box = (left / _WIDTH, 1 - (top + height) / whole, width / _WIDTH, height / whole)
        axes = figure.add_axes(box, anchor="N")
        axes.imshow(pixels)
        axes.set_axis_off()
        # No mathtext: a class may be named $x$.
        title = axes.set_title("", fontsize=size, color=_INK, parse_math=False, pad=5)
        _set_fitting(title, caption, width * figure.dpi)


def _column_width(num_columns: int) -> float:
    return (_WIDTH - 2 * _MARGIN - (num_columns - 1) * _GAP) / num_columns


def _num_lines(row: Sequence[Captioned]) -> int:
    return max((caption.count("\n") + 1 for _, caption in row), default=0)


def _set_fitting(title: Any, caption: str, width_px: float) -> None:
    """Set a title, its lines shortened to the width of the column."""
    for most in range(_MOST_CHARACTERS, _FEWEST_CHARACTERS, -2):
        title.set_text("\n".join(cut(sanitize(line), most) for line in caption.split("\n")))
        if title.get_window_extent().width <= width_px:
            return


def _shrink(pixels: Pixels) -> Pixels:
    return resize_longest(pixels, min(_MOST_PX, max(pixels.shape[:2])))
