"""The whole explanation in one PNG file."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from candid.errors import DependencyError
from candid.runs.explaining import picture_of

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
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match=r"Matplotlib.*pip install"):
        picture_of(photo(9, 9), HEAT, "happy", [])
