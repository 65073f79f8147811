"""Draws what hangs or reaches in front of a face: a hand, a bar, leaves."""

from __future__ import annotations

import numpy as np

from candid.demo.looks import Look
from candid.demo.pen import Pen, Points, mix


def draw_cover(pen: Pen, look: Look, rng: np.random.Generator) -> None:
    """Cover a part of the face, wherever it comes to lie."""
    direction = float(rng.uniform(0.0, 360.0))
    distance = float(rng.uniform(0.5, 1.0))
    x = distance * float(np.cos(np.deg2rad(direction)))
    y = distance * float(np.sin(np.deg2rad(direction)))
    if look.cover == "hand":
        turned = Pen(pen.canvas, _at(pen, (x, abs(y))), pen.radius_px * 0.8, direction / 4.0 - 45.0)
        _draw_hand(turned, look)
    elif look.cover == "bar":
        _draw_bar(pen, (x, y), direction, look)
    elif look.cover == "leaf":
        for turn_deg in (-35.0, 10.0, 50.0):
            turned = Pen(pen.canvas, _at(pen, (x, y)), pen.radius_px, direction + turn_deg)
            _draw_leaf(turned, rng)


def _at(pen: Pen, point: tuple[float, float]) -> tuple[float, float]:
    x, y = pen.to_pixels([point])[0].tolist()
    return x, y


def _draw_hand(pen: Pen, look: Look) -> None:
    edge = mix(look.skin, (70, 30, 30), 0.45)
    pen.stroke([(0.0, 0.4), (0.0, 4.0)], mix(edge, look.cloth, 0.8), width=0.85)
    fingers = [[(x, 0.1), (x * 1.35, -0.62 + 0.5 * x * x)] for x in (-0.36, -0.12, 0.12, 0.36)]
    fingers.append([(0.36, 0.45), (0.78, 0.05)])
    for width, colour in ((0.27, edge), (0.21, look.skin)):
        for finger in fingers:
            pen.stroke(finger, colour, width=width)
        pen.disc((0.0, 0.36), (0.3 + width, 0.22 + width), colour)


def _draw_bar(pen: Pen, middle: tuple[float, float], angle_deg: float, look: Look) -> None:
    along = np.array([[np.cos(np.deg2rad(angle_deg + 90)), np.sin(np.deg2rad(angle_deg + 90))]])
    ends: Points = np.asarray(middle) + along * np.array([[-9.0], [9.0]])
    colour = mix(look.cloth, (128, 128, 128), 0.4)
    pen.stroke(ends, mix(colour, (0, 0, 0), 0.4), width=0.34)
    pen.stroke(ends, colour, width=0.26)


def _draw_leaf(pen: Pen, rng: np.random.Generator) -> None:
    length = float(rng.uniform(0.7, 1.0))
    along = np.linspace(0.0, 1.0, 14)
    half = 0.2 * np.sin(np.pi * along**0.8)
    rim = np.concatenate(
        [np.stack([along * length, half], axis=1), np.stack([along * length, -half], axis=1)[::-1]]
    )
    green = mix((70, 140, 60), (150, 170, 50), float(rng.random()))
    pen.fill(rim, green)
    pen.stroke(rim, mix(green, (10, 50, 20), 0.5), width=0.03, closed=True)
    pen.stroke([(-0.4, 0.0), (length * 0.9, 0.0)], mix(green, (10, 50, 20), 0.5), width=0.035)
