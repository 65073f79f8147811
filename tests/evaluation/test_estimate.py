"""Estimates and their intervals: published values, closed forms and measured coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.evaluation.estimate import (
    Estimate,
    effective_size,
    intraclass_correlation,
    paired_difference,
    proportion,
    wilson,
)


class TestWilson:
    @pytest.mark.parametrize(
        ("successes", "n", "low", "high"),
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ],
    )
    def test_gives_the_published_intervals(
        self, successes: int, n: int, low: float, high: float
    ) -> None:
        figure = wilson(successes, n)
        assert figure is not None
        assert figure.value == pytest.approx(successes / n)
        assert (round(figure.low, 4), round(figure.high, 4)) == (low, high)
        assert figure.n == n

    @pytest.mark.parametrize("n", [1, 17, 1000])
    def test_has_its_closed_form_where_all_succeed(self, n: int) -> None:
        figure = wilson(n, n)
        assert figure is not None
        assert figure.value == figure.high == 1
        assert figure.low == pytest.approx(n / (n + 1.959964**2), rel=1e-6)

    def test_is_nothing_where_there_is_nothing(self) -> None:
        assert wilson(0, 0) is None

    @given(st.integers(1, 500), st.data())
    def test_mirrors_and_holds_the_value(self, n: int, data: st.DataObject) -> None:
        successes = data.draw(st.integers(0, n))
        figure, mirrored = wilson(successes, n), wilson(n - successes, n)
        assert figure is not None
        assert mirrored is not None
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.low < figure.high
        assert mirrored.low == pytest.approx(1 - figure.high, abs=1e-12)

    @given(st.integers(2, 300), st.floats(0.1, 1), st.data())
    def test_is_wider_where_the_images_are_worth_less(
        self, n: int, share: float, data: st.DataObject
    ) -> None:
        successes = data.draw(st.integers(0, n))
        plain, with_copies = wilson(successes, n), wilson(successes, n, effective_n=n * share)
        assert plain is not None
        assert with_copies is not None
        assert with_copies.value == plain.value
        assert with_copies.high - with_copies.low >= plain.high - plain.low - 1e-12

    @pytest.mark.parametrize("n", [6, 20, 60, 300])
    def test_covers_the_truth_in_95_of_100_cases(self, n: int) -> None:
        """Exactly, by the binomial distribution, in the mean over what the truth may be."""
        figures = [wilson(k, n) for k in range(n + 1)]
        low = np.array([figure.low for figure in figures if figure])
        high = np.array([figure.high for figure in figures if figure])
        ways = np.array([math.comb(n, k) for k in range(n + 1)], np.float64)
        coverage = []
        for truth in np.linspace(0.05, 0.95, 181):
            k = np.arange(n + 1)
            chance = ways * truth**k * (1 - truth) ** (n - k)
            coverage.append(chance[(low <= truth) & (truth <= high)].sum())
        assert 0.943 <= np.mean(coverage) <= 0.97


class TestEffectiveSize:
    def test_single_images_count_whole(self) -> None:
        assert effective_size(np.arange(7)) == 7

    def test_copies_of_one_picture_count_once(self) -> None:
        assert effective_size(np.zeros(9, np.int64)) == 1

    def test_groups_of_one_size_count_as_groups(self) -> None:
        assert effective_size(np.repeat(np.arange(5), 3)) == 5

    def test_unequal_groups_count_as_kish_says(self) -> None:
        assert effective_size(np.array([0, 0, 0, 1])) == pytest.approx(16 / 10)

    def test_nothing_counts_nothing(self) -> None:
        assert effective_size(np.empty(0, np.int64)) == 0

    @given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
    def test_it_lies_between_one_and_the_number_of_groups(self, groups: list[int]) -> None:
        size = effective_size(np.array(groups))
        assert 1 - 1e-9 <= size <= len(set(groups)) + 1e-9

    def test_independent_copies_count_fully(self) -> None:
        assert effective_size(np.array([0, 0, 0, 1]), correlation=0.0) == 4


class TestIntraclassCorrelation:
    def test_copies_that_always_agree_are_wholly_alike(self) -> None:
        hits = np.repeat([True, False, True], 3)
        assert intraclass_correlation(hits, np.repeat(np.arange(3), 3)) == 1

    def test_single_images_have_no_pair_that_differs(self) -> None:
        assert intraclass_correlation(np.array([True, False]), np.arange(2)) == 1

    @pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
    def test_finds_how_alike_copies_are(self, alike: float) -> None:
        random = np.random.default_rng(0)
        groups = np.repeat(np.arange(20_000), random.integers(1, 4, 20_000))
        of_group = random.random(20_000) < 0.8
        follows = random.random(len(groups)) < np.sqrt(alike)
        hits = np.where(follows, of_group[groups], random.random(len(groups)) < 0.8)
        assert intraclass_correlation(hits, groups) == pytest.approx(alike, abs=0.02)


class TestProportion:
    def test_of_single_images_is_wilsons(self) -> None:
        hits = np.array([True, True, False, True])
        assert proportion(hits, np.arange(4)) == wilson(3, 4)

    def test_of_no_image_is_none(self) -> None:
        assert proportion(np.empty(0, np.bool_), np.empty(0, np.int64)) is None

    def test_covers_the_truth_where_copies_are_right_and_wrong_together(self) -> None:
        random = np.random.default_rng(0)
        truth, covered, covered_naively = 0.8, 0, 0
        for _ in range(500):
            sizes = random.integers(1, 5, 60)
            hits = np.repeat(random.random(60) < truth, sizes)
            groups = np.repeat(np.arange(60), sizes)
            with_copies, naive = proportion(hits, groups), proportion(hits, np.arange(len(hits)))
            assert with_copies is not None
            assert naive is not None
            covered += with_copies.low <= truth <= with_copies.high
            covered_naively += naive.low <= truth <= naive.high
        assert 0.925 <= covered / 500 <= 0.985
        assert covered_naively / 500 < 0.85

    @pytest.mark.parametrize("alike", [0.0, 0.5])
    def test_covers_the_truth_where_copies_differ_and_is_not_too_wide(self, alike: float) -> None:
        random = np.random.default_rng(1)
        groups = np.repeat(np.arange(80), np.resize([1, 2, 4], 80))
        covered = 0
        for _ in range(500):
            follows = random.random(len(groups)) < np.sqrt(alike)
            each, of_group = random.random(len(groups)) < 0.8, random.random(80) < 0.8
            figure = proportion(np.where(follows, of_group[groups], each), groups)
            assert figure is not None
            covered += figure.low <= 0.8 <= figure.high
        assert 0.925 <= covered / 500 <= 0.975


def test_a_figure_shows_its_interval_and_its_number() -> None:
    assert str(Estimate(0.5, 0.25, 0.75, 12)) == "0.500  (0.250 to 0.750, n = 12)"


def hits(count: int, size: int) -> np.ndarray:
    return np.arange(size) < count


class TestPairedDifference:
    def test_has_its_closed_form(self) -> None:
        """Of 100 pairs 30 differ one way and 10 the other: Agresti and Min (2005)."""
        a, b = hits(30, 100), np.roll(hits(10, 100), 30)
        found = paired_difference(a, b, np.arange(100))
        assert found is not None
        assert found.value == pytest.approx(0.2)
        plus, minus, size = 30.5, 10.5, 102
        spread = np.sqrt((plus + minus) - (plus - minus) ** 2 / size) / size
        assert found.low == pytest.approx((plus - minus) / size - 1.959964 * spread, abs=2e-3)
        assert found.high == pytest.approx((plus - minus) / size + 1.959964 * spread, abs=2e-3)

    def test_no_difference_among_few_images_is_not_none_among_all(self) -> None:
        found = paired_difference(hits(30, 30), hits(30, 30), np.arange(30))
        assert found is not None
        assert found.value == 0
        assert found.low < -0.05
        assert found.high > 0.05

    def test_changes_its_sign_with_the_sides(self) -> None:
        a, b, groups = hits(30, 50), hits(20, 50), np.arange(50)
        one, two = paired_difference(a, b, groups), paired_difference(b, a, groups)
        assert one is not None
        assert two is not None
        assert (two.value, two.low, two.high) == pytest.approx((-one.value, -one.high, -one.low))

    def test_is_as_unsure_with_copies_as_without_them(self) -> None:
        a, b = hits(30, 60), hits(20, 60)
        single = paired_difference(a, b, np.arange(60))
        copied = paired_difference(np.repeat(a, 4), np.repeat(b, 4), np.repeat(np.arange(60), 4))
        assert single is not None
        assert copied is not None
        assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.1)

    def test_holds_the_truth_as_often_as_it_says(self) -> None:
        random = np.random.default_rng(0)
        held = []
        for _ in range(500):
            uniform = random.uniform(size=60)
            found = paired_difference(uniform < 0.9, random.uniform(size=60) < 0.8, np.arange(60))
            assert found is not None
            held.append(found.low <= 0.1 <= found.high)
        assert 0.925 <= np.mean(held) <= 0.985

    def test_takes_hits_that_are_averaged_over_repeats(self) -> None:
        found = paired_difference(np.full(40, 2 / 3), np.full(40, 0.5), np.arange(40))
        assert found is not None
        assert found.value == pytest.approx(1 / 6)

    def test_is_nothing_where_there_is_nothing(self) -> None:
        nothing = np.empty(0, np.int64)
        assert paired_difference(nothing, nothing, nothing) is None
