"""Photos and the confusion matrix in TensorBoard."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.data.images.preview import to_jpeg
from candid.reporting.tracking import write_confusion, write_images
from candid.reporting.tracking.images import draw_confusion
from tests.reporting.tracking.made import Figures, make_measures, read_events

RED, BLUE = (255, 0, 0), (0, 0, 255)


def filled(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((20, 30, 3), colour, np.uint8)


def photo(colour: tuple[int, int, int]) -> bytes:
    return to_jpeg(filled(colour))


def test_pictures_keep_their_colours_size_and_order(tmp_path: Path) -> None:
    write_images(tmp_path, "mistakes", [("red", photo(RED)), ("blue", photo(BLUE))])
    read = read_events(tmp_path)
    assert list(read) == ["mistakes/1 red", "mistakes/2 blue"]
    for steps, colour in zip(read.values(), (RED, BLUE), strict=True):
        assert steps[0].metadata.plugin_data.plugin_name == "images"
        width, height, encoded = steps[0].tensor.string_val
        assert (width, height) == (b"30", b"20")
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        np.testing.assert_allclose(decoded, filled(colour).astype(float), atol=3)


def test_tags_sort_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    write_images(tmp_path, "mistakes", [("x", photo(RED))] * 11)
    tags = list(read_events(tmp_path))
    assert len(tags) == 11
    assert tags == sorted(tags)


def test_a_caption_is_escaped_and_safe_as_a_tag(tmp_path: Path) -> None:
    write_images(tmp_path, "mistakes", [('*a* <b>\\"\udcff', photo(RED))])
    [(tag, steps)] = read_events(tmp_path).items()
    assert tag == "mistakes/1 *a* <b>∖'∖xff"
    assert steps[0].metadata.summary_description == r'\*a\* &#60;b&#62;\\"\\xff'


def test_no_pictures_are_not_an_error(tmp_path: Path) -> None:
    write_images(tmp_path, "mistakes", [])
    assert read_events(tmp_path) == {}


def test_a_confusion_matrix_is_darker_for_larger_shares(tmp_path: Path) -> None:
    measures = make_measures(("happy", "sad"), Figures(), n=40)
    measures.confusion[...] = [[30, 0], [5, 5]]
    write_confusion(tmp_path, measures, "test/confusion")
    value = read_events(tmp_path)["test/confusion"][0]
    assert "| happy | 30 | 0 |" in value.metadata.summary_description
    picture = draw_confusion(measures)
    colours, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    by_colour = {tuple(map(int, c)): int(n) for c, n in zip(colours, counts, strict=True)}
    full, half = by_colour[8, 64, 129], by_colour[132, 160, 192]
    assert half == pytest.approx(2 * full, rel=0.2)  # the digits cover some pixels


@pytest.mark.parametrize("num_classes", [20, 21, 1000])
def test_a_confusion_matrix_of_many_classes_stays_small(num_classes: int) -> None:
    classes = tuple(f"{'x' * 300} {number}" for number in range(num_classes))
    height, width, _ = draw_confusion(make_measures(classes, Figures(), n=40)).shape
    assert max(height, width) <= 2500
