"""Figures and precision-recall curves in TensorBoard."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorboard.plugins.pr_curve.metadata import parse_plugin_metadata
from tensorboard.util.tensor_util import make_ndarray

from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation
from candid.reporting.tracking import write_figures, write_pr_curves
from tests.reporting.tracking.made import (
    figures_in,
    make_evaluation,
    make_predictions,
    read_events,
)


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    return {
        tag: {step: value.simple_value for step, value in steps.items()}
        for tag, steps in read_events(folder).items()
    }


def test_every_figure_is_written_with_both_ends_of_its_interval(tmp_path: Path) -> None:
    evaluation = make_evaluation()
    write_figures(tmp_path, evaluation)
    written = {round(v, 5) for steps in scalars(tmp_path).values() for v in steps.values()}
    figures = list(figures_in(evaluation))
    assert len(figures) > 50
    for figure in figures:
        assert {round(x, 5) for x in (figure.value, figure.low, figure.high)} <= written


def test_tags_name_the_estimate_and_the_class(tmp_path: Path) -> None:
    evaluation = make_evaluation()
    write_figures(tmp_path, evaluation)
    read = scalars(tmp_path)
    assert evaluation.kfold is not None
    assert read["test/accuracy"][0] == pytest.approx(evaluation.test.accuracy.value)
    assert read["kfold/accuracy"][0] == pytest.approx(evaluation.kfold.accuracy.value)
    assert read["kfold/accuracy/low"][0] == pytest.approx(evaluation.kfold.accuracy.low)
    assert read["kfold/num_images"][0] == 300
    [_, sad] = evaluation.test.per_class
    assert read["test_per_class/recall/sad"][0] == pytest.approx(sad.recall.value)


def test_a_learning_curve_is_a_curve_over_the_number_of_photos(tmp_path: Path) -> None:
    evaluation = make_evaluation()
    write_figures(tmp_path, evaluation)
    read = scalars(tmp_path)
    assert list(read["learning_curve/accuracy"]) == [30, 60]
    assert read["learning_curve/fitted/high"] == pytest.approx({30: 0.6, 90: 0.75})
    forecasts = evaluation.learning_curve.forecasts
    assert read["forecast/gain"] == pytest.approx({50: forecasts[0].gain.value})
    assert read["forecast_per_class/sad/gain"] == pytest.approx({50: forecasts[1].gain.value})


def test_reliability_is_a_curve_over_the_bins(tmp_path: Path) -> None:
    evaluation = make_evaluation()
    write_figures(tmp_path, evaluation)
    read = scalars(tmp_path)
    assert read["kfold_reliability/confidence"] == pytest.approx({1: 0.9981, 2: 0.9984})
    bins = evaluation.kfold.reliability
    expected = {number: row.accuracy.value for number, row in enumerate(bins, 1)}
    assert read["kfold_reliability/accuracy"] == pytest.approx(expected)


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    test = replace(
        make_evaluation().test,
        accuracy=Estimate(math.nan, math.nan, math.nan, 0),
        recall=Estimate(0.5, math.nan, math.inf, 3),
        f1=None,
        per_class=(),
    )
    write_figures(tmp_path, Evaluation(test))
    read = scalars(tmp_path)
    assert not [tag for tag in read if tag.startswith(("test/accuracy", "test/f1", "kfold"))]
    assert [tag for tag in read if tag.startswith("test/recall")] == ["test/recall"]


def test_classes_with_equal_sanitised_names_have_distinct_tags(tmp_path: Path) -> None:
    evaluation = make_evaluation(("a\udcff", r"a\xff"))
    write_figures(tmp_path, evaluation)
    read = scalars(tmp_path)
    for name, of_class in zip(("a∖xff", "a∖xff (2)"), evaluation.test.per_class, strict=True):
        assert read[f"test_per_class/f1/{name}"][0] == pytest.approx(of_class.f1.value)


def test_a_curve_counts_scores_at_or_above_each_threshold(tmp_path: Path) -> None:
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


def test_every_class_has_a_curve_and_of_two_only_the_second(tmp_path: Path) -> None:
    write_pr_curves(tmp_path / "three", make_predictions(3), ("a", "b", "c"))
    write_pr_curves(tmp_path / "two", make_predictions(2), ("happy", "sad"))
    assert list(read_events(tmp_path / "three")) == ["pr_curve/a", "pr_curve/b", "pr_curve/c"]
    [(tag, steps)] = read_events(tmp_path / "two").items()
    assert tag == "pr_curve/sad"
    data = steps[0].metadata.plugin_data
    assert data.plugin_name == "pr_curves"
    assert parse_plugin_metadata(data.content).num_thresholds == 201


def test_a_class_without_photos_has_a_curve_of_zeros(tmp_path: Path) -> None:
    predictions = replace(make_predictions(2), truth=np.zeros(200, np.int64))
    write_pr_curves(tmp_path, predictions, ("happy", "sad"))
    curve = make_ndarray(read_events(tmp_path)["pr_curve/sad"][0].tensor)
    assert (curve[[0, 3, 4, 5]] == 0).all()
    assert curve[1, 0] == 200


def test_without_photos_there_is_no_curve(tmp_path: Path) -> None:
    write_pr_curves(tmp_path / "none", make_predictions(2, n=0), ("happy", "sad"))
    assert not (tmp_path / "none").exists()
