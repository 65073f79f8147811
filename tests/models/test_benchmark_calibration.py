"""The benchmark of calibration tells a classifier's error from that of chance."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from candid.models.temperature import with_temperature
from tests.scripts import load_script


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    return load_script("benchmarks/calibration.py")


def exact(calibration: ModuleType, num: int, *, copies: int = 1, seed: int = 0) -> Any:
    """Answers to pictures, and labels that are drawn from them once a picture."""
    rng = np.random.default_rng(seed)
    scores = 2 * rng.normal(size=(num, 2))
    probabilities = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)
    labels = (probabilities.cumsum(axis=1) > rng.random((num, 1))).argmax(axis=1)
    groups = np.repeat(np.arange(num), copies)
    sure = np.ones(len(groups), np.bool_)
    return calibration.Asked(labels[groups], groups, probabilities[groups], sure, 1.0, None, 60)


def mean_errors(calibration: ModuleType, draws: list[Any]) -> tuple[float, float]:
    """The calibration error, and that by chance."""
    errors = []
    for each in draws:
        confidence = each.probabilities.max(axis=1).astype(np.float64)
        right = each.probabilities.argmax(axis=1) == each.labels
        chance = calibration.by_chance(
            confidence, confidence, each.groups, np.random.default_rng(9)
        )
        errors.append((calibration.calibration_error(right, confidence), chance))
    error, chance = np.mean(errors, axis=0)
    return float(error), float(chance)


@pytest.mark.parametrize("copies", [1, 4])
def test_exact_probabilities_have_no_error_above_chance(
    calibration: ModuleType, copies: int
) -> None:
    draws = [exact(calibration, 150, copies=copies, seed=seed) for seed in range(20)]
    error, chance = mean_errors(calibration, draws)
    assert error > 0.05
    assert error == pytest.approx(chance, abs=0.01)


def test_too_sure_probabilities_have_one(calibration: ModuleType) -> None:
    draws = [exact(calibration, 150, seed=seed) for seed in range(10)]
    sharper = [replace(d, probabilities=with_temperature(d.probabilities, 0.5)) for d in draws]
    error, chance = mean_errors(calibration, sharper)
    assert error > chance + 0.03


def test_fewer_labels_leave_more_above_chance(calibration: ModuleType) -> None:
    asked = exact(calibration, 2000)
    few, many = (
        calibration.by_few_labels(replace(asked, num_drawn=num), np.random.default_rng(0))
        for num in (30, 1000)
    )
    assert few > 0.015
    assert many < 0.4 * few
