"""The law is found again where it is true, and says how little it knows where it is not clear."""

from __future__ import annotations

import numpy as np
import pytest

from candid.evaluation.learning_curve import Law, fit_law, luck_of

SIZES = np.array([800.0, 400, 200, 100])


def true_errors(
    sizes: np.ndarray | float, *, floor: float, excess: float, exponent: float
) -> np.ndarray:
    return floor + excess * (np.asarray(sizes) / 800) ** -exponent


def fitted(errors: np.ndarray, *, spread: float = 0.001, num_heads: float = 1e6) -> Law:
    heads = np.full(len(errors), num_heads)
    return fit_law(SIZES, errors, np.eye(len(errors)) * spread**2, heads, luck=luck_of(2))


@pytest.mark.parametrize("floor", [0.0, 0.03])
@pytest.mark.parametrize("exponent", [0.35, 0.5, 1.0])
def test_true_errors_are_found_again_beyond_the_last_point(floor: float, exponent: float) -> None:
    law = {"floor": floor, "excess": 0.08, "exponent": exponent}
    found = fitted(true_errors(SIZES, **law))
    for size in (200, 800, 1600):
        assert found.error_at(size).mean() == pytest.approx(true_errors(size, **law), abs=0.008)
    gain = true_errors(800, **law) - true_errors(1200, **law)
    assert found.gain(800, 400).mean() == pytest.approx(gain, rel=0.3)


@pytest.mark.parametrize(
    "errors",
    [[0.1, 0.1, 0.1, 0.1], [0.2, 0.15, 0.1, 0.05], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0.5]],
)
def test_errors_that_no_law_describes_give_a_law_that_never_rises(errors: list[float]) -> None:
    found = fitted(np.array(errors, np.float64))
    for draws in (found.floor, found.excess, found.gain(800, 400), found.scatter(800, 400)):
        assert np.isfinite(draws).all()
        assert (draws >= 0).all()


def test_a_flat_curve_promises_nothing() -> None:
    assert fitted(np.full(4, 0.1)).gain(800, 400).mean() < 0.003


def test_the_band_is_wider_far_out_and_where_less_is_known() -> None:
    errors = true_errors(SIZES, floor=0.03, excess=0.08, exponent=0.5)
    known, guessed = fitted(errors), fitted(errors, spread=0.02)
    few_heads = fitted(errors, num_heads=1)
    assert known.error_at(6400).std() > 2 * known.error_at(800).std()
    assert guessed.gain(800, 400).std() > 1.3 * known.gain(800, 400).std()
    assert few_heads.gain(800, 400).std() > 1.1 * known.gain(800, 400).std()


def test_the_truth_is_in_the_interval_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(60):
        law = {
            "floor": random.uniform(0, 0.04),
            "excess": random.uniform(0.03, 0.12),
            "exponent": random.uniform(0.3, 1),
        }
        errors = true_errors(SIZES, **law) * (1 + random.normal(0, 0.03, 4))
        found = fitted(errors + random.normal(0, 0.01, 4), spread=0.01)
        low, high = np.quantile(1 - found.error_at(1200), [0.025, 0.975])
        held.append(low <= 1 - true_errors(1200, **law) <= high)
    assert np.mean(held) >= 0.9


def test_the_same_errors_give_the_same_law() -> None:
    errors = true_errors(SIZES, floor=0.03, excess=0.08, exponent=0.5)
    np.testing.assert_array_equal(fitted(errors).excess, fitted(errors).excess)


def test_a_head_gains_more_or_less_than_heads_do_by_the_share_of_images_that_are_new() -> None:
    law = Law(100, np.zeros(1), np.full(1, 0.1), np.full(1, 0.5), luck_of(2))
    assert law.scatter(100, 0) == 0
    assert law.scatter(100, 100) == pytest.approx(luck_of(2) * 0.1 * np.sqrt(0.5))


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.5])
def test_what_doubling_gained_says_what_more_images_gain(exponent: float) -> None:
    law = Law(800, np.full(1, 0.02), np.full(1, 0.1), np.full(1, exponent), luck_of(2))
    share = law.share_of_doubling(100, 250, 80)
    assert share * law.gain(100, 100) == pytest.approx(law.gain(250, 80))


def test_luck_averages_out_over_classes() -> None:
    assert luck_of(10) == pytest.approx(luck_of(2) / 3)
