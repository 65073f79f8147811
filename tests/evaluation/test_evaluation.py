"""The figures on a terminal, and what to make of them."""

from __future__ import annotations

import numpy as np

from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation, write_text
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.measures import Measures, measure

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
    assert lines[0] == "Test part: 40 photos"
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


def test_the_figures_to_believe_come_first() -> None:
    evaluation = Evaluation(measures(30), measures(300))
    lines = write_text(evaluation).splitlines()
    assert lines[0] == "Grouped cross-validation: all 300 photos"
    assert "Test part: 30 photos" in lines
    assert "they are of 300 photos instead of 30" in evaluation.why


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
