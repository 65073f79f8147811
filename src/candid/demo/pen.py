"""A pen that draws in the units of a head, whatever its size, place and tilt in the picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from candid.matrices import matmul

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]
Colour = tuple[int, int, int]

# OpenCV draws at 1/16 of a pixel, so that a curve stays a curve on a small face.
_SUBPIXEL_BITS = 4


def arc(
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    start_deg: float = 0.0,
    stop_deg: float = 360.0,
    num_points: int = 36,
) -> Points:
    """Points ``(num_points, 2)`` on an ellipse; 0° points right, 90° points down."""
    angle = np.deg2rad(np.linspace(start_deg, stop_deg, num_points))
    return np.stack(
        [centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=1
    )


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour at ``share`` of the way from ``first`` (0.0) to ``second`` (1.0)."""
    blend = np.asarray(first) * (1.0 - share) + np.asarray(second) * share
    red, green, blue = np.clip(np.rint(blend), 0, 255).astype(int).tolist()
    return red, green, blue


@dataclass(frozen=True)
class Pen:
    """Draws on ``canvas``, RGB uint8 ``(h, w, 3)``, in place.

    A point (0, 0) is the middle of the head, x grows to the right, y downwards, and 1.0 is the
    radius of the head. ``wobble`` is how far a hand-drawn line strays, in the same unit.
    """

    canvas: Pixels
    centre_px: tuple[float, float]
    radius_px: float
    tilt_deg: float = 0.0
    wobble: float = 0.0

    def moved(self, offset: tuple[float, float]) -> Pen:
        """The same pen with its origin at ``offset``, in head units."""
        x, y = self.to_pixels([offset])[0].tolist()
        return Pen(self.canvas, (x, y), self.radius_px, self.tilt_deg, self.wobble)

    def to_pixels(self, points: ArrayLike) -> Points:
        """Head units ``(n, 2)`` → pixels ``(n, 2)``."""
        angle = np.deg2rad(self.tilt_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shape = np.asarray(points, dtype=np.float64)
        pixels: Points = matmul(shape, turn) * self.radius_px + np.asarray(self.centre_px)
        return pixels

    def fill(self, points: ArrayLike, colour: Colour, *, opacity: float = 1.0) -> None:
        """Fill the polygon ``points``; less ``opacity`` lets what is below shine through."""
        outline = self._fixed_point(points)
        below = self.canvas.copy() if opacity < 1.0 else None
        cv2.fillPoly(self.canvas, [outline], colour, cv2.LINE_AA, _SUBPIXEL_BITS)
        if below is not None:
            cv2.addWeighted(self.canvas, opacity, below, 1.0 - opacity, 0.0, dst=self.canvas)

    def stroke(
        self, points: ArrayLike, colour: Colour, *, width: float, closed: bool = False
    ) -> None:
        """Draw a line through ``points``, ``width`` head units thick, with round ends."""
        line = self._fixed_point(self._strayed(points))
        thickness = max(1, round(width * self.radius_px))
        cv2.polylines(self.canvas, [line], closed, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def disc(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Fill an ellipse whose axes follow the head."""
        self.fill(arc(centre, radii), colour)

    def discs(self, centres: Iterable[ArrayLike], radius: float, colour: Colour) -> None:
        """Fill circles of one size."""
        for centre in centres:
            x, y = np.asarray(centre, dtype=np.float64).tolist()
            self.disc((x, y), (radius, radius), colour)

    def shade(self, points: ArrayLike, *, light: tuple[float, float], strength: float) -> None:
        """Darken what lies in the polygon away from ``light``, a point in head units."""
        outline = self.to_pixels(points)
        height, width = self.canvas.shape[:2]
        left, top = np.clip(np.floor(outline.min(axis=0)), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(outline.max(axis=0)) + 1, 0, (width, height)).astype(int)
        if right <= left or bottom <= top:
            return
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [self._fixed_point(points)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        x0, y0 = self.to_pixels([light])[0].tolist()
        across = (np.arange(left, right, dtype=np.float32) - x0)[None, :] / self.radius_px
        down = (np.arange(top, bottom, dtype=np.float32) - y0)[:, None] / self.radius_px
        dark = np.clip((across**2 + down**2) / 4.0, 0.0, 1.0) * strength
        dark *= mask[top:bottom, left:right] / np.float32(255)
        patch = self.canvas[top:bottom, left:right]
        patch[...] = patch * (1.0 - dark)[..., None]

    def _strayed(self, points: ArrayLike) -> Points:
        shape = np.asarray(points, dtype=np.float64)
        if not self.wobble:
            return shape
        # A sine along the line strays as a hand does and needs no random numbers.
        walk = np.linspace(0.0, 9.0, len(shape))[:, None] + np.array([[0.0, 1.3]])
        strayed: Points = shape + self.wobble * np.sin(walk * 1.7 + shape)
        return strayed

    def _fixed_point(self, points: ArrayLike) -> NDArray[np.int32]:
        return np.rint(self.to_pixels(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
