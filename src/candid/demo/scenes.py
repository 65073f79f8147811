"""Draws what is behind a face."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from candid.demo.looks import any_colour, choose
from candid.demo.pen import Colour, Pixels, mix

Size = tuple[int, int]


def draw_scene(rng: np.random.Generator, size_px: Size) -> Pixels:
    """Draw a background, RGB uint8 ``(h, w, 3)``, of one of eight kinds.

    Args:
        rng: What the kind and everything in it are dealt from.
        size_px: Width and height.
    """
    odds = (2.0, 3.0, 3.0, 2.0, 3.0, 3.0, 2.0, 2.0)
    return choose(rng, _SCENES, odds)(rng, size_px)


def _plain(rng: np.random.Generator, size_px: Size) -> Pixels:
    width, height = size_px
    return np.full((height, width, 3), any_colour(rng, low=40, high=256), np.uint8)


def _gradient(rng: np.random.Generator, size_px: Size) -> Pixels:
    corners = rng.integers(20, 256, size=(2, 2, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        corners[:, 1] = corners[:, 0]
    # Four pixels whose centres are the corners of the picture: enlarge, then drop the flat rim.
    width, height = size_px
    large = cv2.resize(corners, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    inner: Pixels = np.ascontiguousarray(
        large[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    )
    return inner


def _texture(rng: np.random.Generator, size_px: Size) -> Pixels:
    first, second = any_colour(rng), any_colour(rng)
    width, height = size_px
    cloud = np.zeros((height, width), np.float32)
    for cells, weight in ((3, 0.5), (9, 0.3), (40, 0.2)):
        coarse = rng.random((cells, cells), dtype=np.float32)
        cloud += weight * cv2.resize(coarse, size_px, interpolation=cv2.INTER_CUBIC)
    span = np.asarray(second, np.float32) - np.asarray(first, np.float32)
    coloured = np.asarray(first, np.float32) + cloud[..., None] * span
    return np.clip(coloured, 0, 255).astype(np.uint8)


def _wallpaper(rng: np.random.Generator, size_px: Size) -> Pixels:
    canvas = _plain(rng, size_px)
    width, height = size_px
    colour, step = any_colour(rng, low=40, high=256), int(rng.integers(18, 70))
    shift, pattern = int(rng.integers(step)), int(rng.integers(3))
    for x in range(-height - step + shift, width + step, step):
        if pattern == 0:
            cv2.line(canvas, (x, -9), (x, height + 9), colour, step // 2)
        elif pattern == 1:
            cv2.line(canvas, (x, 0), (x + height, height), colour, step // 3, cv2.LINE_AA)
        elif x > -step:
            for y in range(shift // 2, height + step, step):
                middle = (x + (y // step % 2) * step // 2, y)
                cv2.circle(canvas, middle, step // 5 + 1, colour, -1, cv2.LINE_AA)
    return canvas


def _lights(rng: np.random.Generator, size_px: Size) -> Pixels:
    canvas = _gradient(rng, size_px)
    soft = canvas.copy()
    for _ in range(int(rng.integers(8, 26))):
        middle = (int(rng.integers(size_px[0])), int(rng.integers(size_px[1])))
        radius = int(rng.uniform(0.02, 0.14) * min(size_px))
        cv2.circle(soft, middle, radius, any_colour(rng, low=60, high=256), -1, cv2.LINE_AA)
    blend: Pixels = cv2.addWeighted(soft, 0.6, canvas, 0.4, 0.0)
    return blend


def _hills(rng: np.random.Generator, size_px: Size) -> Pixels:
    width, height = size_px
    high = mix((90, 150, 220), any_colour(rng), 0.35)
    low = mix((230, 235, 240), any_colour(rng), 0.25)
    canvas = np.repeat(_ramp(high, low, height)[:, None], width, axis=1)
    sun = (int(rng.integers(width)), int(rng.uniform(0.05, 0.35) * height))
    cv2.circle(canvas, sun, max(3, min(size_px) // 12), (255, 235, 160), -1, cv2.LINE_AA)
    across = np.linspace(0.0, width, 30)
    for level in (0.5, 0.68, 0.84):
        wave = np.sin(across / width * rng.uniform(3, 9) + rng.uniform(0, 6))
        ridge = np.stack([across, height * (level + 0.07 * wave)], axis=1)
        points = np.concatenate([ridge, [(width, height), (0, height)]])
        colour = mix((80, 140, 70), any_colour(rng), 0.4)
        cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], colour, cv2.LINE_AA)
    return canvas


def _room(rng: np.random.Generator, size_px: Size) -> Pixels:
    canvas = _plain(rng, size_px)
    width, height = size_px
    floor = int(rng.uniform(0.7, 0.95) * height)
    cv2.rectangle(canvas, (0, floor), (width, height), any_colour(rng), -1)
    cv2.line(canvas, (0, floor), (width, floor), any_colour(rng), 4)
    for _ in range(int(rng.integers(1, 5))):
        left, top = int(rng.uniform(-0.1, 0.9) * width), int(rng.uniform(0.0, 0.5) * height)
        right = left + int(rng.uniform(0.12, 0.35) * width)
        bottom = top + int(rng.uniform(0.15, 0.4) * height)
        cv2.rectangle(canvas, (left, top), (right, bottom), any_colour(rng, low=90), -1)
        cv2.line(canvas, (left, bottom), (right, top), any_colour(rng, low=90), 5, cv2.LINE_AA)
        cv2.rectangle(canvas, (left, top), (right, bottom), any_colour(rng, high=120), 5)
    return canvas


def _town(rng: np.random.Generator, size_px: Size) -> Pixels:
    canvas = _gradient(rng, size_px)
    width, height = size_px
    left = -int(rng.integers(30))
    while left < width:
        right = left + int(rng.uniform(0.1, 0.25) * width)
        top = int(rng.uniform(0.1, 0.8) * height)
        wall = any_colour(rng, low=50, high=200)
        cv2.rectangle(canvas, (left, top), (right, height), wall, -1)
        pane = mix(wall, (255, 240, 170), float(rng.uniform(0.2, 0.8)))
        step = max(9, (right - left) // 4)
        for y in range(top + step // 2, height, step):
            for x in range(left + step // 2, right - step // 2, step):
                cv2.rectangle(canvas, (x, y), (x + step // 2, y + step // 2), pane, -1)
        left = right
    return canvas


def _ramp(first: Colour, second: Colour, num: int) -> Pixels:
    share = np.linspace(0.0, 1.0, num)[:, None]
    return np.rint(np.asarray(first) * (1 - share) + np.asarray(second) * share).astype(np.uint8)


_SCENES: tuple[Callable[[np.random.Generator, Size], Pixels], ...] = (
    _plain, _gradient, _texture, _wallpaper, _lights, _hills, _room, _town,
)  # fmt: skip
