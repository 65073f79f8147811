"""Draws a face: head, hair, hat, glasses, and the expression of eyes, brows and mouth."""

from __future__ import annotations

import numpy as np

from candid.cli.demo.pen import Colour, Expression, Look, Pen, Points, arc, mix

_WHITE: Colour = (250, 250, 250)
_TEAR: Colour = (120, 190, 250)
_SIDES = (-1.0, 1.0)
_EYE_X = 0.36
_EYE_Y = -0.14
_MOUTH_Y = 0.42
# Midway between happy and sad, brows slope outwards: brows that slope inwards look angry.
_NEUTRAL_TILT = 0.2


def draw_face(pen: Pen, look: Look, expression: Expression) -> None:
    """Draw the whole head, from the shoulders to the hat."""
    features = pen.moved((look.gaze[0] * look.width, look.gaze[1]))
    if look.body:
        _draw_shoulders(pen, look)
    _draw_hair_behind(pen, look)
    _draw_head(pen, look)
    _draw_cheeks_and_nose(features, look)
    if look.beard:
        _draw_beard(pen, look)
    for side in _SIDES:
        _draw_eye(features, look, expression, side)
        _draw_brow(features, look, expression, side)
    _draw_mouth(features, look, expression)
    if expression.tear:
        _draw_tear(features, expression)
    if look.glasses != "none":
        _draw_glasses(features, look)
    if look.hair != "none":
        _draw_fringe(pen, look)
    _draw_hat(pen, look)


def _ink(look: Look) -> Colour:
    """Colour of mouth, brows and outlines: the ink of drawn lines, or a dark shade of the skin."""
    return look.ink if look.style == "line" else mix(look.skin, (35, 15, 15), 0.8)


def _paint(pen: Pen, look: Look, points: Points, colour: Colour, *, line: float = 1.0) -> None:
    """Fill a shape; in the style "line", draw its outline."""
    pen.fill(points, colour)
    if look.style == "line":
        pen.stroke(points, look.ink, width=look.line_width * line, closed=True)


def _paint_hair(pen: Pen, look: Look, *parts: Points) -> None:
    points = np.concatenate(parts)
    _paint(pen, look, points, look.hair_colour, line=0.7)
    if look.style == "shaded":
        pen.shade(points, light=(look.light[0], look.light[1] - 0.6), strength=0.5)


def _draw_hair_behind(pen: Pen, look: Look) -> None:
    width = look.width
    if look.hair == "long":
        fall = arc((0.0, -0.05), (1.2 * width, 1.15), start_deg=180, stop_deg=360)
        ends = arc((0.0, 0.9), (1.22 * width, 0.42), start_deg=0, stop_deg=180)
        _paint_hair(pen, look, fall, ends)
    elif look.hair == "curly":
        crown = arc((0.0, -0.05), (1.0 * width, 0.98), start_deg=165, stop_deg=375, num_points=13)
        for x, y in crown.tolist():
            _paint_hair(pen, look, arc((x, y), (0.27, 0.27), num_points=16))
    elif look.hair == "spiky":
        angle = np.deg2rad(np.linspace(180, 360, 19))
        length = np.where(np.arange(19) % 2, 1.38, 1.02)
        spikes = [length * width * np.cos(angle), length * np.sin(angle)]
        _paint_hair(pen, look, np.stack(spikes, axis=1))
    elif look.hair == "bun":
        _paint_hair(pen, look, arc((0.0, -1.15), (0.36, 0.34)))
    if look.hair in ("short", "parted", "long", "bun"):
        _paint_hair(pen, look, arc((0.0, -0.12), (1.08 * width, 1.0), start_deg=175, stop_deg=365))


def _draw_fringe(pen: Pen, look: Look) -> None:
    width = look.width
    top = arc((0.0, -0.12), (1.04 * width, 0.98), start_deg=200, stop_deg=340)
    if look.hair == "parted":
        right = [(0.9 * width, -0.5), (0.3, -0.62), (-0.35, -0.92)]
        fringe: Points = np.array([*right, (-0.6, -0.6), (-0.95 * width, -0.4)])
    elif look.hair == "spiky":
        y = np.where(np.arange(9) % 2, -0.82, -0.62)
        fringe = np.stack([np.linspace(0.85, -0.85, 9) * width, y], axis=1)
    else:
        fringe = arc((0.0, -0.42), (0.9 * width, 0.24), start_deg=350, stop_deg=190)
    _paint_hair(pen, look, top, fringe)


def _draw_hat(pen: Pen, look: Look) -> None:
    """Draw the hat, in a shade of the clothes."""
    width, colour = look.width, mix(look.cloth, look.ink, 0.15)
    band = mix(colour, (250, 250, 250), 0.45)
    if look.hat in ("beanie", "cap"):
        pen.fill(arc((0.0, -0.5), (1.08 * width, 0.85), start_deg=180, stop_deg=360), colour)
    if look.hat == "beanie":
        pen.stroke([(-1.0 * width, -0.52), (1.0 * width, -0.52)], band, width=0.24)
        pen.disc((0.0, -1.42), (0.18, 0.18), band)
    elif look.hat == "cap":
        side = 1.0 if look.gaze[0] >= 0 else -1.0
        pen.stroke([(-0.3 * side, -0.52), (1.5 * side * width, -0.46)], band, width=0.14)
    elif look.hat == "party":
        pen.fill([(-0.5, -0.78), (0.5, -0.78), (0.05, -1.85)], colour)
        for dot in ((-0.15, -1.0), (0.2, -1.08), (0.0, -1.35), (0.05, -1.85)):
            pen.disc(dot, (0.09, 0.09), band)
    elif look.hat == "top":
        pen.fill([(-0.7, -0.75), (0.7, -0.75), (0.78, -1.75), (-0.78, -1.75)], colour)
        pen.stroke([(-0.66, -0.92), (0.66, -0.92)], band, width=0.18)
        pen.stroke([(-1.1, -0.74), (1.1, -0.74)], colour, width=0.12)
    elif look.hat == "straw":
        pen.disc((0.0, -0.62), (1.5, 0.26), (225, 195, 120))
        pen.fill(arc((0.0, -0.68), (0.75, 0.7), start_deg=180, stop_deg=360), (235, 208, 140))
        pen.stroke(arc((0.0, -0.72), (0.72, 0.1), start_deg=0, stop_deg=180), colour, width=0.13)


def _draw_glasses(pen: Pen, look: Look) -> None:
    frame, dark = mix(look.ink, look.cloth, 0.3), look.glasses == "sun"
    x, y = 0.38 * look.width, -0.12
    for side in _SIDES:
        if look.glasses == "round":
            rim = arc((side * x, y), (0.29, 0.29))
        else:
            corner = arc((side * x, y), (1.0, 1.0), start_deg=45, stop_deg=315, num_points=4)
            rim = (corner - (side * x, y)) * (0.42, 0.32) + (side * x, y)
        pen.fill(rim, (20, 20, 25) if dark else (235, 245, 255), opacity=0.9 if dark else 0.2)
        pen.stroke(rim, frame, width=0.05, closed=True)
        pen.stroke([(side * (x + 0.28), y), (side * look.width, y - 0.05)], frame, width=0.05)
    pen.stroke([(-x + 0.28, y), (x - 0.28, y)], frame, width=0.05)


def _outline(look: Look, *, scale: float = 1.0) -> Points:
    """Outline of the head ``(n, 2)``: a superellipse that narrows towards the chin."""
    around = arc((0.0, 0.0), (1.0, 1.0), num_points=60)
    rounded = np.sign(around) * np.abs(around) ** (2.0 / look.squareness)
    chin = 1.0 - look.jaw * np.clip(rounded[:, 1], 0.0, 1.0)
    shape: Points = np.stack([rounded[:, 0] * look.width * chin, rounded[:, 1]], axis=1) * scale
    return shape


def _draw_shoulders(pen: Pen, look: Look) -> None:
    shadow = mix(look.skin, (60, 20, 20), 0.25)
    shirt = arc((0.0, 2.6), (1.55, 1.5), start_deg=180, stop_deg=360)
    neck = np.array([(-0.3, 0.6), (0.3, 0.6), (0.34, 1.25), (-0.34, 1.25)])
    _paint(pen, look, shirt, look.cloth)
    _paint(pen, look, neck, shadow)
    pen.fill(arc((0.0, 1.12), (0.42, 0.22), start_deg=0, stop_deg=180), shadow)
    if look.style == "shaded":
        pen.shade(shirt, light=(look.light[0], 1.0), strength=0.7)


def _draw_head(pen: Pen, look: Look) -> None:
    head = _outline(look)
    if look.style != "emoji":
        for side in _SIDES:
            ear = arc((side * look.width, 0.02), (0.15, 0.24))
            _paint(pen, look, ear, mix(look.skin, (130, 40, 40), 0.15))
    _paint(pen, look, head, look.skin)
    if look.style != "line":
        pen.shade(head, light=look.light, strength=0.55 if look.style == "shaded" else 0.3)
    if look.style == "emoji" and look.teeth:
        pen.stroke(head, _ink(look), width=look.line_width * 0.6, closed=True)


def _draw_cheeks_and_nose(pen: Pen, look: Look) -> None:
    if look.blush:
        for side in _SIDES:
            cheek = arc((side * 0.56 * look.width, 0.22), (0.2, 0.14))
            pen.fill(cheek, (240, 90, 100), opacity=0.4)
    if not look.nose:
        return
    side = 1.0 if look.light[0] < 0 else -1.0
    if look.style == "shaded":
        bridge = [(0.02 * side, -0.12), (0.14 * side, 0.16), (-0.08 * side, 0.2)]
        pen.fill(bridge, mix(look.skin, (90, 30, 20), 0.3), opacity=0.7)
        pen.disc((0.0, 0.15), (0.12, 0.08), mix(look.skin, (150, 50, 40), 0.25))
    else:
        line = [(0.0, -0.04), (0.09 * side, 0.14), (-0.04 * side, 0.16)]
        pen.stroke(line, _ink(look), width=look.line_width * 0.7)


def _draw_beard(pen: Pen, look: Look) -> None:
    chin = _outline(look, scale=1.03)
    chin = chin[chin[:, 1] > 0.02]
    across = np.linspace(chin[-1, 0], chin[0, 0], 20)
    cheeks = np.stack([across, 0.02 + 0.24 * (1.0 - (across / chin[0, 0]) ** 4)], axis=1)
    pen.fill(np.concatenate([chin, cheeks]), look.hair_colour, opacity=0.9)


def _draw_eye(pen: Pen, look: Look, expression: Expression, side: float) -> None:
    x, y = side * _EYE_X * look.width, _EYE_Y
    ink = _ink(look)
    glance = 0.35 * look.gaze[0]
    if look.eyes == "closed":
        across = np.linspace(-1.0, 1.0, 12)
        bow = -expression.eye_curve * (1.0 - across**2)
        bow = bow - bow.mean()
        pen.stroke(np.stack([x + 0.17 * across, y + bow], axis=1), ink, width=look.line_width)
    elif look.eyes == "dots":
        pen.disc((x + glance, y), (0.09, 0.09), ink)
    elif look.eyes == "ovals":
        pen.disc((x + glance, y), (0.1, 0.17), ink)
        pen.disc((x + glance + 0.03, y - 0.07), (0.035, 0.045), _WHITE)
    else:
        pen.disc((x, y), (0.19, 0.15), _WHITE)
        pen.disc((x + glance, y + 0.01), (0.11, 0.115), mix(look.cloth, ink, 0.4))
        pen.disc((x + glance, y + 0.01), (0.055, 0.058), ink)
        _draw_lid(pen, look, side * (expression.brow_tilt - _NEUTRAL_TILT), (x, y))


def _draw_lid(pen: Pen, look: Look, slope: float, eye: tuple[float, float]) -> None:
    """Draw a lid that is lower at the side to which the brow slopes."""
    top = arc((0.0, 0.0), (0.21, 0.19), start_deg=180, stop_deg=360, num_points=14)
    edge = np.array([(0.21, -0.1 - 0.3 * slope), (-0.21, -0.1 + 0.3 * slope)])
    edge = np.clip(edge, (-1.0, -0.14), (1.0, 0.06))
    pen.fill(np.concatenate([top, edge]) + eye, mix(look.skin, (70, 30, 30), 0.2))
    pen.stroke(edge + eye, _ink(look), width=look.line_width * 0.7)


def _draw_brow(pen: Pen, look: Look, expression: Expression, side: float) -> None:
    across = np.linspace(-1.0, 1.0, 10)  # from the inner end to the outer one
    x = side * (_EYE_X + 0.2 * across) * look.width
    y = _EYE_Y - 0.36 - 0.5 * (expression.brow_tilt - _NEUTRAL_TILT) * across
    y = y - (0.07 + 0.25 * expression.brow_tilt) * (1.0 - across**2 - 2.0 / 3.0)
    colour = mix(look.hair_colour, look.skin, 0.1) if look.style == "shaded" else _ink(look)
    pen.stroke(np.stack([x, y], axis=1), colour, width=look.line_width)


def _mouth_edges(look: Look, expression: Expression) -> tuple[Points, Points]:
    """The upper and the lower edge of the mouth, each ``(n, 2)`` from left to right.

    Both are parabolas through the same corners. A sad mouth is a happy one upside down, so the two
    enclose the same area and have the same middle.
    """
    across = np.linspace(-1.0, 1.0, 24)
    bow = 1.0 - across**2
    sign = 1.0 if expression.is_happy else -1.0
    curve = expression.mouth_curve
    top, bottom = sorted((curve, curve + sign * expression.open_mouth))
    middle = _MOUTH_Y - (top + bottom) / 3.0  # the mean of a bow is 2/3 of its height
    x = look.mouth_width * across
    return (
        np.stack([x, middle + top * bow], axis=1),
        np.stack([x, middle + bottom * bow], axis=1),
    )


def _draw_mouth(pen: Pen, look: Look, expression: Expression) -> None:
    upper, lower = _mouth_edges(look, expression)
    ink = _ink(look)
    lips = mix((190, 60, 70), look.skin, 0.35)
    # On a beard, a line of ink would be invisible.
    line = lips if look.beard or (look.style == "shaded" and look.blush) else ink
    if not expression.open_mouth:
        pen.stroke(upper, line, width=look.line_width * 1.15)
        return
    whole = np.concatenate([upper, lower[::-1]])
    pen.fill(whole, mix((120, 25, 35), ink, 0.4))
    if look.teeth:
        biting = upper + 0.38 * (lower - upper)
        pen.fill(np.concatenate([upper, biting[::-1]]), _WHITE)
    pen.stroke(whole, line, width=look.line_width * 0.7, closed=True)


def _draw_tear(pen: Pen, expression: Expression) -> None:
    x = 0.66 if expression.is_happy else 0.42
    drop = arc((x, 0.16), (0.09, 0.11), start_deg=-40, stop_deg=220)
    whole = np.concatenate([drop, [(x, -0.06)]])
    pen.fill(whole, _TEAR)
    pen.stroke(whole, mix(_TEAR, (40, 90, 180), 0.5), width=0.02, closed=True)
