"""The paired bootstrap against SciPy's, a closed form, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from candid.evaluation.comparing.paired_tests import difference


def drawn(seed: int, n: int, by: tuple[float, float] = (0.8, 0.85)) -> np.ndarray:
    return np.random.default_rng(seed).random((2, n)) < np.array(by)[:, None]


def test_is_the_percentile_bootstrap_of_scipy_where_there_are_no_copies() -> None:
    first, second = drawn(0, 400)
    figure = difference(first, second, np.arange(400))
    gains = second.astype(int) - first.astype(int)
    expected = bootstrap(
        (gains,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (figure.low, figure.high) == pytest.approx((expected.low, expected.high), abs=0.004)
    assert figure.value == pytest.approx(gains.mean())
    assert figure.n == 400


def test_is_as_wide_as_its_standard_error_where_there_are_copies() -> None:
    """The variance of a ratio of sums over groups (Cochran, 1977, 2.39)."""
    sizes = np.random.default_rng(2).choice([1, 2, 5], 300)
    first, second = np.repeat(drawn(3, 300), sizes, axis=1)
    groups = np.repeat(np.arange(300), sizes)
    figure = difference(first, second, groups)
    gains = np.bincount(groups, second.astype(int) - first.astype(int))
    residuals = gains - figure.value * sizes
    standard_error = np.sqrt((residuals**2).sum()) / len(groups)
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * standard_error, rel=0.06)
    apart = difference(first, second, np.arange(len(groups)))
    assert figure.high - figure.low > 1.3 * (apart.high - apart.low)


def test_numbers_of_groups_mean_nothing() -> None:
    first, second = drawn(4, 90)
    groups = np.arange(90) // 2
    order = np.random.default_rng(5).permutation(90)
    assert difference(first[order], second[order], 1000 - groups[order]) == difference(
        first, second, groups
    )
