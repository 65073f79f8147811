"""A temperature is fitted where the scores need one, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from candid.models.temperature import fit_temperature, with_temperature


def calibrated(num: int, *, seed: int = 0, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=(num, num_classes))
    exact = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (exact.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)
    return exact.astype(np.float32), labels


@pytest.mark.parametrize("sharpening", [0.3, 3.0])
def test_the_temperature_undoes_a_scaling_of_the_scores(sharpening: float) -> None:
    probabilities, labels = calibrated(4000)
    miscalibrated = with_temperature(probabilities, 1 / sharpening)
    found = fit_temperature(miscalibrated, labels, np.arange(4000))
    assert found == pytest.approx(sharpening, rel=0.08)
    assert with_temperature(miscalibrated, sharpening) == pytest.approx(probabilities, abs=1e-3)


def test_it_minimises_the_log_loss() -> None:
    probabilities, labels = calibrated(500, seed=3)
    miscalibrated = with_temperature(probabilities, 0.4).astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = np.log(np.maximum(miscalibrated, 1e-7)) / temperature
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(-logs[np.arange(500), labels].mean())

    expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    found = fit_temperature(miscalibrated.astype(np.float32), labels, np.arange(500))
    assert found == pytest.approx(expected, rel=1e-3)


def test_calibrated_probabilities_are_not_changed() -> None:
    found = [fit_temperature(*calibrated(300, seed=seed), np.arange(300)) for seed in range(60)]
    assert found.count(1.0) >= 57


def test_copies_count_as_one_image() -> None:
    probabilities, labels = calibrated(60, seed=5)
    miscalibrated = with_temperature(probabilities, 0.6)
    alone = fit_temperature(miscalibrated, labels, np.arange(60))
    many = np.repeat(np.arange(60), 20)
    assert alone == 1.0
    assert fit_temperature(miscalibrated[many], labels[many], np.arange(len(many))) != 1.0
    assert fit_temperature(miscalibrated[many], labels[many], many) == 1.0


def test_few_images_give_a_temperature_of_1() -> None:
    probabilities, labels = calibrated(19)
    assert fit_temperature(with_temperature(probabilities, 0.1), labels, np.arange(19)) == 1.0


def test_it_never_changes_the_most_probable_class() -> None:
    probabilities, _ = calibrated(500)
    for temperature in (0.2, 5.0):
        scaled = with_temperature(probabilities, temperature)
        assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        assert scaled.sum(axis=1) == pytest.approx(np.ones(500), abs=1e-5)
