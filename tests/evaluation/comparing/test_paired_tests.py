"""Paired tests: published values, enumeration, SciPy, and simulated error rates."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, bootstrap, chi2

from candid.evaluation.comparing.paired_tests import (
    difference,
    gains_by_group,
    holm,
    mcnemar,
    photos_needed,
)

Bools = np.ndarray


def outcomes(*, only_a: int, only_b: int, both: int = 5) -> tuple[Bools, Bools, np.ndarray]:
    """Hits of two classifiers on images without copies."""
    hits_a = np.repeat([True, False, True], [only_a, only_b, both])
    hits_b = np.repeat([False, True, True], [only_a, only_b, both])
    return hits_a, hits_b, np.arange(len(hits_a))


def with_gains(gains: list[int]) -> tuple[Bools, Bools, np.ndarray]:
    """A group for each number, of which one of the two gets as many images more than the other."""
    sizes = np.abs(gains)
    signs = np.repeat(np.sign(gains), sizes)
    return signs < 0, signs > 0, np.repeat(np.arange(len(gains)), sizes)


class TestMcNemarWithoutCopies:
    def test_gives_the_published_mid_p(self) -> None:
        # Bentur et al., as in Fagerland, Lydersen and Laake (2013), table 1: exact p = 0.0703
        assert mcnemar(*outcomes(only_a=7, only_b=1)) == pytest.approx(0.0391, abs=5e-5)

    def test_gives_the_published_exact_p_less_half_of_what_was_seen(self) -> None:
        # Armitage and Berry (1994), p. 127: exact p = 0.0129
        p = mcnemar(*outcomes(only_a=12, only_b=2)) + binom.pmf(2, 14, 0.5)
        assert p == pytest.approx(0.0129, abs=5e-5)

    @given(st.integers(0, 60), st.integers(0, 60))
    def test_is_the_binomial_test_with_mid_p(self, only_a: int, only_b: int) -> None:
        n = only_a + only_b
        p = mcnemar(*outcomes(only_a=only_a, only_b=only_b))
        if n == 0:
            assert p == 1
        elif only_a == only_b:
            assert p == pytest.approx(1 - binom.pmf(only_a, n, 0.5) / 2)
        else:
            exact = binomtest(only_a, n).pvalue
            assert p == pytest.approx(exact - binom.pmf(only_a, n, 0.5), rel=1e-9)

    def test_is_right_where_thousands_differ(self) -> None:
        p = mcnemar(*outcomes(only_a=10_400, only_b=10_000))
        exact = binomtest(10_000, 20_400).pvalue - binom.pmf(10_000, 20_400, 0.5)
        assert p == pytest.approx(exact, rel=1e-6)

    def test_is_1_where_nothing_differs(self) -> None:
        assert mcnemar(*outcomes(only_a=0, only_b=0)) == 1
        empty = np.zeros(0, np.bool_)
        assert mcnemar(empty, empty, np.zeros(0, np.int64)) == 1


class TestMcNemarWithCopies:
    @given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
    def test_counts_every_way_in_which_the_groups_could_have_gone(self, gains: list[int]) -> None:
        signs = product((-1, 1), repeat=len(gains))
        ways = [abs(sum(s * g for s, g in zip(row, gains, strict=True))) for row in signs]
        observed = abs(sum(gains))
        expected = np.mean([(way > observed) + (way == observed) / 2 for way in ways])
        if not any(gains):
            expected = 1
        assert mcnemar(*with_gains(gains)) == pytest.approx(expected, abs=1e-12)

    def test_ten_copies_of_one_picture_count_once(self) -> None:
        hits_a, hits_b = np.zeros(10, np.bool_), np.ones(10, np.bool_)
        assert mcnemar(hits_a, hits_b, np.zeros(10, np.int64)) == 0.5
        assert mcnemar(hits_a, hits_b, np.arange(10)) < 0.002

    def test_copies_that_cancel_out_say_nothing(self) -> None:
        hits_a, hits_b = np.array([True, False]), np.array([False, True])
        assert mcnemar(hits_a, hits_b, np.array([7, 7])) == 1

    def test_is_that_of_yang_sun_and_hardin_where_many_groups_differ(self) -> None:
        gains = np.random.default_rng(1).integers(-3, 4, 4000)
        gains[:60] = np.abs(gains[:60])
        statistic = gains.sum() ** 2 / (gains**2).sum()
        p = mcnemar(*with_gains(gains.tolist()))
        assert 0.001 < p < 0.9
        assert p == pytest.approx(chi2.sf(statistic, 1), rel=0.01)

    @given(st.integers(0, 2**32 - 1))
    def test_depends_on_no_order_and_no_side(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        a, b = rng.random((2, 40)) < 0.6
        groups = rng.integers(0, 15, 40)
        order = rng.permutation(40)
        p = mcnemar(a, b, groups)
        assert 0 < p <= 1
        assert mcnemar(b, a, groups) == pytest.approx(p, rel=1e-12)
        assert mcnemar(a[order], b[order], 99 - groups[order]) == p

    def test_gains_are_those_of_the_second(self) -> None:
        hits_a, hits_b = np.array([1, 0, 0, 1], np.bool_), np.array([1, 1, 1, 0], np.bool_)
        assert gains_by_group(hits_a, hits_b, np.array([5, 5, 9, 9])).tolist() == [1, 0]


def share_found(test_groups: bool, *, seed: int, num_simulations: int = 4000) -> float:
    """How often p is below 0.05 where neither is better and copies stand or fall together."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(num_simulations):
        sizes = rng.choice([1, 1, 1, 2, 3, 6], 50)
        groups = np.repeat(np.arange(50), sizes)
        a, b = rng.random((2, 50)) < 0.8
        slips = rng.random((2, len(groups))) < 0.05
        hits_a, hits_b = a[groups] ^ slips[0], b[groups] ^ slips[1]
        found += mcnemar(hits_a, hits_b, groups if test_groups else np.arange(len(groups))) < 0.05
    return found / num_simulations


class TestMcNemarWhereNeitherIsBetter:
    def test_a_difference_is_found_at_most_as_often_as_is_claimed(self) -> None:
        assert 0.03 < share_found(True, seed=0) < 0.06

    def test_and_far_more_often_where_copies_were_taken_for_different_photos(self) -> None:
        assert share_found(False, seed=0) > 0.12


P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


class TestHolm:
    def test_gives_the_values_of_r(self) -> None:
        # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
        expected = (0.05, 0.08, 0.09, 0.09, 0.09)
        assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(expected)

    def test_one_comparison_needs_no_correction(self) -> None:
        assert holm([0.04]) == (0.04,)

    @given(P_VALUES)
    def test_rejects_what_the_step_down_procedure_rejects(self, p_values: list[float]) -> None:
        rejected = []
        for rank, place in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[place] * (len(p_values) - rank) >= 0.05:
                break
            rejected.append(place)
        assert sorted(rejected) == [i for i, p in enumerate(holm(p_values)) if p < 0.05]

    @given(P_VALUES, st.randoms(use_true_random=False))
    def test_is_in_the_order_of_what_it_was_given(
        self, p_values: list[float], random: object
    ) -> None:
        order = list(range(len(p_values)))
        random.shuffle(order)
        corrected = holm(p_values)
        assert holm([p_values[place] for place in order]) == tuple(corrected[p] for p in order)
        assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))

    def test_finds_anything_where_nothing_is_there_as_rarely_as_one_test(self) -> None:
        p_values = np.random.default_rng(0).random((4000, 6))
        assert 0.035 < np.mean([min(holm(row)) < 0.05 for row in p_values.tolist()]) < 0.06
        assert np.mean(p_values.min(axis=1) < 0.05) > 0.2


class TestPhotosNeeded:
    @pytest.mark.parametrize(
        ("only_a", "only_b", "expected"),
        # Connor, Biometrics 43 (1987), p. 209, as two calculators give it
        [(0.45, 0.05, 23), (0.30, 0.15, 155)],
    )
    def test_gives_the_published_numbers(self, only_a: float, only_b: float, expected: int) -> None:
        assert photos_needed(difference=only_a - only_b, discordant=only_a + only_b) == expected

    def test_does_not_depend_on_which_is_better(self) -> None:
        forward = photos_needed(difference=0.03, discordant=0.1)
        assert photos_needed(difference=-0.03, discordant=0.1) == forward

    def test_a_stricter_level_and_a_smaller_difference_take_more(self) -> None:
        plain = photos_needed(difference=0.05, discordant=0.1)
        assert photos_needed(difference=0.05, discordant=0.1, level=0.05 / 3) > plain
        assert photos_needed(difference=0.04, discordant=0.1) > plain

    def test_with_as_many_the_test_sees_the_difference_as_often_as_was_asked(self) -> None:
        n = photos_needed(difference=0.06, discordant=0.14)
        rng = np.random.default_rng(0)
        seen = 0
        for _ in range(2000):
            drawn = rng.choice(3, n, p=[0.10, 0.04, 0.86])
            seen += mcnemar(drawn != 0, drawn != 1, np.arange(n)) < 0.05
        assert 0.76 < seen / 2000 < 0.84

    def test_all_photos_may_differ_in_one_direction(self) -> None:
        assert photos_needed(difference=1.0, discordant=1.0) == 4


def drawn(seed: int, n: int, by: tuple[float, float] = (0.8, 0.85)) -> np.ndarray:
    return np.random.default_rng(seed).random((2, n)) < np.array(by)[:, None]


class TestDifference:
    def test_is_the_percentile_bootstrap_of_scipy_where_there_are_no_copies(self) -> None:
        first, second = drawn(0, 400)
        figure = difference(first, second, np.arange(400))
        gains = second.astype(int) - first.astype(int)
        expected = bootstrap(
            (gains,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert (figure.low, figure.high) == pytest.approx((expected.low, expected.high), abs=0.004)
        assert figure.value == pytest.approx(gains.mean())
        assert figure.n == 400

    def test_is_as_wide_as_its_standard_error_where_there_are_copies(self) -> None:
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

    def test_numbers_of_groups_mean_nothing(self) -> None:
        first, second = drawn(4, 90)
        groups = np.arange(90) // 2
        order = np.random.default_rng(5).permutation(90)
        assert difference(first[order], second[order], 1000 - groups[order]) == difference(
            first, second, groups
        )
