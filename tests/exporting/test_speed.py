"""The speed of an export: by the median call, and within a bounded time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from candid.exporting import speed
from candid.exporting.speed import Speed, measure_speed

PIXELS = np.zeros((2, 4, 4, 3), np.uint8)


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances by what `run` says, in seconds."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return now


def test_it_is_the_median_of_the_calls_after_the_first_few(clock):
    durations = itertools.chain([9.0, 0.0, 0.0], itertools.cycle([0.25, 0.5, 0.25]))
    seen = []

    def run(pixels):
        seen.append(pixels.shape)
        clock[0] += next(durations) / 100

    found = measure_speed(run, PIXELS)
    assert (round(found.images_per_s, 6), found.num_calls) == (400, 25)
    assert seen == [(1, 4, 4, 3)] * 28


@pytest.mark.parametrize(("seconds", "num_calls"), [(10.0, 1), (0.9, 1), (0.5, 4)])
def test_a_slow_model_is_asked_less_often(clock, seconds, num_calls):
    def run(_):
        clock[0] += seconds

    found = measure_speed(run, PIXELS)
    assert found.images_per_s == pytest.approx(1 / seconds)
    assert found.num_calls == num_calls


def test_it_is_told_in_a_line():
    assert Speed(41.26, 25).to_text() == (
        "Speed on this machine: 41.3 images per second, one a call (median of 25 calls)."
    )
