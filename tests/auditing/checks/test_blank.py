"""Photos of one colour."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.auditing.checks.quality import BLANK as CHECK
from candid.auditing.checks.quality import is_blank
from tests.auditing.checks.photos import evidence_of, pixels, unmeasured, with_pixels
from tests.auditing.conftest import Gather

BLANK = {"entropy_bits": 1.0, "contrast": 0.01}


def test_it_finds_a_blank_photo_and_suggests_to_drop_it() -> None:
    outcome = CHECK.run(evidence_of(with_pixels(**BLANK, brightness=0.02)))
    assert outcome.summary == "1 photo is blank"
    (finding,) = outcome.findings
    assert finding.summary == "a/00000.jpg: nothing but black"
    assert [item.suggestion for item in finding.items] == ["drop"]


@pytest.mark.parametrize(
    ("brightness", "note"),
    [(0.02, "nothing but black"), (0.99, "nothing but white"), (0.5, "nothing but one colour, #")],
)
def test_the_note_says_of_what_colour_it_is(brightness: float, note: str) -> None:
    outcome = CHECK.run(evidence_of(with_pixels(**BLANK, brightness=brightness)))
    assert outcome.findings[0].items[0].note.startswith(note)


def test_each_is_listed_even_where_most_are_blank() -> None:
    outcome = CHECK.run(evidence_of(*[with_pixels(**BLANK)] * 50, usual=10))
    assert len(outcome.findings) == 50


def test_drawings_and_fog_are_not_blank() -> None:
    assert not is_blank(pixels(entropy_bits=0.5, contrast=0.2))  # two colours
    assert not is_blank(pixels(entropy_bits=5.0, contrast=0.03))  # many, close to each other
    assert CHECK.run(evidence_of()).status == "clean"


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    assert CHECK.run(unmeasured()).status == "not applicable"


def test_of_files_it_tells_the_blank_ones_from_a_thin_drawing(
    gather: Gather, tmp_path: Path
) -> None:
    scene = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    cap = np.random.default_rng(1).integers(0, 3, (120, 160, 3), dtype=np.uint8)
    drawing = cv2.circle(np.full((120, 160, 3), 255, np.uint8), (80, 60), 40, (0, 0, 0), 2)
    pictures = {
        "a/scene.png": cv2.resize(scene, (160, 120), interpolation=cv2.INTER_CUBIC),
        "a/cap.png": cap,
        "b/drawing.png": drawing,
        "b/page.jpg": np.full((120, 160, 3), 250, np.uint8),
    }
    for name, picture in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture)
    outcome = CHECK.run(gather(tmp_path))
    paths = {item.path for finding in outcome.findings for item in finding.items}
    assert paths == {"a/cap.png", "b/page.jpg"}
