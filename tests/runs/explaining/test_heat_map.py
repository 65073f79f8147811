"""Heat maps: `contrast` sums to the log odds, `occlude` finds the evidence, `where` names it."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.errors import UsageError
from candid.models.recipes.cnn import build_onnx
from candid.runs.explaining import contrast, occlude, where
from tests.runs.explaining.erasing import Run, drops_by_erasing

SIZE = 32
CORNER = (slice(0, 8), slice(24, 32))


def draw_maps(num_classes: int, *, seed: int = 0, size: tuple[int, int] = (7, 5)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (num_classes, *size)).astype(np.float32)


def probabilities_of(maps: np.ndarray) -> np.ndarray:
    """The probabilities of a network whose scores are the means of its maps."""
    scores = np.exp(maps.mean(axis=(1, 2), dtype=np.float64))
    return scores / scores.sum()


@given(num_classes=st.integers(2, 6), seed=st.integers(0, 1000), answered=st.integers(0, 5))
def test_the_mean_over_the_places_is_the_log_odds_of_the_answer(
    num_classes: int, seed: int, answered: int
) -> None:
    maps = draw_maps(num_classes, seed=seed)
    chosen = probabilities_of(maps)[answered % num_classes]
    heat = contrast(maps, answered % num_classes)
    assert heat.shape == (7, 5)
    assert heat.dtype == np.float32
    assert heat.mean() == pytest.approx(np.log(chosen / (1 - chosen)), abs=1e-5)


def test_against_one_class_the_mean_is_the_log_of_the_ratio() -> None:
    maps = draw_maps(4)
    first, _, third, _ = probabilities_of(maps)
    assert contrast(maps, 2, 0).mean() == pytest.approx(np.log(third / first), abs=1e-5)


def test_of_two_classes_it_is_one_map_less_the_other() -> None:
    maps = draw_maps(2)
    np.testing.assert_allclose(contrast(maps, 1), maps[1] - maps[0], atol=1e-6)
    np.testing.assert_allclose(contrast(maps, 0), -contrast(maps, 1), atol=1e-6)


def test_what_raises_all_scores_alike_speaks_for_none() -> None:
    maps = draw_maps(3)
    raised = maps + draw_maps(1, seed=1)
    raised -= raised.mean(axis=(1, 2), keepdims=True) - maps.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(contrast(raised, 0), contrast(maps, 0), atol=1e-5)


def test_a_class_that_is_out_of_the_question_changes_nothing() -> None:
    maps = draw_maps(3)
    maps[2] -= 2000
    np.testing.assert_allclose(contrast(maps, 0), maps[0] - maps[1], atol=1e-5)


def blob(row: float, column: float, *, size: int = 9, width: float = 0.1) -> np.ndarray:
    """High values around a place given in shares of the sides, low ones elsewhere."""
    places = (np.arange(size) + 0.5) / size
    distances = (places[:, None] - row) ** 2 + (places - column) ** 2
    return (np.exp(-distances / (2 * width**2)) - 0.01).astype(np.float32)


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0.1, 0.1, "the upper left"),
        (0.2, 0.5, "the top"),
        (0.1, 0.9, "the upper right"),
        (0.5, 0.2, "the left"),
        (0.5, 0.5, "the middle"),
        (0.5, 0.8, "the right"),
        (0.9, 0.1, "the lower left"),
        (0.8, 0.5, "the bottom"),
        (0.9, 0.9, "the lower right"),
    ],
)
def test_one_hot_spot_is_named_by_its_place(row: float, column: float, words: str) -> None:
    assert where(blob(row, column)) == words


def test_a_wider_spot_is_mostly_there() -> None:
    assert where(blob(0.2, 0.2, width=0.4)) == "mostly the upper left"


def test_many_lukewarm_places_do_not_hide_a_few_hot_ones() -> None:
    heat = np.full((9, 9), 1, np.float32)
    heat[:3, :3] = 7
    assert where(heat) == "the upper left"
    heat[:3, :3] = 2
    assert where(heat) == "all over"


def test_a_band_is_a_half_of_the_picture() -> None:
    heat = -np.ones((9, 9), np.float32)
    heat[6:] = 1
    assert where(heat) == "the lower half"
    assert where(heat.T) == "the right half"
    assert where(heat[::-1]) == "the upper half"
    assert where(heat.T[:, ::-1]) == "the left half"


def test_two_spots_far_apart_are_several_places() -> None:
    assert where(np.maximum(blob(0.1, 0.1), blob(0.9, 0.9))) == "in several places"


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (9, 9), (1, 8), (3, 2)])
def test_a_constant_map_is_hot_all_over_or_nowhere(shape: tuple[int, int]) -> None:
    assert where(np.full(shape, 0.3, np.float32)) == "all over"
    assert where(np.zeros(shape, np.float32)) == "nowhere"
    assert where(np.full(shape, -0.3, np.float32)) == "nowhere"


def test_places_that_speak_against_the_answer_do_not_count() -> None:
    heat = np.full((8, 8), -9, np.float32)
    heat[0, 7] = 1e-3
    assert where(heat) == "the upper right"


@given(seed=st.integers(0, 1000), height=st.integers(1, 9), width=st.integers(1, 9))
def test_a_mirrored_picture_is_described_the_other_way_round(
    seed: int, height: int, width: int
) -> None:
    heat = draw_maps(1, seed=seed, size=(height, width))[0] ** 3
    swap = {"left": "right", "right": "left"}
    expected = " ".join(swap.get(word, word) for word in where(heat).split())
    assert where(heat[:, ::-1]) == expected


class Brightness:
    """Two classes, by the brightness of one region; records the sizes of the batches."""

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
    """A white square on a dark background."""
    pixels = np.full((SIZE, SIZE, 3), 20, np.uint8)
    pixels[rows, columns] = 255
    return pixels


def test_the_hottest_place_is_where_the_evidence_is() -> None:
    heat = occlude(bright_square(*CORNER), Brightness(*CORNER), 1)
    assert heat.shape == (8, 8)
    assert heat.dtype == np.float32
    assert where(heat) == "the upper right"
    assert (heat[:2, 6:] > 0.4).all()
    far = np.ones((8, 8), bool)
    far[:3, 5:] = False  # windows over the evidence also cover the cells beside it
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
