"""Holm's correction against a worked example and its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.evaluation.comparing.paired_tests import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_gives_the_values_of_r() -> None:
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    expected = (0.05, 0.08, 0.09, 0.09, 0.09)
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx(expected)


def test_one_comparison_needs_no_correction() -> None:
    assert holm([0.04]) == (0.04,)


@given(P_VALUES)
def test_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    rejected = []
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - rank) >= 0.05:
            break
        rejected.append(place)
    assert sorted(rejected) == [i for i, p in enumerate(holm(p_values)) if p < 0.05]


@given(P_VALUES, st.randoms(use_true_random=False))
def test_is_in_the_order_of_what_it_was_given(p_values: list[float], random: object) -> None:
    order = list(range(len(p_values)))
    random.shuffle(order)
    corrected = holm(p_values)
    assert holm([p_values[place] for place in order]) == tuple(corrected[p] for p in order)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))


def test_finds_anything_where_nothing_is_there_as_rarely_as_one_test() -> None:
    p_values = np.random.default_rng(0).random((4000, 6))
    assert 0.035 < np.mean([min(holm(row)) < 0.05 for row in p_values.tolist()]) < 0.06
    assert np.mean(p_values.min(axis=1) < 0.05) > 0.2
