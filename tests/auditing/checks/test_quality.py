"""Checks of image quality."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.auditing.checks.quality import (
    BLANK,
    BLOWN_OUT,
    BLURRED,
    DARK,
    MAX_STEEPNESS,
    is_blank,
    steepness,
)
from tests.auditing.conftest import Gather
from tests.auditing.made import evidence_of, pixels, unmeasured, with_pixels

BLANK_PIXELS = {"entropy_bits": 1.0, "contrast": 0.01}


DARK_PHOTO = with_pixels(bright_end=0.2, brightness=0.05)


def scene(seed: int, *, side: int = 256, contrast: float = 1.0) -> np.ndarray:
    """Shapes with sharp edges before a smooth sky."""
    rng = np.random.default_rng(seed)
    sky = rng.integers(90, 160, (3, 3, 3)).astype(np.float32)
    picture = cv2.resize(sky, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(4):
        centre = rng.integers(side // 5, side - side // 5, 2).tolist()
        shade = rng.choice([0, 40, 220, 255], 3).tolist()
        cv2.circle(picture, centre, int(rng.integers(side // 12, side // 6)), shade, -1)
    mean = picture.mean()
    return np.clip(mean + contrast * (picture - mean), 0, 255).astype(np.uint8)


def blur(picture: np.ndarray, share: float) -> np.ndarray:
    """Blur by a Gaussian of a share of the side."""
    return cv2.GaussianBlur(picture, (0, 0), share * picture.shape[0])


def small(picture: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)[None]


def write_all(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    for name, picture in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    return folder


class TestBlank:
    def test_it_finds_a_blank_photo_and_suggests_to_drop_it(self) -> None:
        outcome = BLANK.run(evidence_of(with_pixels(**BLANK_PIXELS, brightness=0.02)))
        assert outcome.summary == "1 photo is blank"
        (finding,) = outcome.findings
        assert finding.summary == "a/00000.jpg: nothing but black"
        assert [item.suggestion for item in finding.items] == ["drop"]

    @pytest.mark.parametrize(
        ("brightness", "note"),
        [
            (0.02, "nothing but black"),
            (0.99, "nothing but white"),
            (0.5, "nothing but one colour, #"),
        ],
    )
    def test_the_note_names_the_colour(self, brightness: float, note: str) -> None:
        outcome = BLANK.run(evidence_of(with_pixels(**BLANK_PIXELS, brightness=brightness)))
        assert outcome.findings[0].items[0].note.startswith(note)

    def test_each_is_listed_even_where_most_are_blank(self) -> None:
        outcome = BLANK.run(evidence_of(*[with_pixels(**BLANK_PIXELS)] * 50, usual=10))
        assert len(outcome.findings) == 50

    def test_drawings_and_fog_are_not_blank(self) -> None:
        assert not is_blank(pixels(entropy_bits=0.5, contrast=0.2))  # two colours
        assert not is_blank(pixels(entropy_bits=5.0, contrast=0.03))  # many, close to each other
        assert BLANK.run(evidence_of()).status == "clean"

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        assert BLANK.run(unmeasured()).status == "not applicable"

    def test_it_finds_blank_files_but_not_a_thin_drawing(
        self, gather: Gather, tmp_path: Path
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
        outcome = BLANK.run(gather(tmp_path))
        paths = {item.path for finding in outcome.findings for item in finding.items}
        assert paths == {"a/cap.png", "b/page.jpg"}


class TestDark:
    def test_it_finds_a_dark_photo(self) -> None:
        outcome = DARK.run(evidence_of(DARK_PHOTO))
        assert outcome.summary == "1 photo is dark"
        (finding,) = outcome.findings
        assert finding.summary == (
            "a/00000.jpg: 99 % of its pixels are below 20 % of full brightness"
        )

    def test_the_darkest_comes_first_and_the_class_is_named(self) -> None:
        rows = [with_pixels(bright_end=value) for value in (0.3, 0.1, 0.2, 0.25, 0.22)]
        outcome = DARK.run(evidence_of(*rows))
        assert outcome.summary == "5 photos are dark; all are in a"
        assert outcome.findings[0].items[0].path == "a/00001.jpg"

    def test_a_bright_lamp_in_the_night_is_not_dark_all_over(self) -> None:
        assert DARK.run(evidence_of(with_pixels(bright_end=0.4, brightness=0.05))).status == "clean"

    def test_a_black_picture_is_left_to_the_check_for_blank_ones(self) -> None:
        black = with_pixels(bright_end=0.02, entropy_bits=0.5, contrast=0.01)
        assert DARK.run(evidence_of(black)).status == "clean"

    def test_a_folder_of_night_photos_is_one_line(self) -> None:
        outcome = DARK.run(evidence_of(*[DARK_PHOTO] * 50, usual=10))
        assert outcome.summary == "most photos are dark (50 of 70)"
        assert [finding.items for finding in outcome.findings] == [()]

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        assert DARK.run(unmeasured()).status == "not applicable"


class TestBlownOut:
    def test_it_finds_blown_out_photos_the_whitest_first(self) -> None:
        rows = [with_pixels(dark_end=0.96), with_pixels(dark_end=0.98)]
        outcome = BLOWN_OUT.run(evidence_of(*rows))
        assert outcome.summary == "2 photos are blown out"
        assert [finding.summary for finding in outcome.findings] == [
            "a/00001.jpg: 95 % of its pixels are above 98 % of full brightness",
            "a/00000.jpg: 95 % of its pixels are above 96 % of full brightness",
        ]

    def test_a_bright_photo_with_dark_parts_is_fine(self) -> None:
        assert (
            BLOWN_OUT.run(evidence_of(with_pixels(dark_end=0.9, brightness=0.97))).status == "clean"
        )

    def test_a_white_picture_is_left_to_the_check_for_blank_ones(self) -> None:
        white = with_pixels(dark_end=1.0, entropy_bits=0.5, contrast=0.01)
        assert BLOWN_OUT.run(evidence_of(white)).status == "clean"

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        assert BLOWN_OUT.run(unmeasured()).status == "not applicable"


class TestBlurred:
    def test_it_finds_the_blurred_one_among_sharp_ones(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        pictures = {f"{'ab'[i % 2]}/{i}.png": scene(i) for i in range(8)}
        pictures["a/blurred.png"] = blur(scene(9), 0.03)
        outcome = BLURRED.run(gather(write_all(tmp_path, pictures)))
        assert outcome.summary == "1 photo is blurred"
        assert [item.path for item in outcome.findings[0].items] == ["a/blurred.png"]
        assert outcome.findings[0].items[0].note.startswith("no edge is sharp")

    def test_it_stays_quiet_on_sharp_ones(self, gather: Gather, tmp_path: Path) -> None:
        pictures = {f"{'ab'[i % 2]}/{i}.png": scene(i) for i in range(6)}
        assert BLURRED.run(gather(write_all(tmp_path, pictures))).status == "clean"

    def test_blank_and_tiny_pictures_are_left_to_their_checks(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        blank = np.full((200, 200, 3), 128, np.uint8)
        pictures = {"a/blank.png": blank, "a/tiny.png": scene(1, side=24), "b/sharp.png": scene(2)}
        assert BLURRED.run(gather(write_all(tmp_path, pictures))).status == "clean"

    def test_it_is_not_applicable_to_pictures_smaller_than_the_thumbnail(
        self, gather: Gather, tmp_path: Path
    ) -> None:
        pictures = {"a/1.png": scene(1, side=32), "b/2.png": scene(2, side=32)}
        outcome = BLURRED.run(gather(write_all(tmp_path, pictures)))
        assert outcome.status == "not applicable"
        assert "64 px" in outcome.summary

    def test_it_is_not_applicable_where_nothing_could_be_measured(self) -> None:
        outcome = BLURRED.run(unmeasured())
        assert outcome.status == "not applicable"
        assert "could be judged" in outcome.summary

    @pytest.mark.parametrize("seed", range(5))
    def test_the_wider_the_blur_the_less_steep_are_the_edges(self, seed: int) -> None:
        values = [
            float(steepness(small(blur(scene(seed), s)))[0]) for s in (0.001, 0.01, 0.02, 0.04)
        ]
        assert values == sorted(values, reverse=True)
        assert values[0] > MAX_STEEPNESS > values[-1]

    def test_low_contrast_is_no_blur(self) -> None:
        (full,), (faint,) = steepness(small(scene(3))), steepness(small(scene(3, contrast=0.3)))
        assert faint == pytest.approx(full, rel=0.15)

    def test_a_sharp_face_before_a_blurred_background_is_not_blurred(self) -> None:
        picture = blur(scene(4), 0.05)
        picture[90:160, 90:160] = scene(5)[90:160, 90:160]
        assert steepness(small(picture))[0] > MAX_STEEPNESS
