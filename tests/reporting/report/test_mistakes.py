"""The confusion matrix with the photos of its cells, and the worst mistakes with heat maps."""

from __future__ import annotations

import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from candid.evaluation.measures import MOST_IN_MATRIX
from candid.reporting.report.mistakes import (
    MOST_MISTAKES,
    MOST_PAIRS_ALONE,
    MOST_RIGHT,
    MOST_THUMBNAILS,
    MOST_WRONG,
    NUM_SHADES,
    draw_heat,
    make_matrix,
    worst_mistakes,
)
from tests.reporting.report.made import make_contents, make_predictions


def test_every_photo_is_counted_once() -> None:
    predictions = make_predictions(num_images=300)
    matrix = make_matrix(("happy", "sad"), predictions)
    assert sum(cell.count for row in matrix.rows for cell in row) == 300
    assert matrix.totals == (150, 150)
    cell = matrix.rows[0][1]
    assert cell.count == int(((predictions.truth == 0) & (predictions.predicted == 1)).sum())
    assert cell.share == pytest.approx(cell.count / 150)
    assert cell.title.replace("\u00a0", " ") == f"{cell.count} photos of happy, predicted sad"
    assert matrix.pairs == (), "a small matrix needs no list"


def test_confident_mistakes_and_unconfident_correct_predictions_come_first() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=300))
    assert [cell.is_right for cell in matrix.panels] == [False, False, True, True]
    for cell in matrix.panels:
        probabilities = [photo.probability for photo in cell.shown]
        assert probabilities == sorted(probabilities, reverse=not cell.is_right)
        for photo in cell.shown:
            assert (photo.truth, photo.predicted) == (cell.truth, cell.predicted)
            assert photo.path.startswith(f"{cell.truth}/")


def test_a_cell_shows_a_limited_number_of_photos() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=3000))
    assert {len(cell.shown) for cell in matrix.panels if cell.is_right} == {MOST_RIGHT}
    assert {len(cell.shown) for cell in matrix.panels if not cell.is_right} == {MOST_WRONG}


def test_many_classes_share_the_limit_of_thumbnails() -> None:
    classes = tuple(f"class-{number:03d}" for number in range(MOST_IN_MATRIX))
    matrix = make_matrix(classes, make_predictions(classes, 6000, strength=1.0))
    num_shown = sum(len(cell.shown) for cell in matrix.panels)
    assert 0.7 * MOST_THUMBNAILS <= num_shown <= MOST_THUMBNAILS
    assert all(bool(cell.id) == bool(cell.shown) for row in matrix.rows for cell in row)
    assert any(cell.is_right for cell in matrix.panels)
    assert matrix.has_more
    counts = [cell.count for cell in matrix.pairs]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == max(c.count for row in matrix.rows for c in row if not c.is_right)


def test_of_many_classes_the_most_frequent_mistakes_are_shown_and_no_matrix() -> None:
    classes = tuple(f"{number:03d}" for number in range(200))
    predictions = make_predictions(classes, 400, strength=100.0)
    wrong = np.array(predictions.predicted)
    wrong[predictions.truth == 170] = 190
    matrix = make_matrix(classes, type(predictions)(**{**vars(predictions), "predicted": wrong}))
    assert (matrix.classes, matrix.rows, matrix.num_classes) == ((), (), 200)
    assert len(matrix.pairs) <= MOST_PAIRS_ALONE
    assert matrix.panels
    assert set(matrix.panels) <= set(matrix.pairs)
    assert (matrix.pairs[0].truth, matrix.pairs[0].predicted) == ("170", "190")


def test_shades_cover_the_whole_range_and_a_single_photo_is_visible() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=2000, strength=5.0))
    shades = {cell.shade for row in matrix.rows for cell in row if cell.count}
    assert min(shades) == 1
    assert max(shades) == NUM_SHADES
    none = make_matrix(("happy", "sad"), make_predictions(num_images=0))
    assert {cell.shade for row in none.rows for cell in row} == {0}
    assert none.panels == ()


def decoded(heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The drawn heat map as uint8 ``(h, w, 4)``, RGBA."""
    address = draw_heat(heat)
    prefix = "data:image/png;base64,"
    assert address.startswith(prefix)
    data = np.frombuffer(base64.b64decode(address.removeprefix(prefix)), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]


def test_the_worst_mistakes_are_ordered_by_probability() -> None:
    mistakes = worst_mistakes(make_contents())
    probabilities = [mistake.probability for mistake in mistakes]
    assert len(mistakes) == MOST_MISTAKES
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(mistake.truth != mistake.predicted for mistake in mistakes)


def test_a_picture_is_shown_once_and_its_copies_are_counted() -> None:
    contents = make_contents()
    predictions = contents.predictions
    wrong = predictions.truth != predictions.predicted
    same = replace(
        contents, predictions=replace(predictions, groups=np.zeros(len(wrong), np.int64))
    )
    (only,) = worst_mistakes(same)
    assert only.probability == predictions.probabilities[wrong].max()
    assert only.num_copies == wrong.sum() - 1
    assert only.copies == f"and {wrong.sum() - 1} copies"


def test_without_mistakes_none_are_shown() -> None:
    contents = make_contents()
    right = replace(contents.predictions, predicted=contents.predictions.truth)
    assert worst_mistakes(replace(contents, predictions=right)) == ()


def test_missing_and_invalid_heat_maps_are_left_out() -> None:
    contents = make_contents()
    first = worst_mistakes(contents)[0]
    assert first.where == "the upper left"
    bad = {path: np.full((3, 3), np.nan, np.float32) for path in contents.heat_maps}
    for maps in ({}, bad, {path: np.zeros((0, 3), np.float32) for path in bad}):
        mistake = worst_mistakes(replace(contents, heat_maps=maps))[0]
        assert (mistake.heat, mistake.where) == ("", "")


def test_heat_is_vermilion_for_the_prediction_and_blue_against_it() -> None:
    heat = np.zeros((8, 8), np.float32)
    heat[:4, :4], heat[4:, 4:] = 2.0, -1.0
    pixels = decoded(heat)
    assert max(pixels.shape) == 72
    upper, lower, corner = pixels[4, 4], pixels[-4, -4], pixels[4, -4]
    assert tuple(upper[:3]) == (213, 94, 0)
    assert tuple(lower[:3]) == (0, 114, 178)
    assert corner[3] == 0
    assert upper[3] > 1.9 * lower[3] > 0


def test_a_heat_map_keeps_its_shape_and_a_constant_one_is_drawn() -> None:
    assert decoded(np.ones((4, 8), np.float32)).shape == (36, 72, 4)
    assert decoded(np.zeros((1, 1), np.float32))[..., 3].max() == 0
    assert decoded(np.ones((100, 300), np.float32)).shape == (100, 300, 4)
