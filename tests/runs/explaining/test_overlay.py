"""The heat can be seen over any photo, by everybody, and only where there is some."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from candid.runs.explaining import draw_overlay

# How a colour in linear light looks to people who lack one kind of cone (Machado, Oliveira and
# Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", 2009).
VISION = {
    "all cones": np.eye(3),
    "no long-wave cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no medium-wave cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short-wave cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# The left is hot, the right is cold, and between them nothing speaks for the answer or against it.
HEAT = np.array([[4, 0, -3]], np.float32)


def lab(colour: np.ndarray, vision: str) -> np.ndarray:
    """CIELAB, in which a distance of 2.3 is just noticeable, of an sRGB colour 0..255."""
    value = colour / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(encoded.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("brightness", [0, 64, 128, 192, 255])
def test_heat_is_told_from_a_photo_of_any_brightness(vision: str, brightness: int) -> None:
    photo = np.full((60, 180, 3), brightness, np.uint8)
    drawn = draw_overlay(photo, HEAT, against=True)
    hot, neutral, cold = (lab(drawn[30, column], vision) for column in (10, 90, 170))
    assert np.linalg.norm(hot - neutral) > 15
    assert np.linalg.norm(hot - cold) > 15


def test_only_what_speaks_for_the_answer_is_coloured_unless_asked_for() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 180, 3), dtype=np.uint8)
    drawn = draw_overlay(photo, HEAT)
    is_grey = (drawn == drawn[..., :1]).all(axis=2)
    assert is_grey[:, 120:].all()
    assert not is_grey[:, :10].any()
    both = draw_overlay(photo, HEAT, against=True).astype(int)
    assert (both[:, 170:, 2] > both[:, 170:, 0]).all()  # blue
    assert (both[:, :10, 2] < both[:, :10, 0]).all()


def test_the_photo_shows_through() -> None:
    photo = np.zeros((60, 180, 3), np.uint8)
    photo[::2] = 255
    drawn = draw_overlay(photo, HEAT).astype(int)
    assert (np.abs(np.diff(drawn[:, 5].sum(axis=1))) > 60).all()


@pytest.mark.parametrize("value", [0, -3])
def test_without_evidence_nothing_is_coloured(value: float) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    drawn = draw_overlay(photo, np.full((7, 7), value, np.float32))
    assert (drawn == drawn[..., :1]).all()
    assert drawn.min() >= 40
    assert drawn.max() <= 235


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (33, 7), (400, 300)])
@pytest.mark.parametrize("size", [(1, 1), (9, 9), (2, 5)])
def test_any_photo_takes_any_map(shape: tuple[int, int], size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    photo = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = photo.copy()
    drawn = draw_overlay(photo, random.normal(size=size).astype(np.float32))
    assert (drawn.shape, drawn.dtype) == (photo.shape, np.uint8)
    np.testing.assert_array_equal(photo, before)


def test_the_hottest_colour_lies_on_the_hottest_place() -> None:
    heat = np.zeros((9, 9), np.float32)
    heat[2, 6] = 1
    drawn = draw_overlay(np.full((90, 90, 3), 128, np.uint8), heat).astype(int)
    colourful = drawn.max(axis=2) - drawn.min(axis=2)
    row, column = np.unravel_index(colourful.argmax(), colourful.shape)
    assert abs(row - 25) <= 4
    assert abs(column - 65) <= 4


def test_how_strong_the_evidence_is_makes_no_difference() -> None:
    photo = np.full((60, 180, 3), 128, np.uint8)
    np.testing.assert_array_equal(draw_overlay(photo, HEAT), draw_overlay(photo, HEAT / 1024))
