"""A pen that draws in head units, and the random appearance and expression of a face.

The class must show in the expression only. So the appearance has the same distribution for both
classes, and the class gives an expression its sign, not its size: a frown has the ink, the position
and the width of a smile, upside down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from candid.core.linalg import matmul

Pixels = NDArray[np.uint8]
Points = NDArray[np.float64]
Colour = tuple[int, int, int]

# OpenCV draws at 1/16 of a pixel, which keeps curves smooth on small faces.
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

    Coordinates are in head units: (0, 0) is the middle of the head, x grows to the right, y
    downwards, and 1.0 is the radius of the head. ``wobble`` is how far hand-drawn lines deviate.
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
        rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        shape = np.asarray(points, dtype=np.float64)
        pixels: Points = matmul(shape, rotation) * self.radius_px + np.asarray(self.centre_px)
        return pixels

    def fill(self, points: ArrayLike, colour: Colour, *, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        outline = self._fixed_point(points)
        below = self.canvas.copy() if opacity < 1.0 else None
        cv2.fillPoly(self.canvas, [outline], colour, cv2.LINE_AA, _SUBPIXEL_BITS)
        if below is not None:
            cv2.addWeighted(self.canvas, opacity, below, 1.0 - opacity, 0.0, dst=self.canvas)

    def stroke(
        self, points: ArrayLike, colour: Colour, *, width: float, closed: bool = False
    ) -> None:
        """Draw a line through ``points``, ``width`` head units thick, with round ends."""
        shape = np.asarray(points, dtype=np.float64)
        if self.wobble:
            # A sine along the line looks hand-drawn and needs no random numbers.
            phase = np.linspace(0.0, 9.0, len(shape))[:, None] + np.array([[0.0, 1.3]])
            shape = shape + self.wobble * np.sin(phase * 1.7 + shape)
        line = self._fixed_point(shape)
        thickness = max(1, round(width * self.radius_px))
        cv2.polylines(self.canvas, [line], closed, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def disc(self, centre: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Fill an ellipse whose axes are tilted with the head."""
        self.fill(arc(centre, radii), colour)

    def shade(self, points: ArrayLike, *, light: tuple[float, float], strength: float) -> None:
        """Darken a polygon with the distance from the point ``light``."""
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

    def _fixed_point(self, points: ArrayLike) -> NDArray[np.int32]:
        return np.rint(self.to_pixels(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


ClassName = Literal["happy", "sad"]
Style = Literal["emoji", "line", "shaded"]
Eyes = Literal["dots", "ovals", "round", "closed"]
Hair = Literal["none", "short", "parted", "long", "curly", "spiky", "bun"]
Hat = Literal["none", "beanie", "cap", "party", "top", "straw"]
Glasses = Literal["none", "round", "square", "sun"]
Cover = Literal["none", "hand", "bar", "leaf"]

CLASS_NAMES: tuple[ClassName, ...] = get_args(ClassName)

_SKINS: tuple[Colour, ...] = (
    (255, 224, 196), (241, 194, 160), (224, 172, 125), (198, 134, 94), (150, 98, 66), (101, 67, 48),
)  # fmt: skip
_CARTOON: tuple[Colour, ...] = (
    (255, 205, 60), (255, 214, 90), (250, 190, 40), (140, 205, 110), (110, 180, 235),
    (190, 150, 230), (250, 160, 185), (250, 150, 90), (120, 215, 205), (225, 225, 230),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (35, 28, 26), (75, 50, 35), (120, 78, 45), (196, 150, 85), (170, 75, 40), (150, 150, 155),
    (215, 205, 190), (70, 90, 170), (190, 70, 120),
)  # fmt: skip
_INKS: tuple[Colour, ...] = ((30, 30, 35), (40, 50, 110), (110, 40, 40), (25, 80, 60), (80, 50, 90))
_PAPERS: tuple[Colour, ...] = ((255, 255, 252), (250, 244, 228), (232, 240, 248), (245, 225, 215))

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Expression:
    """Expression of a face. Lengths are in head radii; signs are + for happy and − for sad.

    Attributes:
        mouth_curve: Height of the corners of the mouth above (+) or below (−) its middle.
        brow_tilt: Height of the inner ends of the brows below (+) or above (−) the outer ends;
            a few contradict the mouth.
        eye_curve: Arch of closed eyes, upwards (+) or downwards (−).
        open_mouth: Height of the open mouth; 0 is closed.
        tear: Whether there is a tear, beside a happy eye or below a sad one.
    """

    mouth_curve: float
    brow_tilt: float
    eye_curve: float
    open_mouth: float
    tear: bool

    @property
    def is_happy(self) -> bool:
        """Whether the corners of the mouth go up."""
        return self.mouth_curve > 0


@dataclass(frozen=True)
class Look:
    """Appearance of a face without its expression. Lengths are in head radii."""

    style: Style
    skin: Colour
    ink: Colour
    hair_colour: Colour
    cloth: Colour
    eyes: Eyes
    hair: Hair
    hat: Hat
    glasses: Glasses
    cover: Cover
    width: float
    squareness: float
    jaw: float
    gaze: tuple[float, float]
    mouth_width: float
    line_width: float
    teeth: bool
    beard: bool
    blush: bool
    nose: bool
    body: bool
    light: tuple[float, float]


def choose(
    rng: np.random.Generator, items: tuple[_Item, ...], odds: tuple[float, ...] | None = None
) -> _Item:
    """One of ``items``; ``odds`` are relative weights, equal by default."""
    if odds is None:
        return items[int(rng.integers(len(items)))]
    weights = np.asarray(odds, dtype=np.float64)
    return items[int(rng.choice(len(items), p=weights / weights.sum()))]


def any_colour(rng: np.random.Generator, *, low: int = 25, high: int = 240) -> Colour:
    """A random colour, each channel from ``low`` to ``high`` (exclusive)."""
    red, green, blue = rng.integers(low, high, size=3).tolist()
    return red, green, blue


def choose_expression(rng: np.random.Generator, class_name: ClassName) -> Expression:
    """Draw a random expression; only its sign depends on ``class_name``.

    One in five is subtle. The brows agree with the mouth in eight faces of ten, are level in one
    and contradict it in one, so that no single feature decides the class.
    """
    sign = 1.0 if class_name == "happy" else -1.0
    strength = float(rng.uniform(0.3, 0.5) if rng.random() < 0.2 else rng.uniform(0.6, 1.0))
    brow_agrees = choose(rng, (1.0, 0.0, -0.5), (8.0, 1.0, 1.0))
    is_open = rng.random() < 0.5
    return Expression(
        mouth_curve=sign * 0.46 * strength,
        brow_tilt=sign * 0.28 * strength * brow_agrees,
        eye_curve=sign * (0.08 + 0.10 * strength),
        open_mouth=float(rng.uniform(0.15, 0.4)) if is_open else 0.0,
        tear=bool(rng.random() < 0.15),
    )


def choose_look(rng: np.random.Generator) -> Look:
    """Draw a random appearance."""
    style: Style = choose(rng, ("emoji", "line", "shaded"), (4.0, 2.0, 4.0))
    hat: Hat = choose(rng, get_args(Hat), (14.0, 2.0, 2.0, 1.0, 1.0, 2.0))
    bald_odds = 5.0 if style == "emoji" else 1.0
    ink = choose(rng, _INKS)
    return Look(
        style=style,
        skin=_choose_skin(rng, style),
        ink=ink,
        hair_colour=_jitter(rng, choose(rng, _HAIRS)),
        cloth=any_colour(rng),
        eyes=choose(rng, get_args(Eyes), (3.0, 3.0, 5.0, 3.0)),
        hair=choose(rng, get_args(Hair), (bald_odds, 2.0, 2.0, 2.0, 2.0, 1.5, 1.0)),
        hat=hat,
        glasses=choose(rng, get_args(Glasses), (16.0, 2.0, 2.0, 1.0)),
        cover=choose(rng, get_args(Cover), (34.0, 2.0, 2.0, 2.0)),
        width=float(rng.uniform(0.96, 1.04) if style == "emoji" else rng.uniform(0.78, 1.0)),
        squareness=float(rng.uniform(2.0, 2.7)),
        jaw=float(0.0 if style == "emoji" else rng.uniform(0.0, 0.25)),
        gaze=(float(rng.normal(0.0, 0.09)), float(rng.normal(0.0, 0.05))),
        mouth_width=float(rng.uniform(0.36, 0.56)),
        line_width=float(rng.uniform(0.07, 0.11) * (0.6 if style == "line" else 1.0)),
        teeth=bool(rng.random() < 0.5),
        beard=bool(style != "emoji" and rng.random() < 0.1),
        blush=bool(rng.random() < 0.3),
        nose=bool(rng.random() < (0.25 if style == "emoji" else 0.9)),
        body=bool(style != "emoji" or rng.random() < 0.2),
        light=(float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.9, -0.2))),
    )


def _choose_skin(rng: np.random.Generator, style: Style) -> Colour:
    palette = {"emoji": _CARTOON, "line": _PAPERS, "shaded": _SKINS}[style]
    # One face in eight has the colours of any style, so that colour does not reveal the style.
    if rng.random() < 0.125:
        palette = _SKINS + _CARTOON
    return _jitter(rng, choose(rng, palette))


def _jitter(rng: np.random.Generator, colour: Colour) -> Colour:
    return mix(colour, any_colour(rng), float(rng.uniform(0.0, 0.12)))
