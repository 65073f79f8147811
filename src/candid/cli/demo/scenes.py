"""Draws a whole picture: background, face, cover, camera effects and the encoded file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Literal, NamedTuple

import cv2
import numpy as np
from PIL import Image

from candid.cli.demo.faces import draw_face
from candid.cli.demo.pen import (
    ClassName,
    Look,
    Pen,
    Pixels,
    any_colour,
    choose,
    choose_expression,
    choose_look,
    mix,
)

Size = tuple[int, int]
Format = Literal["jpeg", "png", "webp"]

SUFFIXES: dict[Format, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
# Each part of a picture has a generator of its own.
_SCENE, _FACE, _MOOD, _CAMERA = range(4)


class Film(NamedTuple):
    """File format and quality."""

    format: Format
    quality: int


def is_plain_to_see(seed: tuple[int, ...]) -> bool:
    """Whether the picture of ``seed`` shows a strong expression and nothing in front of it."""
    look = choose_look(np.random.default_rng((*seed, _FACE)))
    expression = choose_expression(np.random.default_rng((*seed, _MOOD)), "happy")
    covered = look.cover != "none" or look.glasses == "sun" or look.beard
    return not covered and expression.mouth_curve > 0.36 and expression.brow_tilt >= 0


def draw_picture(seed: tuple[int, ...], class_name: ClassName) -> Pixels:
    """Draw one face, RGB uint8 ``(h, w, 3)``, sides of 120 to 420 pixels.

    Two pictures of one ``seed`` and different ``class_name`` differ in the expression only: it has
    a generator of its own, so the numbers that it draws change nothing else.
    """
    scene_rng, face_rng, mood_rng, camera_rng = (
        np.random.default_rng((*seed, part)) for part in (_SCENE, _FACE, _MOOD, _CAMERA)
    )
    area_px = float(scene_rng.uniform(180, 340)) ** 2
    aspect = choose(scene_rng, (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3), (5.0, 3.0, 3.0, 1.0, 1.0))
    size_px = round((area_px * aspect) ** 0.5), round((area_px / aspect) ** 0.5)
    canvas = choose(scene_rng, _SCENES, _SCENE_ODDS)(scene_rng, size_px)
    look = choose_look(face_rng)
    pen = _place_head(face_rng, canvas, wobble=0.012 if look.style == "line" else 0.0)
    draw_face(pen, look, choose_expression(mood_rng, class_name))
    _draw_cover(pen, look, face_rng)
    return _expose(canvas, camera_rng)


def _place_head(rng: np.random.Generator, canvas: Pixels, *, wobble: float) -> Pen:
    """Choose size, position and tilt of a head that is mostly inside the picture."""
    height, width = canvas.shape[:2]
    radius_px = float(rng.uniform(0.36, 0.5)) * min(height, width)
    margin_x, margin_y = (max(0.0, side / 2 - 0.95 * radius_px) for side in (width, height))
    centre_px = (
        width / 2 + float(rng.uniform(-margin_x, margin_x)),
        height / 2 + float(rng.uniform(-0.6, 0.9)) * margin_y,
    )
    tilt_deg = float(np.clip(rng.normal(0.0, 8.0), -30.0, 30.0))
    return Pen(canvas, centre_px, radius_px, tilt_deg, wobble)


def _plain(rng: np.random.Generator, size_px: Size) -> Pixels:
    width, height = size_px
    return np.full((height, width, 3), any_colour(rng, low=40, high=256), np.uint8)


def _gradient(rng: np.random.Generator, size_px: Size) -> Pixels:
    corners = rng.integers(20, 256, size=(2, 2, 3)).astype(np.uint8)
    if rng.random() < 0.5:
        corners[:, 1] = corners[:, 0]
    # Four pixels whose centres become the corners of the picture: enlarge, then crop the flat rim.
    width, height = size_px
    large = cv2.resize(corners, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    y, x = height // 2, width // 2
    return np.ascontiguousarray(large[y : y + height, x : x + width])


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
    share = np.linspace(0.0, 1.0, height)[:, None]
    ramp = np.rint(np.asarray(high) * (1 - share) + np.asarray(low) * share).astype(np.uint8)
    canvas = np.repeat(ramp[:, None], width, axis=1)
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


_SCENES: tuple[Callable[[np.random.Generator, Size], Pixels], ...] = (
    _plain, _gradient, _texture, _wallpaper, _lights, _hills, _room, _town,
)  # fmt: skip
_SCENE_ODDS = (2.0, 3.0, 3.0, 2.0, 3.0, 3.0, 2.0, 2.0)


def _draw_cover(pen: Pen, look: Look, rng: np.random.Generator) -> None:
    """Cover a random part of the face with a hand, a bar or leaves."""
    direction = float(rng.uniform(0.0, 360.0))
    distance = float(rng.uniform(0.5, 1.0))
    x = distance * float(np.cos(np.deg2rad(direction)))
    y = distance * float(np.sin(np.deg2rad(direction)))
    if look.cover == "hand":
        place = pen.moved((x, abs(y))).centre_px
        _draw_hand(Pen(pen.canvas, place, pen.radius_px * 0.8, direction / 4.0 - 45.0), look)
    elif look.cover == "bar":
        _draw_bar(pen, (x, y), direction, look)
    elif look.cover == "leaf":
        for turn_deg in (-35.0, 10.0, 50.0):
            place = pen.moved((x, y)).centre_px
            _draw_leaf(Pen(pen.canvas, place, pen.radius_px, direction + turn_deg), rng)


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
    ends = np.asarray(middle) + along * np.array([[-9.0], [9.0]])
    colour = mix(look.cloth, (128, 128, 128), 0.4)
    pen.stroke(ends, mix(colour, (0, 0, 0), 0.4), width=0.34)
    pen.stroke(ends, colour, width=0.26)


def _draw_leaf(pen: Pen, rng: np.random.Generator) -> None:
    length = float(rng.uniform(0.7, 1.0))
    along = np.linspace(0.0, 1.0, 14)
    half = 0.2 * np.sin(np.pi * along**0.8)
    x, y = along * length, np.concatenate([half, -half[::-1]])
    rim = np.stack([np.concatenate([x, x[::-1]]), y], axis=1)
    green = mix((70, 140, 60), (150, 170, 50), float(rng.random()))
    pen.fill(rim, green)
    pen.stroke(rim, mix(green, (10, 50, 20), 0.5), width=0.03, closed=True)
    pen.stroke([(-0.4, 0.0), (length * 0.9, 0.0)], mix(green, (10, 50, 20), 0.5), width=0.035)


def choose_film(rng: np.random.Generator) -> Film:
    """Choose a format, mostly JPEG, and a quality."""
    return Film(
        format=choose(rng, ("jpeg", "png", "webp"), (84.0, 10.0, 6.0)),
        quality=int(rng.integers(50, 96)),
    )


def _expose(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add the brightness, colour cast, blur and noise of a photo."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.08:
        pixels = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.3:
        sigma_px = float(rng.uniform(0.4, 1.8)) * min(height, width) / 300.0
        pixels = cv2.GaussianBlur(pixels, (0, 0), sigma_px)
    cast = rng.uniform(0.75, 1.12) * rng.normal(1.0, 0.04, size=3)
    level = np.arange(256)[:, None] / 255.0
    curve = np.clip(level ** rng.uniform(0.75, 1.3) * cast * 255.0, 0.0, 255.0)
    pixels = cv2.LUT(pixels, np.rint(curve).astype(np.uint8)[:, None])
    if rng.random() < 0.5:
        sigma = np.float32(rng.uniform(2.0, 11.0))
        grain = rng.standard_normal((height, width), dtype=np.float32) * sigma
        pixels = cv2.add(pixels, cv2.merge([grain] * 3), dtype=cv2.CV_8U)
    return pixels


def develop(pixels: Pixels, film: Film) -> bytes:
    """Encode RGB uint8 ``(h, w, 3)`` to the bytes of a file."""
    options = {
        "jpeg": {"quality": film.quality},
        "png": {"compress_level": 3},
        # Slower methods of WebP take ten times as long and save a tenth of the bytes.
        "webp": {"quality": film.quality, "method": 1},
    }[film.format]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, film.format.upper(), **options)
    return stream.getvalue()
