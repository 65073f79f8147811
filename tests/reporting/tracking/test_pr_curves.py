"""Precision against recall in TensorBoard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tensorboard.plugins.pr_curve.metadata import parse_plugin_metadata
from tensorboard.util.tensor_util import make_ndarray

from candid.reporting.tracking import write_pr_curves
from tests.reporting.tracking.made import make_predictions, read_events


def test_a_curve_counts_what_scores_a_threshold_or_more(tmp_path: Path) -> None:
    predictions = make_predictions(3)
    write_pr_curves(tmp_path, predictions, ("a", "b", "c"))
    curve = make_ndarray(read_events(tmp_path)["pr_curve/b"][0].tensor)
    assert curve.dtype == np.float32
    real, scores = predictions.truth == 1, predictions.probabilities[:, 1]
    for number in (0, 1, 57, 100, 199):
        claimed = scores >= number / 200
        found, missed = (claimed & real).sum(), (~claimed & real).sum()
        wrong, rest = (claimed & ~real).sum(), (~claimed & ~real).sum()
        expected = [found, wrong, rest, missed, found / claimed.sum(), found / real.sum()]
        np.testing.assert_allclose(curve[:, number], expected, rtol=1e-6)


def test_each_of_three_classes_has_a_curve_and_of_two_the_second_one(tmp_path: Path) -> None:
    write_pr_curves(tmp_path / "three", make_predictions(3), ("a", "b", "c"))
    write_pr_curves(tmp_path / "two", make_predictions(2), ("happy", "sad"))
    assert list(read_events(tmp_path / "three")) == ["pr_curve/a", "pr_curve/b", "pr_curve/c"]
    [(tag, steps)] = read_events(tmp_path / "two").items()
    assert tag == "pr_curve/sad"
    data = steps[0].metadata.plugin_data
    assert data.plugin_name == "pr_curves"
    assert parse_plugin_metadata(data.content).num_thresholds == 201


def test_a_class_that_is_not_there_has_a_curve_of_zeros(tmp_path: Path) -> None:
    predictions = replace(make_predictions(2), truth=np.zeros(200, np.int64))
    write_pr_curves(tmp_path, predictions, ("happy", "sad"))
    curve = make_ndarray(read_events(tmp_path)["pr_curve/sad"][0].tensor)
    assert (curve[[0, 3, 4, 5]] == 0).all()
    assert curve[1, 0] == 200


def test_without_photos_there_is_no_curve(tmp_path: Path) -> None:
    write_pr_curves(tmp_path / "none", make_predictions(2, n=0), ("happy", "sad"))
    assert not (tmp_path / "none").exists()
