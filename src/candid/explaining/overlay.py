"""Draws the heat over a photo."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.explaining.heat_map import Heat

Pixels = NDArray[np.uint8]

# Vermilion and blue of Okabe and Ito's palette, which all kinds of colour vision tell apart
# ("Color Universal Design", 2008).
_FOR: Final = (213, 94, 0)
_AGAINST: Final = (0, 114, 178)
# The grey that a photo is drawn in: neither black nor white, so that the colours, which lie between
# them, stand out from each of its tones.
_DARK: Final = 40.0
_LIGHT: Final = 235.0
_STRONGEST: Final = 0.8  # of the colour; what it lies on shows through
_EDGE: Final = 0.5  # of the hottest place's heat: what is hotter has a line around it


def draw_overlay(pixels: Pixels, heat: Heat, *, against: bool = False) -> Pixels:
    """Colour the places of a photo that speak for the answer.

    The photo is drawn in grey, so that no colour of its own is taken for heat; the heat is
    vermilion, stronger the hotter, with a line around what is at least half as hot as the hottest
    place. The scale is the photo's own: it says where, not how much.

    Args:
        pixels: uint8 ``(h, w, 3)`` RGB, all of what the network saw, of any size.
        heat: float32 ``(gh, gw)``, positive where a place speaks for the answer.
        against: Whether what speaks against it is drawn too, in blue, on the same scale.

    Returns:
        uint8 ``(h, w, 3)`` RGB; without colour if no place has anything to say.
    """
    height, width = pixels.shape[:2]
    smooth = _enlarge(heat, height, width)
    if not against:
        smooth = np.maximum(smooth, 0)
    hottest = float(np.abs(smooth).max()) or 1.0
    mixed = _grey(pixels)
    strengths = ((_FOR, smooth / hottest), (_AGAINST, -smooth / hottest))
    for colour, strength in strengths:
        opacity = (_STRONGEST * np.clip(strength, 0, 1))[..., None]
        mixed += opacity * (np.array(colour, np.float32) - mixed)
    drawn = mixed.round().astype(np.uint8)
    for _, strength in strengths:
        _outline(drawn, strength >= _EDGE)
    return drawn


def _enlarge(heat: Heat, height: int, width: int) -> NDArray[np.float32]:
    import cv2

    wide = np.ascontiguousarray(heat, np.float32)
    return np.asarray(cv2.resize(wide, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _grey(pixels: Pixels) -> NDArray[np.float32]:
    """The picture in greys between `_DARK` and `_LIGHT`, float32 ``(h, w, 3)``."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.repeat((_DARK + grey * ((_LIGHT - _DARK) / 255))[..., None], 3, axis=2)


def _outline(drawn: Pixels, inside: NDArray[np.bool_]) -> None:
    """Draw a white line with dark rims around some places, in place; not along the edges."""
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
