"""Every figure of a set of predictions has n and an interval that holds the truth."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation, write_text
from candid.evaluation.measures import FIGURES as ALL_FIGURES
from candid.evaluation.measures import Measures, measure, worst_pairs
from candid.evaluation.scores import ranking_of_few

FIGURES = ALL_FIGURES[:10]  # without the binary accuracy, which two classes alone have


def drawn(
    num: int, num_classes: int, *, seed: int = 0, apart: float = 2.0, copies: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, probabilities that keep their word, and groups."""
    rng = np.random.default_rng(seed)
    sizes = np.where(copies & (rng.random(num) < 1 / 3), rng.integers(2, 5, num), 1)
    groups = np.repeat(np.arange(num), sizes)[:num]
    truth = rng.integers(num_classes, size=num)[groups]
    centres = apart * np.eye(num_classes)
    rows = centres[truth] + rng.normal(size=(num, num_classes))[groups]
    odds = np.exp(rows @ centres.T)
    return truth, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), groups


def measured(num: int = 200, num_classes: int = 2, **how: object) -> Measures:
    truth, probabilities, groups = drawn(num, num_classes, **how)
    names = [f"c{c}" for c in range(num_classes)]
    predicted = probabilities.argmax(axis=1)
    return measure(names, truth, probabilities, groups, predicted=predicted)


def value(figure: Estimate | None) -> float:
    assert figure is not None
    assert figure.low <= figure.value <= figure.high
    return figure.value


@pytest.mark.parametrize("num_classes", [2, 4])
def test_values_are_scikit_learns(num_classes: int) -> None:
    truth, probabilities, _ = drawn(200, num_classes)
    found, predicted = measured(200, num_classes), probabilities.argmax(axis=1)
    average = "binary" if num_classes == 2 else "macro"
    given = {"average": average, "zero_division": 0}
    assert value(found.accuracy) == metrics.accuracy_score(truth, predicted)
    assert value(found.balanced_accuracy) == pytest.approx(
        metrics.balanced_accuracy_score(truth, predicted)
    )
    assert value(found.precision) == pytest.approx(
        metrics.precision_score(truth, predicted, **given)
    )
    assert value(found.recall) == pytest.approx(metrics.recall_score(truth, predicted, **given))
    assert value(found.f1) == pytest.approx(metrics.f1_score(truth, predicted, **given))
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    area = (
        metrics.roc_auc_score(truth, exact[:, 1])
        if num_classes == 2
        else metrics.roc_auc_score(truth, exact, multi_class="ovr")
    )
    assert value(found.roc_auc) == pytest.approx(area)
    assert value(found.log_loss) == pytest.approx(metrics.log_loss(truth, exact), rel=1e-5)
    assert found.confusion.tolist() == metrics.confusion_matrix(truth, predicted).tolist()


@pytest.mark.parametrize(("num", "num_classes"), [(30, 2), (30, 4), (300, 2)])
def test_intervals_hold_the_truth_copies_included(num: int, num_classes: int) -> None:
    """A coarse check of what `benchmarks/intervals.py` measures finely."""
    large = measured(60_000, num_classes, copies=True, seed=1)
    held: dict[str, list[bool]] = {name: [] for name in FIGURES}
    for seed in range(60):
        found = measured(num, num_classes, copies=True, seed=100 + seed)
        for name in FIGURES:
            figure, true = getattr(found, name), value(getattr(large, name))
            if figure is not None:
                held[name].append(figure.low <= true <= figure.high)
    for name, row in held.items():
        assert np.mean(row) >= 0.84, name  # 0.95 less three standard errors


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_classifier_without_a_mistake_on_few_images_is_not_taken_for_perfect(
    num_classes: int,
) -> None:
    found = measured(30, num_classes, apart=9.0)
    for name in FIGURES[:7]:
        figure = getattr(found, name)
        assert figure.value == 1
        assert 0.5 < figure.low < 0.99, name


def test_copies_make_intervals_wider() -> None:
    truth, probabilities = (np.repeat(rows, 6, axis=0) for rows in drawn(40, 3)[:2])
    predicted = probabilities.argmax(axis=1)
    apart, together = (
        measure("abc", truth, probabilities, groups, predicted=predicted)
        for groups in (np.arange(240), np.arange(240) // 6)
    )
    for name in FIGURES[:9]:
        one, other = getattr(apart, name), getattr(together, name)
        assert other.high - other.low > one.high - one.low, name


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("copies", [False, True])
def test_neither_the_order_of_images_nor_the_numbers_of_groups_matter(
    num_classes: int, copies: bool
) -> None:
    """With many ties, as of probabilities that are shown as 1.000."""
    truth, probabilities, groups = drawn(100, num_classes, copies=copies)
    probabilities = np.round(probabilities, 1)
    predicted = probabilities.argmax(axis=1)
    names = "abc"[:num_classes]
    one = measure(names, truth, probabilities, groups, predicted=predicted)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        order, numbers = rng.permutation(100), rng.permutation(100)
        other = measure(
            names,
            truth[order],
            probabilities[order],
            numbers[groups[order]],
            predicted=predicted[order],
        )
        for name in FIGURES:
            for end in ("value", "low", "high"):
                first, second = (getattr(getattr(found, name), end) for found in (one, other))
                assert first == pytest.approx(second, abs=1e-9), name
        for row, same in zip(one.reliability, other.reliability, strict=True):
            assert row.accuracy == same.accuracy
            assert row.confidence == pytest.approx(same.confidence)


@pytest.mark.parametrize(("num", "sharper"), [(30, 1), (30, 3), (300, 1), (300, 3)])
def test_the_calibration_error_is_held_whether_probabilities_keep_their_word_or_not(
    num: int, sharper: int
) -> None:
    def error(size: int, seed: int) -> Estimate:
        truth, probabilities, groups = drawn(size, 2, seed=seed, apart=1.3, copies=size < 1000)
        said = probabilities**sharper / (probabilities**sharper).sum(axis=1, keepdims=True)
        predicted = said.argmax(axis=1)
        figure = measure("ab", truth, said, groups, predicted=predicted).calibration_error
        assert figure is not None
        return figure

    true = error(60_000, 1).value
    held = [f.low <= true <= f.high for f in (error(num, 100 + seed) for seed in range(80))]
    assert np.mean(held) >= 0.88


def test_probabilities_that_keep_their_word_may_err_by_nothing() -> None:
    error = measured(400).calibration_error
    assert error is not None
    assert error.low == 0
    truth, probabilities, groups = drawn(400, 2)
    spoilt = probabilities**6 / (probabilities**6).sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    worse = measure("ab", truth, spoilt, groups, predicted=predicted).calibration_error
    assert worse is not None
    assert worse.low > 0.01


class TestEdges:
    def test_no_images_have_no_figures(self) -> None:
        none = np.empty(0, np.int64)
        found = measure("ab", none, np.empty((0, 2), np.float32), none, predicted=none)
        assert all(getattr(found, name) is None for name in FIGURES)
        assert json.loads(json.dumps(found.to_json()))["n"] == 0

    @pytest.mark.parametrize("num", [1, 2, 3])
    def test_very_few_images_have_wide_intervals_and_no_error(self, num: int) -> None:
        found = measured(num, 3)
        assert found.accuracy is not None
        assert found.accuracy.high - found.accuracy.low > 0.5
        json.dumps(found.to_json(), allow_nan=False)

    def test_a_class_that_is_absent_has_none(self) -> None:
        truth = np.zeros(20, np.int64)
        probabilities = np.tile(np.float32([0.8, 0.1, 0.1]), (20, 1))
        found = measure("abc", truth, probabilities, np.arange(20), predicted=truth)
        assert found.per_class[2].recall is None
        assert found.per_class[2].roc_auc is None
        assert value(found.balanced_accuracy) == 1
        assert found.roc_auc is None
        json.dumps(found.to_json(), allow_nan=False)

    def test_means_are_over_the_classes_in_the_truth_though_others_are_predicted(self) -> None:
        truth = np.repeat([1, 2], [15, 14])
        predicted = np.array([1] * 15 + [0] * 2 + [2] * 12)
        rng = np.random.default_rng(0)
        probabilities = rng.dirichlet(np.ones(4), 29).astype(np.float32)
        probabilities[np.arange(29), predicted] += 1
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        found = measure("abcd", truth, probabilities, np.arange(29), predicted=predicted)
        assert value(found.balanced_accuracy) == pytest.approx(np.mean([1, 12 / 14]))
        given = {"labels": [1, 2], "average": "macro"}
        for ours, theirs in (
            (found.precision, metrics.precision_score),
            (found.recall, metrics.recall_score),
            (found.f1, metrics.f1_score),
        ):
            assert value(ours) == pytest.approx(theirs(truth, predicted, **given))
            assert ours is not None
            assert ours.low > 0.7  # nor is the absent class in the resamples
        for name in ("roc_auc", "average_precision"):
            of_class = [value(getattr(found.per_class[c], name)) for c in (1, 2)]
            assert value(getattr(found, name)) == pytest.approx(np.mean(of_class))

    def test_an_absent_class_takes_no_part_in_the_interval(self) -> None:
        truth, probabilities, groups = drawn(60, 2)
        wide = np.column_stack([probabilities, np.zeros((60, 3), np.float32)])
        predicted = probabilities.argmax(axis=1)
        alone = measure("ab", truth, probabilities, groups, predicted=predicted)
        beside = measure("abcde", truth, wide, groups, predicted=predicted)
        for name in ("balanced_accuracy", "log_loss"):
            one, other = getattr(alone, name), getattr(beside, name)
            assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-9)

    def test_a_class_that_is_never_claimed_counts_as_0_in_the_mean_precision(self) -> None:
        truth = np.array([0, 0, 1, 1, 2, 2])
        predicted = np.array([0, 0, 1, 1, 1, 1])
        probabilities = np.eye(3, dtype=np.float32)[predicted] * 0.8 + np.float32(0.2 / 3)
        found = measure("abc", truth, probabilities, np.arange(6), predicted=predicted)
        assert value(found.precision) == pytest.approx((1 + 0.5 + 0) / 3)

    def test_the_binary_accuracy_is_at_a_half_whatever_was_answered(self) -> None:
        truth, probabilities, groups = drawn(60, 2)
        strict = (probabilities[:, 1] > 0.9).astype(np.int64)
        found = measure("ab", truth, probabilities, groups, predicted=strict)
        at_half = ((probabilities[:, 1] > 0.5) == truth).mean()
        assert value(found.binary_accuracy) == pytest.approx(at_half)
        assert value(found.accuracy) == pytest.approx((strict == truth).mean())
        assert measured(60, 3).binary_accuracy is None


def test_all_figures_are_in_the_json() -> None:
    found = measured(60, 3)
    values = found.to_json()
    assert set(values) == {field.name for field in fields(Measures)} - {"classes"}
    assert values["accuracy"] == {
        "value": found.accuracy.value,
        "low": found.accuracy.low,
        "high": found.accuracy.high,
        "n": 60,
    }
    assert list(values["per_class"]) == ["c0", "c1", "c2"]
    assert sum(values["confusion"]["c1"].values()) == found.confusion[1].sum()


class TestManyClasses:
    def test_the_json_grows_with_the_images_and_not_with_the_square_of_the_classes(self) -> None:
        sizes = {k: len(json.dumps(measured(2 * k, k).to_json())) for k in (22, 44)}
        assert sizes[44] < 2.1 * sizes[22]

    def test_resamples_of_rankings_become_fewer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else their work grows with classes times images times resamples."""
        shapes: list[tuple[int, ...]] = []

        def seen(*given: Any) -> Any:
            shapes.append(given[2].shape)
            return ranking_of_few(*given)

        monkeypatch.setattr("candid.evaluation.measures.ranking_of_few", seen)
        monkeypatch.setattr("candid.evaluation.measures._MOST_RANKED", 100_000)
        measured(60, 30)
        assert len(shapes) == 60
        assert {rows for rows, _ in shapes} == {81}

    def test_the_classes_and_pairs_told_are_the_worst(self) -> None:
        truth = np.repeat(np.arange(30), 4)
        predicted = truth.copy()
        predicted[truth == 7] = 9
        predicted[np.flatnonzero(truth == 3)[:2]] = 4
        names = [f"c{number}" for number in range(30)]
        found = measure(
            names,
            truth,
            np.eye(30, dtype=np.float32)[predicted],
            np.arange(120),
            predicted=predicted,
        )
        assert [row.name for row in found.worst_classes[:2]] == ["c7", "c3"]
        assert worst_pairs(found.confusion) == [(7, 9), (3, 4)]
        text = write_text(Evaluation(found))
        assert "4 of c7, predicted c9" in text
        assert len(text) < 4000


@pytest.mark.parametrize("num_images", [1, 2, 5, 30])
def test_few_images_of_one_class_all_right_promise_nothing(num_images: int) -> None:
    truth = np.zeros(num_images, np.int64)
    probabilities = np.tile(np.float32([0.98, 0.02]), (num_images, 1))
    groups = np.arange(num_images)
    found = measure(("a", "b"), truth, probabilities, groups, predicted=truth)
    assert found.balanced_accuracy is not None
    assert found.accuracy is not None
    assert found.balanced_accuracy.low == pytest.approx(found.accuracy.low, abs=0.12)
