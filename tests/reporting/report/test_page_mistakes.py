"""The worst mistakes, and the heat maps over them."""

from __future__ import annotations

import base64
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from candid.reporting.report.mistakes import MOST_MISTAKES, draw_heat, worst_mistakes
from tests.reporting.report.made import make_contents


def decoded(heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The drawn map as uint8 ``(h, w, 4)``, RGBA."""
    address = draw_heat(heat)
    prefix = "data:image/png;base64,"
    assert address.startswith(prefix)
    data = np.frombuffer(base64.b64decode(address.removeprefix(prefix)), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]


def test_the_surest_come_first_and_all_are_wrong() -> None:
    mistakes = worst_mistakes(make_contents())
    said = [mistake.probability for mistake in mistakes]
    assert len(mistakes) == MOST_MISTAKES
    assert said == sorted(said, reverse=True)
    assert all(mistake.truth != mistake.predicted for mistake in mistakes)


def test_a_picture_is_shown_once_and_its_copies_are_counted() -> None:
    contents = make_contents()
    seen = contents.predictions
    wrong = seen.truth != seen.predicted
    same = replace(contents, predictions=replace(seen, groups=np.zeros(len(wrong), np.int64)))
    (only,) = worst_mistakes(same)
    assert only.probability == seen.probabilities[wrong].max()
    assert only.num_copies == wrong.sum() - 1
    assert only.copies == f"and {wrong.sum() - 1} copies"


def test_where_nothing_is_wrong_there_is_none() -> None:
    contents = make_contents()
    right = replace(contents.predictions, predicted=contents.predictions.truth)
    assert worst_mistakes(replace(contents, predictions=right)) == ()


def test_a_mistake_without_a_heat_map_has_none_and_broken_ones_are_left_out() -> None:
    contents = make_contents()
    first = worst_mistakes(contents)[0]
    assert first.where == "the upper left"
    bad = {path: np.full((3, 3), np.nan, np.float32) for path in contents.heat_maps}
    for maps in ({}, bad, {path: np.zeros((0, 3), np.float32) for path in bad}):
        mistake = worst_mistakes(replace(contents, heat_maps=maps))[0]
        assert (mistake.heat, mistake.where) == ("", "")


def test_heat_is_vermilion_for_the_answer_and_blue_against_it() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[:4, :4], heat[4:, 4:] = 2.0, -1.0
    pixels = decoded(heat)
    assert max(pixels.shape) == 72
    upper, lower, corner = pixels[4, 4], pixels[-4, -4], pixels[4, -4]
    assert tuple(upper[:3]) == (213, 94, 0)
    assert tuple(lower[:3]) == (0, 114, 178)
    assert corner[3] == 0
    assert upper[3] > 1.9 * lower[3] > 0


def test_a_map_keeps_its_shape_and_an_even_one_is_drawn_too() -> None:
    assert decoded(np.ones((4, 8), np.float32)).shape == (36, 72, 4)
    assert decoded(np.zeros((1, 1), np.float32))[..., 3].max() == 0
    assert decoded(np.ones((100, 300), np.float32)).shape == (100, 300, 4)
