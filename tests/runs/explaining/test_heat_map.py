"""What each place adds to an answer sums to its log odds, and is put into the right words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.runs.explaining import contrast, where


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
    """A hot spot at a place in shares of the sides, and cold all around."""
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
