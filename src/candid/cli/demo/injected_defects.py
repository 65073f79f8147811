"""Defects of real folders, injected into the sample set for an audit to find."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from candid.cli.demo.pen import ClassName, Pixels
from candid.cli.demo.scenes import Film, develop, draw_picture, is_plain_to_see

DefectKind = Literal[
    "reencoded_copy", "mirrored_copy", "identical_copy", "both_classes", "truncated",
    "text_as_image", "exif_rotated", "sixteen_bit", "wrong_label", "hidden_file", "not_an_image",
]  # fmt: skip

_ORIENTATION_TAG = 0x0112
_ROTATE_RIGHT_TO_VIEW = 6
_ERROR_PAGE = b"""<!doctype html>
<html><head><title>404 Not Found</title></head>
<body><h1>404 Not Found</h1><p>The picture that you asked for is not here.</p></body></html>
"""
_NOTES = b"Faces drawn by candid demo. This is a note, not a picture.\n"
# The first bytes of such a file of macOS, without content.
_DS_STORE = b"\x00\x00\x00\x01Bud1" + bytes(120)


@dataclass(frozen=True)
class InjectedDefect:
    """One defect in a sample set.

    Attributes:
        kind: The kind of defect.
        path: The file, relative to the folder of the set.
        original: The drawing that it was made from, relative likewise; None if there is none.
        note: Description.
    """

    kind: DefectKind
    path: Path
    original: Path | None
    note: str


def inject_defects(
    drawings: Mapping[Path, bytes], *, seed: int
) -> list[tuple[InjectedDefect, bytes]]:
    """Make one defect of each kind.

    Args:
        drawings: The intact files of the set, at least four per class, in the order drawn.
        seed: Seed of the set.

    Returns:
        Each defect and the bytes of its file.
    """
    happy, sad = (
        [path for path in drawings if path.parts[0] == class_name]
        for class_name in ("happy", "sad")
    )
    rng = np.random.default_rng((seed, 1))
    small, same, both = (happy[i] for i in rng.permutation(len(happy))[:3])
    mirrored = sad[int(rng.integers(len(sad)))]
    rows: list[tuple[DefectKind, Path, Path | None, str, bytes]] = [
        ("reencoded_copy", small.with_name(f"{small.stem}-small.jpg"), small,
         "the same picture, shrunk to a third and saved at JPEG quality 40",
         reencoded(drawings[small], quality=40, shrink=3)),
        ("mirrored_copy", mirrored.with_name(f"{mirrored.stem}-mirrored.jpg"), mirrored,
         "the same picture with left and right exchanged", mirrored_copy(drawings[mirrored])),
        ("identical_copy", same.with_name(f"{same.stem} (1){same.suffix}"), same,
         "the same file, byte for byte", drawings[same]),
        ("both_classes", Path("sad") / f"{both.stem}-shared.jpg", both,
         "the same picture under the other class, saved at JPEG quality 60",
         reencoded(drawings[both], quality=60)),
        ("truncated", Path("happy/IMG_2041.jpg"), None, "a JPEG whose second half is missing",
         truncated(develop(_draw(seed, "happy", 0), Film("jpeg", 85)))),
        ("exif_rotated", Path("happy/IMG_2042.jpg"), None,
         "a photo that lies on its side, with EXIF orientation 6",
         exif_rotated(_draw(seed, "happy", 1))),
        ("sixteen_bit", Path("sad/scan-0001.png"), None, "a grey PNG of 16 bits a pixel",
         sixteen_bit(_draw(seed, "sad", 2))),
        ("wrong_label", Path("sad/IMG_2044.jpg"), None, "a happy face filed under sad",
         develop(_draw(seed, "happy", 3), Film("jpeg", 90))),
        ("text_as_image", Path("sad/IMG_2043.jpg"), None, "a web page saved as .jpg", _ERROR_PAGE),
        ("hidden_file", Path("happy/.DS_Store"), None, "a hidden file of a file manager",
         _DS_STORE),
        ("not_an_image", Path("happy/notes.txt"), None, "a text file among the pictures", _NOTES),
    ]  # fmt: skip
    return [(InjectedDefect(*row[:4]), row[4]) for row in rows]


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
    """A JPEG stored rotated, with its EXIF orientation, as phones write them."""
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _ROTATE_RIGHT_TO_VIEW
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
    """The first half of a file, as after an interrupted download."""
    return original[: len(original) // 2]


def _draw(seed: int, class_name: ClassName, which: int) -> Pixels:
    """Draw an unambiguous face, so that the injected defect is its only one."""
    candidates = ((seed, 2, which, attempt) for attempt in range(1000))
    clear = next(candidate for candidate in candidates if is_plain_to_see(candidate))
    return draw_picture(clear, class_name)
