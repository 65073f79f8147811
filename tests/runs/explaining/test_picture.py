"""The heat map over the photo, and the whole explanation as a PNG."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from candid.errors import DependencyError
from candid.runs.explaining import draw_overlay, picture_of

HEAT = np.arange(81, dtype=np.float32).reshape(9, 9) - 20


def photo(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def similar(count: int) -> list[tuple[np.ndarray, str]]:
    return [(photo(40, 60, seed=i), f"happy · 0.{9 - i}\nhappy/{i}.jpg") for i in range(count)]


def test_it_holds_the_photo_its_heat_and_three_similar_photos() -> None:
    blue = np.full((200, 300, 3), (0, 0, 255), np.uint8)
    greens = [(np.full((50, 50, 3), (0, 255, 0), np.uint8), "green")] * 3
    drawn = read(picture_of(blue, HEAT, "blue", greens)).astype(int)
    assert drawn.shape[1] == 1170
    assert (drawn[:3] == 255).all()  # nothing is cut off at the edges
    assert (drawn[-3:] == 255).all()
    is_blue = (drawn == (0, 0, 255)).all(axis=2)
    is_green = (drawn == (0, 255, 0)).all(axis=2)
    is_hot = (drawn[..., 0] > 150) & (drawn[..., 2] < 60) & (drawn[..., 1] < 160)
    rows, columns = np.nonzero(is_blue)
    assert columns.max() < 1170 / 2
    assert (columns.max() - columns.min()) / (rows.max() - rows.min()) == pytest.approx(1.5, 0.02)
    assert np.nonzero(is_hot)[1].min() > 1170 / 2
    assert np.nonzero(is_green)[0].min() > rows.max()
    starts = np.diff(is_green.any(axis=0).astype(int)) == 1
    assert starts.sum() == 3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_there_may_be_fewer_similar_photos(count: int) -> None:
    drawn = read(picture_of(photo(90, 120), HEAT, "happy", similar(count)))
    three = read(picture_of(photo(90, 120), HEAT, "happy", similar(3)))
    assert drawn.shape[1] == 1170
    assert (drawn.shape[0] < three.shape[0]) == (count == 0)


def test_of_more_similar_photos_the_first_three_are_drawn() -> None:
    five, three = (picture_of(photo(90, 120), HEAT, "happy", similar(n)) for n in (5, 3))
    assert five == three


@pytest.mark.parametrize("shape", [(1, 1), (20, 900), (900, 20), (3000, 2000)])
def test_photos_of_any_shape_are_drawn_in_a_picture_of_sensible_shape(
    shape: tuple[int, int],
) -> None:
    others = [(photo(*shape), "a"), (photo(*shape[::-1]), "b")]
    height, width = read(picture_of(photo(*shape), HEAT, "happy", others)).shape[:2]
    assert 0.5 < height / width < 1.5


@pytest.mark.parametrize(
    "name",
    [
        "$x$",
        "$\\frac{$",
        "a_b^c",
        "100 %",
        "开心",
        "🙂",
        "\udcff.jpg",
        "a\x00b\x1b[31m",
        "x" * 500,
        "",
    ],
)
def test_no_name_is_too_odd_to_be_drawn(name: str) -> None:
    drawn = read(picture_of(photo(9, 9), HEAT, name, [(photo(9, 9), f"{name}\n{name}")]))
    assert drawn.shape[1] == 1170


def test_a_long_name_stays_over_its_photo() -> None:
    long, short = (
        read(picture_of(np.zeros((90, 90, 3), np.uint8), HEAT, title, []))
        for title in ("m" * 500, "m")
    )
    middle = slice(1170 // 2, None)
    np.testing.assert_array_equal(long[:, middle], short[:, middle])
    assert (long[:, :5] == 255).all()


def test_the_same_explanation_gives_the_same_bytes() -> None:
    first, second = (picture_of(photo(90, 120), HEAT, "happy", similar(3)) for _ in range(2))
    assert first == second


def test_matplotlib_is_not_imported_before_something_is_drawn() -> None:
    code = (
        "import sys, candid.runs.explaining; "
        "print(sorted({'matplotlib', 'sklearn', 'scipy', 'jinja2'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DependencyError, match=r"matplotlib.*pip install"):
        picture_of(photo(9, 9), HEAT, "happy", [])


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
# Evidence for the answer on the left, none in the middle, evidence against it on the right.
HOT_TO_COLD = np.array([[4, 0, -3]], np.float32)


def lab(colour: np.ndarray, vision: str) -> np.ndarray:
    """CIELAB, in which a distance of 2.3 is just noticeable, of an sRGB colour 0..255."""
    value = colour / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(encoded.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("brightness", [0, 64, 128, 192, 255])
def test_heat_is_visible_on_photos_of_any_brightness(vision: str, brightness: int) -> None:
    photo = np.full((60, 180, 3), brightness, np.uint8)
    drawn = draw_overlay(photo, HOT_TO_COLD)
    hot, neutral, cold = (lab(drawn[30, column], vision) for column in (10, 90, 170))
    assert np.linalg.norm(hot - neutral) > 15
    assert np.linalg.norm(hot - cold) > 15


def test_only_evidence_for_the_answer_is_coloured() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 180, 3), dtype=np.uint8)
    drawn = draw_overlay(photo, HOT_TO_COLD)
    is_grey = (drawn == drawn[..., :1]).all(axis=2)
    assert is_grey[:, 120:].all()
    assert not is_grey[:, :10].any()
    assert (drawn[:, :10, 2] < drawn[:, :10, 0]).all()


def test_the_photo_shows_through() -> None:
    photo = np.zeros((60, 180, 3), np.uint8)
    photo[::2] = 255
    drawn = draw_overlay(photo, HOT_TO_COLD).astype(int)
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


def test_the_scale_is_relative_to_the_photo() -> None:
    photo = np.full((60, 180, 3), 128, np.uint8)
    np.testing.assert_array_equal(
        draw_overlay(photo, HOT_TO_COLD), draw_overlay(photo, HOT_TO_COLD / 1024)
    )
