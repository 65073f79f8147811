"""The troubles that real folders contain, planted on purpose for an audit to find.

One picture from a seed: a scene, a face in it, taken by a camera.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from candid.cli.demo.faces import draw_face
from candid.cli.demo.pen import ClassName, Pen, Pixels, choose, choose_expression, choose_look
from candid.cli.demo.scenes import Film, develop, draw_cover, draw_scene, expose

# Each part of a picture has a generator of its own.
_SCENE, _FACE, _MOOD, _CAMERA = range(4)
_ASPECTS = (1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3)


def is_plain_to_see(seed: tuple[int, ...]) -> bool:
    """Whether the picture of ``seed`` shows a strong expression and nothing in front of it."""
    look = choose_look(np.random.default_rng((*seed, _FACE)))
    expression = choose_expression(np.random.default_rng((*seed, _MOOD)), "happy")
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
    look = choose_look(face_rng)
    pen = _deal_pen(face_rng, canvas)
    wobble = 0.012 if look.style == "line" else 0.0
    pen = Pen(pen.canvas, pen.centre_px, pen.radius_px, pen.tilt_deg, wobble)
    draw_face(pen, look, choose_expression(mood_rng, class_name))
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


DefectKind = Literal[
    "reencoded_copy", "mirrored_copy", "identical_copy", "both_classes", "truncated",
    "text_as_image", "exif_rotated", "sixteen_bit", "wrong_label", "hidden_file", "not_an_image",
]  # fmt: skip

_ORIENTATION_TAG = 0x0112
_TURN_RIGHT_TO_VIEW = 6
_ERROR_PAGE = """<!doctype html>
<html><head><title>404 Not Found</title></head>
<body><h1>404 Not Found</h1><p>The picture that you asked for is not here.</p></body></html>
"""
_NOTES = "Faces drawn by candid demo. This is a note, not a picture.\n"
# The first bytes by which the file manager of macOS knows its own file, and no content.
_DS_STORE = b"\x00\x00\x00\x01Bud1" + bytes(120)


@dataclass(frozen=True)
class InjectedDefect:
    """One trouble in a sample set."""

    kind: DefectKind
    path: Path
    """The planted file, relative to the folder of the set."""
    original: Path | None
    """The drawing that it was made from, relative likewise; None where it stands alone."""
    note: str
    """What was done, in a sentence."""


def inject_defects(
    drawings: Mapping[Path, bytes], *, seed: int
) -> list[tuple[InjectedDefect, bytes]]:
    """Make one of every kind of trouble.

    Args:
        drawings: The sound files of the set, at least four a class, in the order they were drawn.
        seed: The seed of the set; the same troubles come of the same seed.

    Returns:
        What is planted, and the bytes that belong there.
    """
    return [*_copies(drawings, seed), *_odd_files(seed), *_strangers()]


def reencoded(original: bytes, *, quality: int, shrink: int = 1) -> bytes:
    """The same picture as a JPEG of another quality, its sides ``shrink`` times shorter."""
    with Image.open(io.BytesIO(original)) as image:
        copy = image.convert("RGB")
    size = (copy.width // shrink, copy.height // shrink)
    return develop(np.asarray(copy.resize(size, Image.Resampling.LANCZOS)), Film("jpeg", quality))


def mirrored_copy(original: bytes) -> bytes:
    """The same picture with left and right exchanged."""
    with Image.open(io.BytesIO(original)) as image:
        return develop(np.asarray(ImageOps.mirror(image.convert("RGB"))), Film("jpeg", 88))


def exif_rotated(pixels: Pixels) -> bytes:
    """A JPEG that lies on its side and says so in its EXIF orientation, as phones write them."""
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURN_RIGHT_TO_VIEW
    stream = io.BytesIO()
    Image.fromarray(np.rot90(pixels)).save(stream, "JPEG", quality=90, exif=exif)
    return stream.getvalue()


def sixteen_bit(pixels: Pixels) -> bytes:
    """A grey PNG of 16 bits a pixel, as scanners and microscopes write them."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.uint16) * np.uint16(257)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def truncated(original: bytes) -> bytes:
    """The first half of a file, as a download that broke off leaves it."""
    return original[: len(original) // 2]


def _copies(drawings: Mapping[Path, bytes], seed: int) -> list[tuple[InjectedDefect, bytes]]:
    happy, sad = (
        [path for path in drawings if path.parts[0] == class_name]
        for class_name in ("happy", "sad")
    )
    rng = np.random.default_rng((seed, 1))
    small, same, both = (happy[i] for i in rng.permutation(len(happy))[:3])
    mirrored = sad[int(rng.integers(len(sad)))]
    both_copy = Path("sad") / f"{both.stem}-shared.jpg"
    return [
        (
            InjectedDefect("reencoded_copy", small.with_name(f"{small.stem}-small.jpg"), small,
                  "the same picture, shrunk to a third and saved at JPEG quality 40"),
            reencoded(drawings[small], quality=40, shrink=3),
        ),
        (
            InjectedDefect("mirrored_copy", mirrored.with_name(f"{mirrored.stem}-mirrored.jpg"),
                  mirrored,
                  "the same picture with left and right exchanged"),
            mirrored_copy(drawings[mirrored]),
        ),
        (
            InjectedDefect("identical_copy", same.with_name(f"{same.stem} (1){same.suffix}"), same,
                  "the same file, byte for byte"),
            drawings[same],
        ),
        (
            InjectedDefect("both_classes", both_copy, both,
                  "the same picture under the other class, saved at JPEG quality 60"),
            reencoded(drawings[both], quality=60),
        ),
    ]  # fmt: skip


def _odd_files(seed: int) -> list[tuple[InjectedDefect, bytes]]:
    broken = truncated(develop(_draw(seed, "happy", 0), Film("jpeg", 85)))
    happy_one = develop(_draw(seed, "happy", 3), Film("jpeg", 90))
    return [
        (
            InjectedDefect("truncated", Path("happy/IMG_2041.jpg"), None,
                  "a JPEG whose second half is missing"),
            broken,
        ),
        (
            InjectedDefect("exif_rotated", Path("happy/IMG_2042.jpg"), None,
                  "a photo that lies on its side, with EXIF orientation 6"),
            exif_rotated(_draw(seed, "happy", 1)),
        ),
        (
            InjectedDefect("sixteen_bit", Path("sad/scan-0001.png"), None,
                  "a grey PNG of 16 bits a pixel"),
            sixteen_bit(_draw(seed, "sad", 2)),
        ),
        (
            InjectedDefect("wrong_label", Path("sad/IMG_2044.jpg"), None,
                  "a happy face filed under sad"),
            happy_one,
        ),
    ]  # fmt: skip


def _strangers() -> list[tuple[InjectedDefect, bytes]]:
    text, hidden, notes = Path("sad/IMG_2043.jpg"), Path("happy/.DS_Store"), Path("happy/notes.txt")
    return [
        (
            InjectedDefect("text_as_image", text, None, "a web page saved as .jpg"),
            _ERROR_PAGE.encode(),
        ),
        (InjectedDefect("hidden_file", hidden, None, "a hidden file of a file manager"), _DS_STORE),
        (
            InjectedDefect("not_an_image", notes, None, "a text file among the pictures"),
            _NOTES.encode(),
        ),
    ]


def _draw(seed: int, class_name: ClassName, which: int) -> Pixels:
    """Draw a face that stands for its class beyond doubt, so that a trouble is the only one."""
    candidates = ((seed, 2, which, attempt) for attempt in range(1000))
    clear = next(candidate for candidate in candidates if is_plain_to_see(candidate))
    return draw_picture(clear, class_name)
