"""Threads work a bounded number of items ahead; results come in order."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import NoReturn

import pytest

from candid.core.threads import go_on, joint_pool, map_ahead


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


def until_ended(begun: list[object]) -> None:
    """A job that would take a minute if it didn't stop where it may."""
    go_on()
    begun.append(0)
    for _ in range(6000):
        go_on()
        time.sleep(0.01)


def press_ctrl_c(begun: list[object]) -> NoReturn:
    while not begun:
        time.sleep(0.001)
    raise KeyboardInterrupt


class TestAJointPool:
    def test_begins_no_job_after_ctrl_c_and_ends_those_in_progress(self) -> None:
        begun: list[object] = []
        jobs: list[Future[None]] = []

        def run() -> None:
            with joint_pool(1) as pool:
                jobs.extend(pool.submit(until_ended, begun) for _ in range(3))
                press_ctrl_c(begun)

        with pytest.raises(KeyboardInterrupt):
            run()
        assert len(begun) == 1
        assert [job.cancelled() for job in jobs] == [False, True, True]

    def test_raises_the_first_error_though_it_waits_for_another_job(self) -> None:
        def fail() -> None:
            with joint_pool(1) as inner:
                inner.submit(int, "one").result()

        def run() -> None:
            with joint_pool(2) as pool:
                waiting = pool.submit(until_ended, [])
                pool.submit(fail)
                waiting.result()

        with pytest.raises(ValueError, match="one"):
            run()

    def test_ends_the_pools_within_its_jobs(self) -> None:
        begun: list[object] = []

        def nested() -> None:
            with joint_pool(1) as inner:
                list(inner.map(until_ended, [begun] * 3))

        def run() -> None:
            with joint_pool(1) as pool:
                pool.submit(nested)
                press_ctrl_c(begun)

        with pytest.raises(KeyboardInterrupt):
            run()
        assert len(begun) == 1

    def test_leaves_the_next_one_alone(self) -> None:
        with pytest.raises(KeyboardInterrupt), joint_pool(1):
            raise KeyboardInterrupt
        go_on()
        with joint_pool(2) as pool:
            assert list(pool.map(int, "123")) == [1, 2, 3]
