"""The figures on a terminal, and what to make of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation, write_text
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import Forecast, LearningCurve
from candid.evaluation.measures import Measures, measure
from candid.evaluation.reliability import Abstained

ACCURACY = Estimate(0.86, 0.80, 0.91, 300)


def measures(num: int = 40, num_classes: int = 2, threshold: float = 0.5) -> Measures:
    rng = np.random.default_rng(0)
    truth = rng.integers(num_classes, size=num)
    odds = np.exp(rng.normal(size=(num, num_classes)) + 2 * np.eye(num_classes)[truth])
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    if num_classes == 2:
        predicted = (probabilities[:, 1] > threshold).astype(np.int64)
    names = ("cat", "dog", "owl")[:num_classes]
    return measure(names, truth, probabilities, np.arange(num), predicted=predicted)


def test_the_tutorials_three_figures_come_first() -> None:
    lines = write_text(Evaluation(measures())).splitlines()
    assert lines[0] == "Test part: 40 images; the model saw none of them, nor copies of them"
    titles = [line.strip().split("  ")[0] for line in lines[2:5]]
    assert titles == ["Precision of 'dog'", "Recall of 'dog'", "Binary accuracy"]


def test_every_figure_has_its_interval_and_n() -> None:
    lines = write_text(Evaluation(measures())).splitlines()[2:12]
    for line in lines:
        assert " to " in line, line
        assert "n = " in line, line


def test_the_accuracy_is_said_once_where_the_threshold_is_a_half() -> None:
    def count(threshold: float) -> int:
        lines = write_text(Evaluation(measures(threshold=threshold))).splitlines()
        return sum(line.startswith(("  Accuracy", "  Binary accuracy")) for line in lines)

    assert count(0.5) == 1
    assert count(0.9) == 2


def test_of_three_classes_each_has_a_line_and_the_confusion_all() -> None:
    text = write_text(Evaluation(measures(num_classes=3)))
    assert "Precision, mean of classes" in text
    assert "  owl  precision " in text
    assert "Binary accuracy" not in text


def test_it_says_which_estimate_to_believe_and_why() -> None:
    text = write_text(Evaluation(measures(30), measures(300)))
    assert "Believe the cross-validated figures" in text
    assert "they are of 300 images instead of 30" in text
    assert "are few" not in text


def test_a_small_test_part_alone_is_called_small() -> None:
    assert "12 images are few" in write_text(Evaluation(measures(12)))
    assert "are few" not in write_text(Evaluation(measures(900)))


@pytest.mark.parametrize(
    ("low", "words"),
    [
        (
            0.02,
            "It beats the baseline 'nearest neighbour' (0.860) by 5.0 points (2.0 to 10.0).",
        ),
        (
            -0.02,
            "It does not beat the baseline 'nearest neighbour' (0.860): the gain is 5.0 points "
            "(-2.0 to 10.0).",
        ),
    ],
)
def test_it_says_whether_a_simple_rule_is_beaten(low: float, words: str) -> None:
    baseline = Baseline("nearest neighbour", ACCURACY, Estimate(0.05, low, 0.1, 300))
    assert words in write_text(Evaluation(measures(), baselines=(baseline,)))


def test_it_says_what_a_random_split_would_have_said() -> None:
    tax = LeakTax(
        Estimate(0.9, 0.85, 0.94, 300), ACCURACY, Estimate(0.04, 0.01, 0.07, 300), "5-fold"
    )
    text = write_text(Evaluation(measures(), leak_tax=tax))
    assert "A random split would have said 0.90; it is 0.86" in text


def test_it_says_how_often_it_is_sure_and_what_more_photos_would_bring() -> None:
    evaluation = Evaluation(
        measures(),
        abstained=Abstained(
            0.9, ACCURACY, {}, 1.1, ACCURACY, Estimate(0.93, 0.9, 0.95, 258), 0.05, ACCURACY
        ),
        learning_curve=LearningCurve(
            (), (), (Forecast("cat", 50, Estimate(0.02, -0.01, 0.05, 300)),)
        ),
    )
    text = write_text(evaluation)
    assert (
        "It is sure about 86% of the photos and right about 93% of those; it wrongly calls 86%"
        in text
    )
    assert "50 more photos of 'cat': about +2 points (-1 to +5)." in text
    without = replace(evaluation, abstained=replace(evaluation.abstained, accuracy_when_sure=None))
    assert "right about" not in write_text(without)


def test_all_figures_are_in_the_json_and_null_where_there_is_none() -> None:
    values = Evaluation(measures(30), measures(300)).to_json()
    assert values["accuracy"]["n"] == 30
    assert values["kfold"]["accuracy"] == values["kfold_accuracy"]
    assert values["believe"] == "kfold"
    tax = LeakTax(ACCURACY, ACCURACY, ACCURACY, "5-fold", 7)
    row = Evaluation(measures(30), leak_tax=tax).to_json()["leak_tax"]
    assert row["naive"] == {"value": 0.86, "low": 0.80, "high": 0.91, "n": 300}
    assert row["num_copies"] == 7
    alone = Evaluation(measures(30)).to_json()
    assert alone["kfold"] is alone["kfold_accuracy"] is alone["leak_tax"] is None
