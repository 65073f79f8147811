"""A temperature is fitted where the held-out answers show that one is needed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from candid.models.temperature import (
    count_pictures,
    fit_temperature,
    smoothed_losses,
    with_temperature,
)


def calibrated(num: int, *, seed: int = 0, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=(num, num_classes))
    exact = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (exact.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)
    return exact.astype(np.float32), labels


def answers(confidence: np.ndarray, wrong: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Answers for two classes, half of each, of which some are wrong; and the labels."""
    num = len(confidence)
    labels = np.repeat([0, 1], [num // 2, num - num // 2])
    predicted = labels.copy()
    predicted[wrong] = 1 - predicted[wrong]
    probabilities = np.where(
        np.eye(2)[predicted] == 1, confidence[:, None], 1 - confidence[:, None]
    )
    return probabilities.astype(np.float32), labels


def fit(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return fit_temperature(probabilities, labels, np.arange(len(labels)))


class TestFewErrors:
    @pytest.mark.parametrize("num", [1, 5, 20, 80, 1000])
    @pytest.mark.parametrize("least", [0.55, 0.75, 0.98])
    def test_right_answers_alone_never_make_scores_more_confident(
        self, num: int, least: float
    ) -> None:
        assert fit(*answers(np.linspace(least, 0.999, num), [])) >= 1

    def test_right_answers_beyond_any_evidence_make_them_less_confident(self) -> None:
        probabilities, labels = answers(np.full(40, 0.999999), [])
        temperature = fit(probabilities, labels)
        assert temperature > 1.5
        # 40 right answers of 40 are no evidence of an error in fewer than 42
        assert with_temperature(probabilities, temperature).max() < 0.999

    @pytest.mark.parametrize("wrong", [[0], [79], [0, 1], [40, 50, 60]])
    def test_one_error_or_one_class_with_errors_lets_it_fall_little(self, wrong: list[int]) -> None:
        # The sure ones are at either end of the classes.
        probabilities, labels = answers(np.linspace(0.75, 0.999, 80), wrong)
        assert 0.8 < fit(probabilities, labels) < 2

    def test_a_sure_error_makes_them_less_confident(self) -> None:
        assert fit(*answers(np.full(80, 0.9999), [7])) > 1.3

    @pytest.mark.parametrize("num", [1, 3, 10, 19])
    def test_few_answers_move_it_little(self, num: int) -> None:
        probabilities, labels = answers(np.full(num, 0.7), list(range(num // 4)))
        assert 0.85 < fit(probabilities, labels) < 1.3

    def test_without_answers_it_is_1(self) -> None:
        assert fit(np.zeros((0, 2), np.float32), np.zeros(0, np.int64)) == 1

    @pytest.mark.parametrize("copies", [1, 2])
    def test_a_few_errors_among_saturated_answers_are_enough(self, copies: int) -> None:
        # A network that learnt its training part by heart: sure of all, right on 2 of 3. Errors
        # cost so unequally that a gain of 90 nats is within 2.6 standard errors.
        probabilities, labels = answers(np.full(60, 1 - 1e-6), list(range(0, 60, 3)))
        temperature = fit_temperature(probabilities, labels, np.arange(60) // copies)
        assert temperature > 5
        losses = -np.log(with_temperature(probabilities, temperature)[np.arange(60), labels])
        assert losses.mean() < np.log(2) + 0.05


class TestManyAnswers:
    @pytest.mark.parametrize("sharpening", [0.3, 0.7, 1.5, 3.0])
    def test_it_undoes_a_scaling_of_the_scores(self, sharpening: float) -> None:
        probabilities, labels = calibrated(4000)
        miscalibrated = with_temperature(probabilities, 1 / sharpening)
        found = fit(miscalibrated, labels)
        assert found == pytest.approx(sharpening, rel=0.08)

    def test_it_minimises_the_log_loss(self) -> None:
        probabilities, labels = calibrated(20_000, seed=3)
        miscalibrated = with_temperature(probabilities, 0.4).astype(np.float64)

        def loss(temperature: float) -> float:
            scaled = np.log(np.maximum(miscalibrated, 1e-30)) / temperature
            logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
            return float(-logs[np.arange(20_000), labels].mean())

        expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
        assert fit(miscalibrated.astype(np.float32), labels) == pytest.approx(expected, rel=5e-3)

    def test_calibrated_probabilities_are_hardly_changed(self) -> None:
        found = [fit(*calibrated(300, seed=seed)) for seed in range(60)]
        assert found.count(1.0) >= 20
        assert np.mean(np.abs(np.log(found)) < 0.1) > 0.75
        assert min(found) > 0.9
        assert max(found) < 1.3


def test_copies_count_as_one_image() -> None:
    probabilities, labels = calibrated(40, seed=5)
    miscalibrated = with_temperature(probabilities, 1.5)
    many = np.repeat(np.arange(40), 20)
    alone = fit(miscalibrated, labels)
    together = fit_temperature(miscalibrated[many], labels[many], many)
    apart = fit(miscalibrated[many], labels[many])
    assert together == pytest.approx(alone, rel=1e-6)
    assert apart < 0.9 * alone


def test_a_large_group_leaves_few_independent_images() -> None:
    assert count_pictures(np.arange(30)) == pytest.approx(30)
    assert count_pictures(np.repeat(np.arange(30), 4)) == pytest.approx(30)
    assert count_pictures(np.array([0] * 90 + list(range(1, 11)))) == pytest.approx(100**2 / 8110)


def test_smoothing_is_platts_for_two_classes() -> None:
    scores = np.array([[1.0, -2.0], [0.3, 0.1]])
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    target = np.array([[9 / 10, 1 / 10], [1 / 10, 9 / 10]])
    expected = -(target * logs).sum(axis=1)
    assert smoothed_losses(scores, np.array([0, 1]), 8) == pytest.approx(expected)


def test_smoothed_losses_are_finite_for_impossible_answers() -> None:
    scores = np.array([[0.0, -3000.0, -4000.0]])
    found = [float(smoothed_losses(scores, np.array([label]), 8)[0]) for label in (0, 1)]
    assert found == pytest.approx([300, 2700])


def test_it_never_changes_the_most_probable_class() -> None:
    probabilities, _ = calibrated(500)
    for temperature in (0.2, 5.0):
        scaled = with_temperature(probabilities, temperature)
        assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        assert scaled.sum(axis=1) == pytest.approx(np.ones(500), abs=1e-5)
