"""Scores are scikit-learn's, for any weights, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from candid.evaluation.scores import (
    bin_numbers,
    brier_scores,
    calibration_error,
    calibration_gaps,
    counts,
    log_losses,
    ranking,
    ranking_of_few,
    ratio,
    reliability_bins,
    sum_by_number,
)


def made(num: int, num_classes: int, *, seed: int, ties: bool = False) -> tuple[np.ndarray, ...]:
    """Truth, probabilities and whole weights of which some are 0."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(num_classes), rng.integers(num_classes, size=num)])
    odds = np.exp(rng.normal(size=(len(truth), num_classes)) + np.eye(num_classes)[truth])
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    if ties:
        probabilities = np.round(probabilities, 1) + 1e-3
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    weights = rng.integers(0, 4, size=(3, len(truth))).astype(float)
    weights[:, :num_classes] = 1
    return truth, probabilities, np.concatenate([np.ones((1, len(truth))), weights])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
class TestAgainstScikitLearn:
    def test_rankings(self, seed: int, ties: bool) -> None:
        truth, probabilities, weights = made(60, 3, seed=seed, ties=ties)
        for c in range(3):
            areas, averages = ranking(truth == c, probabilities[:, c], weights)
            for row, area, average in zip(weights, areas, averages, strict=True):
                weighted = {"sample_weight": row}
                expected = metrics.roc_auc_score(truth == c, probabilities[:, c], **weighted)
                assert area == pytest.approx(expected, abs=1e-9)
                expected = metrics.average_precision_score(
                    truth == c, probabilities[:, c], **weighted
                )
                assert average == pytest.approx(expected, abs=1e-9)

    def test_counts(self, seed: int, ties: bool) -> None:
        truth, probabilities, weights = made(60, 3, seed=seed, ties=ties)
        predicted = probabilities.argmax(axis=1)
        right, true, claimed = counts(truth, predicted, 3, weights)
        for place, row in enumerate(weights):
            weighted = {"sample_weight": row, "average": None, "zero_division": 0}
            for ours, theirs in (
                (ratio(right, claimed), metrics.precision_score),
                (ratio(right, true), metrics.recall_score),
                (ratio(2 * right, true + claimed), metrics.f1_score),
            ):
                assert ours[place] == pytest.approx(theirs(truth, predicted, **weighted), abs=1e-12)

    def test_losses(self, seed: int, ties: bool) -> None:
        for num_classes in (2, 4):
            truth, probabilities, _ = made(60, num_classes, seed=seed, ties=ties)
            expected = metrics.log_loss(truth, probabilities)
            assert log_losses(truth, probabilities).mean() == pytest.approx(expected, abs=1e-9)
        truth, probabilities, _ = made(60, 2, seed=seed, ties=ties)
        expected = metrics.brier_score_loss(truth, probabilities[:, 1])
        assert brier_scores(truth, probabilities).mean() == pytest.approx(expected, abs=1e-12)


def test_the_brier_score_of_more_classes_is_a_sum_over_them() -> None:
    scores = brier_scores(np.array([0, 2]), np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]))
    assert scores.tolist() == pytest.approx([0.09 + 0.04 + 0.01, 0.49 + 0.04 + 0.81])


def test_a_certain_mistake_has_a_finite_loss() -> None:
    assert np.isfinite(log_losses(np.array([1]), np.array([[1.0, 0.0]]))).all()


def test_a_ranking_without_one_kind_is_none() -> None:
    scores, weights = np.array([0.1, 0.9]), np.ones((1, 2))
    assert np.isnan(ranking(np.zeros(2, bool), scores, weights)[0]).all()
    area, average = ranking(np.ones(2, bool), scores, weights)
    assert np.isnan(area).all()
    assert average.tolist() == [1.0]


class TestCalibration:
    def test_the_error_is_the_mean_gap_of_the_bins(self) -> None:
        truth = np.array([0] * 5 + [1] * 5 + [0] * 10)
        probabilities = np.array([[0.7, 0.3]] * 10 + [[0.9, 0.1]] * 10)
        error = calibration_error(truth, probabilities, np.ones((1, 20)))[0]
        by_bins = [
            abs(row.confidence - row.accuracy.value) * row.count
            for row in reliability_bins(truth, probabilities, np.arange(20))
        ]
        assert error == pytest.approx(sum(by_bins) / 20)

    def test_the_sizes_of_the_gaps_sum_to_the_error_and_their_signs_say_which_way(self) -> None:
        truth, probabilities, weights = made(97, 3, seed=1)
        sure = probabilities.max(axis=1)
        right = probabilities.argmax(axis=1) == truth
        gaps = calibration_gaps(right, sure, bin_numbers(sure), weights)
        error = calibration_error(truth, probabilities, weights)
        assert np.abs(gaps).sum(axis=1) == pytest.approx(error, abs=1e-12)
        mean_gap = np.average(right - sure, weights=weights[1])
        assert gaps[1].sum() == pytest.approx(mean_gap, abs=1e-12)

    def test_bins_hold_all_images_in_order(self) -> None:
        truth, probabilities, _ = made(97, 3, seed=0)
        bins = reliability_bins(truth, probabilities, np.arange(100))
        assert sum(row.count for row in bins) == 100
        confidences = [row.confidence for row in bins]
        assert confidences == sorted(confidences)
        assert reliability_bins(truth[:3], probabilities[:3], np.arange(3))[0].count == 1

    def test_bins_without_ties_are_of_equal_mass(self) -> None:
        numbers = bin_numbers(np.random.default_rng(0).permutation(97) / 97)
        assert np.bincount(numbers).tolist() == [10] * 7 + [9] * 3

    @pytest.mark.parametrize("num_values", [1, 2, 7, 40])
    def test_ties_stay_together_in_any_order(self, num_values: int) -> None:
        rng = np.random.default_rng(num_values)
        confidence = 0.5 + rng.integers(num_values, size=100) / (2 * num_values)
        right = rng.random(100) < 0.7
        numbers = bin_numbers(confidence)
        by_value = {value: set(numbers[confidence == value]) for value in np.unique(confidence)}
        assert all(len(found) == 1 for found in by_value.values())
        assert (np.diff([*map(min, by_value.values())]) >= 0).all()
        gaps = calibration_gaps(right, confidence, numbers, np.ones((1, 100)))
        for _ in range(5):
            order = rng.permutation(100)
            assert (bin_numbers(confidence[order]) == numbers[order]).all()
            mixed = calibration_gaps(
                right[order], confidence[order], numbers[order], np.ones((1, 100))
            )
            assert np.abs(mixed).sum() == pytest.approx(np.abs(gaps).sum(), abs=1e-12)


@given(st.integers(0, 10_000), st.integers(0, 6))
def test_a_ranking_of_few_positives_is_that_of_many_with_images_that_occur_twice(
    seed: int, num_positive: int
) -> None:
    random = np.random.default_rng(seed)
    of_image = random.integers(0, 8, 12) / 8  # with ties
    places = np.concatenate([np.arange(12), random.integers(0, 12, 9)])
    positive = np.isin(np.arange(21), random.permutation(21)[:num_positive])
    weights = random.exponential(size=(4, 21))
    summed = sum_by_number(weights, places, 12)
    found = ranking_of_few(positive, of_image[places], weights, (of_image, summed))
    expected = ranking(positive, of_image[places], weights)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
