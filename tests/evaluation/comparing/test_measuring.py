"""Differences and their intervals: against chance, closed forms and the test itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.evaluation.comparing.aligned import Aligned
from candid.evaluation.comparing.compare import compare_aligned
from candid.evaluation.comparing.comparison import Compared, Pair
from candid.evaluation.estimate import proportion


def compared(hits: object, groups: object = None) -> Compared:
    rows = np.array(hits, np.bool_)
    units = np.arange(rows.shape[1]) if groups is None else np.array(groups, np.int64)
    names = "abcdef"[: len(rows)]
    return compare_aligned(Aligned("test", rows, units, ()), names)


def pair_of(only_first: int, only_second: int, both: int = 0) -> Pair:
    counts = [only_first, only_second, both]
    rows = [np.repeat([True, False, True], counts), np.repeat([False, True, True], counts)]
    return compared(rows).pairs[0]


def test_accuracies_are_those_of_evaluate() -> None:
    hits, groups = [[1, 1, 0, 1], [1, 0, 0, 0]], [3, 3, 8, 9]
    found = compared(hits, groups)
    assert found.accuracies == tuple(
        proportion(np.array(row, np.bool_), np.array(groups)) for row in hits
    )
    assert (found.num_images, found.num_pictures) == (4, 3)


def test_a_pair_says_who_alone_was_right_and_by_how_much() -> None:
    pair = pair_of(3, 9, 188)
    assert (pair.first, pair.second) == ("a", "b")
    assert (pair.only_first, pair.only_second) == (3, 9)
    assert pair.difference.value == pytest.approx(0.03)
    assert pair.difference.n == 200
    assert pair.difference.low < 0.03 < pair.difference.high


def test_every_run_is_held_against_every_later_one_and_p_is_corrected_for_it() -> None:
    hits = [[1] * 10 + [0] * 20, [1] * 20 + [0] * 10, [1] * 29 + [0]]
    found = compared(hits)
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    alone = [compared([hits[0], hits[1]]), compared([hits[0], hits[2]]), compared(hits[1:])]
    assert [pair.p for pair in found.pairs] == [one.pairs[0].p for one in alone]
    ranks = np.argsort(np.argsort([pair.p for pair in found.pairs]))
    assert [pair.p_corrected / pair.p for pair in found.pairs] == pytest.approx(3 - ranks)
    # A stricter level takes more photos.
    assert all(
        pair.photos_needed > one.pairs[0].photos_needed
        for pair, one in zip(found.pairs, alone, strict=True)
    )


class TestInterval:
    @pytest.mark.parametrize("both", [1, 5, 40])
    def test_of_runs_that_never_differ_is_that_of_tango(self, both: int) -> None:
        pair = pair_of(0, 0, both)
        half = 1.96**2 / (both + 1.96**2)
        assert (pair.difference.low, pair.difference.high) == pytest.approx((-half, half), rel=1e-3)
        assert (pair.difference.value, pair.p, pair.photos_needed) == (0, 1, None)

    def test_of_runs_that_always_differ_has_a_width_too(self) -> None:
        figure = pair_of(0, 10).difference
        assert (figure.value, figure.high) == (1, 1)
        assert figure.low == pytest.approx(10 / (10 + 1.96**2), rel=1e-3)

    def test_is_wider_where_the_images_are_copies(self) -> None:
        hits = [[1] * 12, [1] * 12]
        apart = compared(hits).pairs[0].difference
        tied = compared(hits, np.repeat(range(4), 3)).pairs[0].difference
        assert tied.high == pytest.approx(1.96**2 / (4 + 1.96**2), rel=1e-3)
        assert tied.high > apart.high

    @given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 60))
    def test_holds_0_where_the_test_does_not_exclude_it(
        self, only_first: int, only_second: int, both: int
    ) -> None:
        if only_first + only_second + both == 0:
            return
        pair = pair_of(only_first, only_second, both)
        figure = pair.difference
        assert -1 <= figure.low <= figure.value <= figure.high <= 1
        assert figure.low < figure.high
        if pair.p >= 0.05:
            assert figure.low <= 0 <= figure.high

    def test_is_the_same_every_time_and_mirrored_from_the_other_side(self) -> None:
        rng = np.random.default_rng(0)
        hits, groups = rng.random((2, 300)) < [[0.8], [0.85]], rng.integers(0, 200, 300)
        forward = compared(hits, groups).pairs[0].difference
        assert compared(hits, groups).pairs[0].difference == forward
        back = compared(hits[::-1], groups).pairs[0].difference
        assert (back.value, back.low, back.high) == (-forward.value, -forward.high, -forward.low)

    def test_holds_the_truth_about_as_often_as_it_says(self) -> None:
        rng = np.random.default_rng(0)
        held = 0
        for _ in range(300):
            groups = np.repeat(np.arange(120), rng.choice([1, 1, 2, 4], 120))
            hits = (rng.random((2, 120)) < [[0.75], [0.85]])[:, groups]
            figure = compared(hits, groups).pairs[0].difference
            held += figure.low <= 0.1 <= figure.high
        assert 0.90 <= held / 300 <= 0.99
