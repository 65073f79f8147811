"""The confusion matrix of the page, and the photos that its cells open."""

from __future__ import annotations

import numpy as np
import pytest

from candid.reporting.report.mistakes import (
    MOST_CLASSES,
    MOST_RIGHT,
    MOST_THUMBNAILS,
    MOST_WRONG,
    NUM_SHADES,
    make_matrix,
)
from tests.reporting.report.made import make_predictions


def test_every_photo_is_counted_once() -> None:
    seen = make_predictions(num_images=300)
    matrix = make_matrix(("happy", "sad"), seen)
    assert sum(cell.count for row in matrix.rows for cell in row) == 300
    assert matrix.totals == (150, 150)
    cell = matrix.rows[0][1]
    assert cell.count == int(((seen.truth == 0) & (seen.predicted == 1)).sum())
    assert cell.share == pytest.approx(cell.count / 150)
    assert cell.title.replace("\u00a0", " ") == f"{cell.count} photos of happy, answered sad"
    assert matrix.pairs == (), "the matrix itself says it"


def test_mistakes_open_first_the_surest_first_and_right_answers_the_least_sure_first() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=300))
    assert [cell.is_right for cell in matrix.panels] == [False, False, True, True]
    for cell in matrix.panels:
        said = [photo.probability for photo in cell.shown]
        assert said == sorted(said, reverse=not cell.is_right)
        for photo in cell.shown:
            assert (photo.truth, photo.predicted) == (cell.truth, cell.predicted)
            assert photo.path.startswith(f"{cell.truth}/")


def test_a_cell_shows_no_more_than_its_share() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=3000))
    assert {len(cell.shown) for cell in matrix.panels if cell.is_right} == {MOST_RIGHT}
    assert {len(cell.shown) for cell in matrix.panels if not cell.is_right} == {MOST_WRONG}


@pytest.mark.parametrize("num_classes", [30, 300])
def test_many_classes_share_the_thumbnails(num_classes: int) -> None:
    classes = tuple(f"class-{number:03d}" for number in range(num_classes))
    matrix = make_matrix(classes, make_predictions(classes, 6000, strength=1.0))
    num_shown = sum(len(cell.shown) for cell in matrix.panels)
    assert 0.7 * MOST_THUMBNAILS <= num_shown <= MOST_THUMBNAILS
    assert all(bool(cell.id) == bool(cell.shown) for row in matrix.rows for cell in row)
    assert any(cell.is_right for cell in matrix.panels)
    assert matrix.has_more
    counts = [cell.count for cell in matrix.pairs]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == max(c.count for row in matrix.rows for c in row if not c.is_right)


def test_of_too_many_classes_those_with_the_most_mistakes_are_shown() -> None:
    classes = tuple(f"{number:03d}" for number in range(200))
    seen = make_predictions(classes, 400, strength=100.0)
    wrong = np.array(seen.predicted)
    wrong[seen.truth == 170] = 190
    matrix = make_matrix(classes, type(seen)(**{**vars(seen), "predicted": wrong}))
    assert len(matrix.classes) == MOST_CLASSES
    assert {"170", "190"} <= set(matrix.classes)
    assert list(matrix.classes) == sorted(matrix.classes)
    assert (matrix.pairs[0].truth, matrix.pairs[0].predicted) == ("170", "190")


def test_shades_go_from_nothing_to_all_and_a_single_photo_is_seen() -> None:
    matrix = make_matrix(("happy", "sad"), make_predictions(num_images=2000, strength=5.0))
    shades = {cell.shade for row in matrix.rows for cell in row if cell.count}
    assert min(shades) == 1
    assert max(shades) == NUM_SHADES
    none = make_matrix(("happy", "sad"), make_predictions(num_images=0))
    assert {cell.shade for row in none.rows for cell in row} == {0}
    assert none.panels == ()
