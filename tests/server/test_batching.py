"""Waiting images are batched where they fit, and every job gets an answer."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from candid.runs.prediction import Prediction
from candid.server.batching import MAX_BATCH, Batcher, Job

PIXELS = np.zeros((2, 2, 3), np.uint8)


class Counting:
    """A classifier that answers with the number of images it was asked at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.go_on = threading.Event()
        self.has_begun = threading.Event()

    def predict_pixels(self, pixels: np.ndarray, *, explain: bool) -> list[Prediction]:
        self.has_begun.set()
        assert self.go_on.wait(20)
        self.batches.append(len(pixels))
        if explain:
            raise RuntimeError("it can't")
        return [Prediction("", str(len(pixels)), 1.0, {})] * len(pixels)


def job(classifier: Any, *, explain: bool = False) -> Job:
    return Job(classifier, PIXELS, explain)


def test_what_waits_is_asked_together() -> None:
    classifier = Counting()
    batcher = Batcher(1)
    answers = [batcher.submit(job(classifier))]
    assert classifier.has_begun.wait(20)
    answers += [batcher.submit(job(classifier)) for _ in range(2 * MAX_BATCH)]
    classifier.go_on.set()
    assert [answer.result(20).label for answer in answers] == ["1", *["2"] * (2 * MAX_BATCH)]
    assert classifier.batches == [1, MAX_BATCH, MAX_BATCH]
    batcher.stop()


def test_what_asks_something_else_is_asked_alone() -> None:
    one, other = Counting(), Counting()
    batcher = Batcher(1)
    first = batcher.submit(job(one))
    assert one.has_begun.wait(20)
    answers = [batcher.submit(job(who)) for who in (one, other, one)]
    one.go_on.set()
    other.go_on.set()
    assert [answer.result(20).label for answer in (first, *answers)] == ["1"] * 4
    batcher.stop()


def test_an_error_reaches_those_who_wait_and_nobody_else() -> None:
    classifier = Counting()
    classifier.go_on.set()
    batcher = Batcher(2)
    with pytest.raises(RuntimeError, match="it can't"):
        batcher.submit(job(classifier, explain=True)).result(20)
    assert batcher.submit(job(classifier)).result(20).label == "1"
    assert batcher.is_alive
    batcher.stop()
    assert not batcher.is_alive


def test_who_no_longer_waits_is_not_asked_about() -> None:
    classifier = Counting()
    batcher = Batcher(1)
    batcher.submit(job(classifier))
    assert classifier.has_begun.wait(20)
    given_up = batcher.submit(job(classifier))
    assert given_up.cancel()
    classifier.go_on.set()
    batcher.stop()
    assert classifier.batches == [1]


def test_a_stop_answers_what_waits() -> None:
    classifier = Counting()
    batcher = Batcher(1)
    answers = [batcher.submit(job(classifier)) for _ in range(5)]
    classifier.go_on.set()
    batcher.stop()
    assert all(answer.done() for answer in answers)
