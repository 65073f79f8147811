"""Draws what a head wears: hair, hats and glasses."""

from __future__ import annotations

import numpy as np

from candid.demo.looks import Look
from candid.demo.pen import Colour, Pen, Points, arc, mix


def draw_hair_behind(pen: Pen, look: Look) -> None:
    """Draw the hair that the head covers."""
    width = look.width
    if look.hair == "long":
        fall = arc((0.0, -0.05), (1.2 * width, 1.15), start_deg=180, stop_deg=360)
        ends = arc((0.0, 0.9), (1.22 * width, 0.42), start_deg=0, stop_deg=180)
        _paint(pen, look, np.concatenate([fall, ends]))
    elif look.hair == "curly":
        crown = arc((0.0, -0.05), (1.0 * width, 0.98), start_deg=165, stop_deg=375, num_points=13)
        for x, y in crown.tolist():
            _paint(pen, look, arc((x, y), (0.27, 0.27), num_points=16))
    elif look.hair == "spiky":
        angle = np.linspace(180, 360, 19)
        length = np.where(np.arange(19) % 2, 1.38, 1.02)
        spikes = [arc((0.0, 0.0), (length[i] * width, length[i]), start_deg=a, stop_deg=a,
                      num_points=1)[0] for i, a in enumerate(angle)]  # fmt: skip
        _paint(pen, look, np.array(spikes))
    elif look.hair == "bun":
        _paint(pen, look, arc((0.0, -1.15), (0.36, 0.34)))
    if look.hair in ("short", "parted", "long", "bun"):
        _paint(pen, look, arc((0.0, -0.12), (1.08 * width, 1.0), start_deg=175, stop_deg=365))


def draw_hair_in_front(pen: Pen, look: Look) -> None:
    """Draw the fringe that falls on the forehead."""
    width = look.width
    if look.hair == "none":
        return
    top = arc((0.0, -0.12), (1.04 * width, 0.98), start_deg=200, stop_deg=340)
    if look.hair == "parted":
        fringe: Points = np.array([(0.9 * width, -0.5), (0.3, -0.62), (-0.35, -0.92)])
        fringe = np.concatenate([fringe, [(-0.6, -0.6), (-0.95 * width, -0.4)]])
    elif look.hair == "spiky":
        fringe = np.stack(
            [np.linspace(0.85, -0.85, 9) * width, np.where(np.arange(9) % 2, -0.82, -0.62)], axis=1
        )
    else:
        fringe = arc((0.0, -0.42), (0.9 * width, 0.24), start_deg=350, stop_deg=190)
    _paint(pen, look, np.concatenate([top, fringe]))


def draw_hat(pen: Pen, look: Look) -> None:
    """Draw the hat, in a colour that goes with the clothes."""
    width, colour = look.width, mix(look.cloth, look.ink, 0.15)
    band = mix(colour, (250, 250, 250), 0.45)
    dome = arc((0.0, -0.5), (1.08 * width, 0.85), start_deg=180, stop_deg=360)
    if look.hat == "beanie":
        pen.fill(dome, colour)
        pen.stroke([(-1.0 * width, -0.52), (1.0 * width, -0.52)], band, width=0.24)
        pen.disc((0.0, -1.42), (0.18, 0.18), band)
    elif look.hat == "cap":
        pen.fill(dome, colour)
        side = 1.0 if look.gaze[0] >= 0 else -1.0
        pen.stroke([(-0.3 * side, -0.52), (1.5 * side * width, -0.46)], band, width=0.14)
    elif look.hat == "party":
        cone = np.array([(-0.5, -0.78), (0.5, -0.78), (0.05, -1.85)])
        pen.fill(cone, colour)
        pen.discs([(-0.15, -1.0), (0.2, -1.08), (0.0, -1.35), (0.05, -1.85)], 0.09, band)
    elif look.hat == "top":
        pen.fill([(-0.7, -0.75), (0.7, -0.75), (0.78, -1.75), (-0.78, -1.75)], colour)
        pen.stroke([(-0.66, -0.92), (0.66, -0.92)], band, width=0.18)
        pen.stroke([(-1.1, -0.74), (1.1, -0.74)], colour, width=0.12)
    elif look.hat == "straw":
        pen.disc((0.0, -0.62), (1.5, 0.26), (225, 195, 120))
        pen.fill(arc((0.0, -0.68), (0.75, 0.7), start_deg=180, stop_deg=360), (235, 208, 140))
        pen.stroke(arc((0.0, -0.72), (0.72, 0.1), start_deg=0, stop_deg=180), colour, width=0.13)


def draw_glasses(pen: Pen, look: Look) -> None:
    """Draw glasses over the eyes; dark ones hide them, which real ones do too."""
    if look.glasses == "none":
        return
    frame: Colour = mix(look.ink, look.cloth, 0.3)
    x, y = 0.38 * look.width, -0.12
    for side in (-1.0, 1.0):
        if look.glasses == "round":
            rim = arc((side * x, y), (0.29, 0.29))
        else:
            corner = arc((side * x, y), (1.0, 1.0), start_deg=45, stop_deg=315, num_points=4)
            rim = (corner - (side * x, y)) * (0.42, 0.32) + (side * x, y)
        dark = look.glasses == "sun"
        pen.fill(rim, (20, 20, 25) if dark else (235, 245, 255), opacity=0.9 if dark else 0.2)
        pen.stroke(rim, frame, width=0.05, closed=True)
        pen.stroke([(side * (x + 0.28), y), (side * look.width, y - 0.05)], frame, width=0.05)
    pen.stroke([(-x + 0.28, y), (x - 0.28, y)], frame, width=0.05)


def _paint(pen: Pen, look: Look, points: Points) -> None:
    """Fill hair in the manner of the look's style."""
    pen.fill(points, look.hair_colour)
    if look.style == "line":
        pen.stroke(points, look.ink, width=look.line_width * 0.7, closed=True)
    elif look.style == "shaded":
        pen.shade(points, light=(look.light[0], look.light[1] - 0.6), strength=0.5)
