"""What an evaluation says, as JSON and as text."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from candid.evaluation import Evaluation, Figure, evaluate
from candid.evaluation.report import decide

FIGURES = ("accuracy", "precision", "recall", "binary_accuracy", "kfold_accuracy")


def binary(seconds: list[float]) -> np.ndarray:
    """Probabilities of two classes by those of the second."""
    return np.array([[1 - p, p] for p in seconds], np.float32).reshape(-1, 2)


def two_classes(threshold: float = 0.5) -> Evaluation:
    """Four happy and four sad ones: one happy is taken for sad, two sad ones for happy."""
    truth = np.repeat([0, 1], 4)
    probabilities = binary([0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.2, 0.4])
    return evaluate(("happy", "sad"), truth, probabilities, np.arange(8), threshold=threshold)


def three_classes() -> Evaluation:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 60)
    probabilities = random.dirichlet(np.ones(3), 60) + 0.5 * np.eye(3)[truth]
    return evaluate(("cat", "cow", "dog"), truth, probabilities.astype(np.float32), np.arange(60))


def value(figure: Figure | None) -> float:
    assert figure is not None
    return figure.value


def test_two_classes_are_measured_for_the_alphabetically_second() -> None:
    evaluation = two_classes()
    assert value(evaluation.precision) == pytest.approx(2 / 3)
    assert value(evaluation.recall) == pytest.approx(2 / 4)
    assert value(evaluation.accuracy) == value(evaluation.binary_accuracy) == 5 / 8
    assert evaluation.confusion.tolist() == [[3, 1], [2, 2]]


def test_each_figure_carries_the_number_of_images_behind_it() -> None:
    evaluation = two_classes()
    numbers = [
        figure.n
        for figure in (evaluation.accuracy, evaluation.precision, evaluation.recall)
        if figure
    ]
    assert numbers == [8, 3, 4]


def test_another_threshold_moves_all_but_the_binary_accuracy() -> None:
    evaluation = two_classes(threshold=0.35)
    assert value(evaluation.recall) == 3 / 4
    assert value(evaluation.accuracy) == 6 / 8
    assert value(evaluation.binary_accuracy) == 5 / 8  # Keras measures it at 0.5


def test_more_classes_are_measured_by_the_mean_as_scikit_learn_does() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 60)
    probabilities = (random.dirichlet(np.ones(3), 60) + 0.5 * np.eye(3)[truth]).astype(np.float32)
    predicted = probabilities.argmax(axis=1)
    evaluation = three_classes()
    assert value(evaluation.precision) == pytest.approx(
        precision_score(truth, predicted, average="macro")
    )
    assert value(evaluation.recall) == pytest.approx(
        recall_score(truth, predicted, average="macro")
    )
    np.testing.assert_array_equal(evaluation.confusion, confusion_matrix(truth, predicted))
    own = precision_score(truth, predicted, average=None)
    assert [value(c.precision) for c in evaluation.per_class] == pytest.approx(list(own))
    assert evaluation.binary_accuracy is None


def test_a_threshold_splits_two_classes_and_the_largest_wins_among_more() -> None:
    assert decide(binary([0.5, 0.500001, 0.2]), 0.5).tolist() == [0, 1, 0]
    assert decide(np.array([[0.4, 0.35, 0.25]], np.float32), 0.3).tolist() == [0]


@given(st.floats(0, 1, width=32), st.floats(0, 1))
def test_the_decision_is_the_classifiers(probability: float, threshold: float) -> None:
    decided = decide(np.array([[1 - probability, probability]], np.float32), threshold)
    assert bool(decided[0]) == (float(np.float32(probability)) > threshold)


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    evaluation = evaluate(("a", "b"), np.array([0, 1]), binary([0.1, 0.2]), np.arange(2))
    assert evaluation.precision is None
    assert value(evaluation.recall) == 0
    assert "Precision" not in evaluation.to_text()


def test_no_image_gives_no_figure() -> None:
    none = np.empty(0, np.int64)
    for classes in (("a", "b"), ("a", "b", "c")):
        probabilities = np.empty((0, len(classes)), np.float32)
        written = evaluate(classes, none, probabilities, none).to_json()
        assert [written[name] for name in FIGURES] == [None] * 5


class TestJson:
    """Other people's scripts read it: its form is pinned."""

    @pytest.mark.parametrize("evaluation", [two_classes(), three_classes()])
    def test_has_value_low_high_and_n_of_each_figure(self, evaluation: Evaluation) -> None:
        written = json.loads(json.dumps(evaluation.to_json()))
        assert list(written)[:5] == list(FIGURES)
        for name in FIGURES:
            assert written[name] is None or list(written[name]) == ["value", "low", "high", "n"]

    def test_is_null_where_a_figure_does_not_apply(self) -> None:
        assert two_classes().to_json()["kfold_accuracy"] is None
        assert two_classes().to_json()["binary_accuracy"] is not None
        assert three_classes().to_json()["binary_accuracy"] is None

    def test_names_the_classes_in_the_confusion_matrix(self) -> None:
        assert two_classes().to_json()["confusion"] == {
            "happy": {"happy": 3, "sad": 1},
            "sad": {"happy": 2, "sad": 2},
        }


class TestText:
    def test_says_it_as_the_tutorial_does_with_intervals(self) -> None:
        lines = two_classes().to_text().splitlines()
        assert lines[0].startswith("Test part: 8 images")
        assert lines[2].split("  ")[1] == "Precision of 'sad'"
        assert lines[3].endswith("0.500  (0.150 to 0.850, n = 4)")
        assert "Binary accuracy" in lines[4]

    def test_says_the_accuracy_once_where_the_threshold_is_half(self) -> None:
        assert two_classes().to_text().count("ccuracy  ") == 1
        assert two_classes(threshold=0.35).to_text().count("ccuracy  ") == 2

    def test_says_each_classs_own_figures_where_there_are_more(self) -> None:
        text = three_classes().to_text()
        assert all(f"  {name}  precision 0." in text for name in ("cat", "cow", "dog"))
        assert "  cat  precision" not in two_classes().to_text()

    def test_says_which_figure_to_believe(self) -> None:
        evaluation = two_classes().with_kfold(Figure(0.86, 0.8, 0.9, 300))
        assert "over all 300 images: accuracy 0.860  (0.800 to 0.900, n = 300)" in (
            evaluation.to_text()
        )
        assert "300 of them instead of 8" in evaluation.to_text()

    def test_lines_up_with_long_names(self) -> None:
        truth = np.array([0, 1])
        evaluation = evaluate(("a" * 30, "b"), truth, binary([0.1, 0.9]), truth)
        lines = evaluation.to_text().splitlines()
        start = next(i for i, line in enumerate(lines) if "true, then predicted" in line)
        assert len({len(row) for row in lines[start + 1 : start + 4]}) == 1

    def test_says_that_a_small_test_part_says_little(self) -> None:
        assert "8 images say little" in two_classes().to_text()
        truth = np.arange(400) % 2
        sure = evaluate(("happy", "sad"), truth, binary(truth * 0.8 + 0.1), np.arange(400))
        assert "say little" not in sure.to_text()
