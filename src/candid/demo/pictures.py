"""One picture from a seed: a scene, a face in it, taken by a camera."""

from __future__ import annotations

import numpy as np

from candid.demo.camera import expose
from candid.demo.covers import draw_cover
from candid.demo.faces import draw_face
from candid.demo.looks import ClassName, choose, deal_expression, deal_look
from candid.demo.pen import Pen, Pixels
from candid.demo.scenes import draw_scene

# Each part of a picture has a generator of its own.
_SCENE, _FACE, _MOOD, _CAMERA = range(4)
_ASPECTS = (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3)


def is_plain_to_see(seed: tuple[int, ...]) -> bool:
    """Whether the picture of ``seed`` shows a strong expression and nothing in front of it."""
    look = deal_look(np.random.default_rng((*seed, _FACE)))
    expression = deal_expression(np.random.default_rng((*seed, _MOOD)), "happy")
    covered = look.cover != "none" or look.glasses == "sun" or look.beard
    return not covered and expression.mouth_curve > 0.36 and expression.brow_tilt >= 0


def draw_picture(seed: tuple[int, ...], class_name: ClassName) -> Pixels:
    """Draw one face, RGB uint8 ``(h, w, 3)``, sides of 120 to 420 pixels.

    Two pictures of one ``seed`` and different ``class_name`` are the same but for the expression:
    it has a generator of its own, so whatever it uses moves nothing else.
    """
    scene_rng, face_rng, mood_rng, camera_rng = (
        np.random.default_rng((*seed, part)) for part in (_SCENE, _FACE, _MOOD, _CAMERA)
    )
    canvas = draw_scene(scene_rng, _deal_size(scene_rng))
    look = deal_look(face_rng)
    pen = _deal_pen(face_rng, canvas)
    wobble = 0.012 if look.style == "line" else 0.0
    pen = Pen(pen.canvas, pen.centre_px, pen.radius_px, pen.tilt_deg, wobble)
    draw_face(pen, look, deal_expression(mood_rng, class_name))
    draw_cover(pen, look, face_rng)
    return expose(canvas, camera_rng)


def _deal_size(rng: np.random.Generator) -> tuple[int, int]:
    area_px = float(rng.uniform(180, 340)) ** 2
    aspect = choose(rng, _ASPECTS, (5.0, 3.0, 3.0, 1.0, 1.0))
    return round((area_px * aspect) ** 0.5), round((area_px / aspect) ** 0.5)


def _deal_pen(rng: np.random.Generator, canvas: Pixels) -> Pen:
    """Place a head that is in the picture for the most part."""
    height, width = canvas.shape[:2]
    radius_px = float(rng.uniform(0.36, 0.5)) * min(height, width)
    margin_x, margin_y = (max(0.0, side / 2 - 0.95 * radius_px) for side in (width, height))
    centre_px = (
        width / 2 + float(rng.uniform(-margin_x, margin_x)),
        height / 2 + float(rng.uniform(-0.6, 0.9)) * margin_y,
    )
    tilt_deg = float(np.clip(rng.normal(0.0, 8.0), -30.0, 30.0))
    return Pen(canvas, centre_px, radius_px, tilt_deg)
