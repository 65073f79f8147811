"""A paired difference is sure of what many pairs show, and of nothing that few do."""

from __future__ import annotations

import numpy as np
import pytest

from candid.evaluation.estimate import paired_difference


def hits(count: int, size: int) -> np.ndarray:
    return np.arange(size) < count


def test_has_its_closed_form() -> None:
    """30 pairs that differ one way, 10 the other way, of 100: Agresti and Min's (2005) figures."""
    a, b = hits(30, 100), np.roll(hits(10, 100), 30)
    found = paired_difference(a, b, np.arange(100))
    assert found is not None
    assert found.value == pytest.approx(0.2)
    plus, minus, size = 30.5, 10.5, 102
    spread = np.sqrt((plus + minus) - (plus - minus) ** 2 / size) / size
    assert found.low == pytest.approx((plus - minus) / size - 1.959964 * spread, abs=2e-3)
    assert found.high == pytest.approx((plus - minus) / size + 1.959964 * spread, abs=2e-3)


def test_no_difference_among_few_images_is_not_none_among_all() -> None:
    found = paired_difference(hits(30, 30), hits(30, 30), np.arange(30))
    assert found is not None
    assert found.value == 0
    assert found.low < -0.05
    assert found.high > 0.05


def test_changes_its_sign_with_the_sides() -> None:
    a, b, groups = hits(30, 50), hits(20, 50), np.arange(50)
    one, two = paired_difference(a, b, groups), paired_difference(b, a, groups)
    assert one is not None
    assert two is not None
    assert (two.value, two.low, two.high) == pytest.approx((-one.value, -one.high, -one.low))


def test_is_as_unsure_with_copies_as_without_them() -> None:
    a, b = hits(30, 60), hits(20, 60)
    single = paired_difference(a, b, np.arange(60))
    copied = paired_difference(np.repeat(a, 4), np.repeat(b, 4), np.repeat(np.arange(60), 4))
    assert single is not None
    assert copied is not None
    assert copied.high - copied.low == pytest.approx(single.high - single.low, rel=0.1)


def test_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(500):
        uniform = random.uniform(size=60)
        found = paired_difference(uniform < 0.9, random.uniform(size=60) < 0.8, np.arange(60))
        assert found is not None
        held.append(found.low <= 0.1 <= found.high)
    assert 0.925 <= np.mean(held) <= 0.985


def test_takes_hits_that_are_averaged_over_repeats() -> None:
    found = paired_difference(np.full(40, 2 / 3), np.full(40, 0.5), np.arange(40))
    assert found is not None
    assert found.value == pytest.approx(1 / 6)


def test_is_nothing_where_there_is_nothing() -> None:
    nothing = np.empty(0, np.int64)
    assert paired_difference(nothing, nothing, nothing) is None
