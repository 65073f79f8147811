"""Threads work a bounded number of items ahead; results come in order."""

from __future__ import annotations

import time

import pytest

from candid.core.threads import map_ahead


def test_results_are_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (item % 3))
        return item * 2

    assert list(map_ahead(work, range(20), num_ahead=5)) == [item * 2 for item in range(20)]
    assert list(map_ahead(work, [], num_ahead=5)) == []


def test_no_more_items_are_read_ahead_than_allowed() -> None:
    taken: list[int] = []
    results = map_ahead(str, (taken.append(item) or item for item in range(100)), num_ahead=4)
    assert next(results) == "0"
    assert taken == [0, 1, 2, 3]
    assert next(results) == "1"
    assert taken == [0, 1, 2, 3, 4]


def test_an_error_is_raised_in_order_and_cancels_queued_items() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ValueError("one")
        time.sleep(0.2)
        return item

    results = map_ahead(work, range(1000), num_ahead=500)
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    assert len(begun) < 500
