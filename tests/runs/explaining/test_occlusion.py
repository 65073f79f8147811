"""Covering a place takes from the answer what that place gave to it."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from candid.errors import UsageError
from candid.models.recipes.cnn import build_onnx
from candid.runs.explaining import occlude, where
from tests.runs.explaining.erasing import Run, drops_by_erasing

SIZE = 32


class Brightness:
    """Two classes, told by how bright one region is; remembers how many pictures it was given."""

    def __init__(self, rows: slice, columns: slice, *, steepness: float = 8.0) -> None:
        self.region = (slice(None), rows, columns)
        self.steepness = steepness
        self.batches: list[int] = []

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.batches.append(len(pixels))
        bright = pixels[self.region].mean(axis=(1, 2, 3)) / 255 - 0.5
        second = 1 / (1 + np.exp(-self.steepness * bright))
        return np.stack([1 - second, second], axis=1).astype(np.float32)


def bright_square(rows: slice, columns: slice) -> np.ndarray:
    """A white square on a dark ground."""
    pixels = np.full((SIZE, SIZE, 3), 20, np.uint8)
    pixels[rows, columns] = 255
    return pixels


CORNER = (slice(0, 8), slice(24, 32))


def test_the_hottest_place_is_where_the_evidence_is() -> None:
    heat = occlude(bright_square(*CORNER), Brightness(*CORNER), 1)
    assert heat.shape == (8, 8)
    assert heat.dtype == np.float32
    assert where(heat) == "the upper right"
    assert (heat[:2, 6:] > 0.4).all()
    far = np.ones((8, 8), bool)
    far[:3, 5:] = False  # a window that covers evidence covers a cell beside it, too
    np.testing.assert_allclose(heat[far], 0, atol=1e-5)


def test_what_speaks_for_one_class_speaks_against_the_other() -> None:
    picture, run = bright_square(*CORNER), Brightness(*CORNER)
    np.testing.assert_allclose(occlude(picture, run, 0), -occlude(picture, run, 1), atol=1e-5)


def test_a_cell_is_the_mean_of_the_four_windows_that_cover_it() -> None:
    """The log odds are linear in the pixels here, so a window takes the sum of what it covers."""
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    run = Brightness(slice(None), slice(None))
    grey = picture.mean(axis=2) - picture.mean(axis=(0, 1)).round().mean()
    by_cell = grey.reshape(4, 8, 4, 8).sum(axis=(1, 3)) * run.steepness / 255 / SIZE**2
    padded = np.pad(by_cell, 1)
    windows = padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, :-1] + padded[1:, 1:]
    covering = windows[:-1, :-1] + windows[:-1, 1:] + windows[1:, :-1] + windows[1:, 1:]
    np.testing.assert_allclose(occlude(picture, run, 1, cells=4), covering / 4, atol=2e-6)


def test_a_few_pictures_are_in_memory_at_a_time() -> None:
    run = Brightness(*CORNER)
    occlude(bright_square(*CORNER), run, 1)
    assert sum(run.batches) == 82
    assert max(run.batches) == 16


def test_the_picture_is_left_as_it_is() -> None:
    picture = bright_square(*CORNER)
    before = picture.copy()
    occlude(picture, Brightness(*CORNER), 1)
    np.testing.assert_array_equal(picture, before)


def test_a_picture_of_one_colour_has_no_evidence_anywhere() -> None:
    heat = occlude(np.full((SIZE, SIZE, 3), 77, np.uint8), Brightness(*CORNER), 1)
    np.testing.assert_array_equal(heat, 0)


def test_a_network_that_is_sure_beyond_what_float32_can_tell_gives_finite_heat() -> None:
    run = Brightness(*CORNER, steepness=1e3)
    with np.errstate(over="ignore"):
        heat = occlude(bright_square(*CORNER), run, 1)
    assert np.isfinite(heat).all()
    assert where(heat) == "the upper right"


@pytest.mark.parametrize("size", [1, 5, 33])
def test_cells_need_not_divide_the_picture_evenly(size: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    cells = min(size, 8)
    heat = occlude(picture, Brightness(slice(None), slice(None)), 1, cells=cells)
    assert heat.shape == (cells, cells)
    assert np.isfinite(heat).all()


@pytest.mark.parametrize("cells", [0, SIZE + 1])
def test_fewer_pixels_than_cells_are_refused(cells: int) -> None:
    with pytest.raises(UsageError, match=rf"from 1 to {SIZE}, .* Received: cells={cells}"):
        occlude(bright_square(*CORNER), Brightness(*CORNER), 1, cells=cells)


@pytest.fixture(scope="module")
def untrained() -> Run:
    """The tutorial's network for small pictures, with weights as they are before training."""
    random = np.random.default_rng(0)

    def draw(*shape: int) -> list[np.ndarray]:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        return [random.normal(0, scale, shape).astype(np.float32), np.zeros(shape[-1], np.float32)]

    convs = [*draw(3, 3, 3, 16), *draw(3, 3, 16, 32), *draw(3, 3, 32, 16)]
    model = build_onnx([*convs, *draw(6 * 6 * 16, 256), *draw(256, 3)], size_px=64)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda pixels: np.asarray(session.run(["probabilities"], {"image": pixels})[0])


def test_erasing_the_hottest_tenth_moves_the_answer_more_than_erasing_another_tenth(
    untrained: Run,
) -> None:
    random = np.random.default_rng(0)
    drops = []
    for _ in range(20):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
        answered = int(untrained(picture[None])[0].argmax())
        heat = occlude(picture, untrained, answered)
        drops.append(drops_by_erasing(picture, heat, untrained, answered, random))
    moved = np.abs(drops).mean(axis=0)
    assert moved[0] > 1.5 * moved[1:].mean()
