"""What answering less often brings: the order in which answers are given up, and the figures."""

from __future__ import annotations

import numpy as np
import pytest

from candid.evaluation.estimate import proportion
from candid.evaluation.reliability import measure_answering
from candid.evaluation.scores import Predictions

SURE, UNCERTAIN, UNKNOWN = "sure", "uncertain", "unknown"


def predictions(probabilities: list[float], right: list[bool], groups: list[int] | None = None):
    """Of two classes, whose first is answered; it is the right one where it is said so."""
    first = np.array(probabilities, np.float32)
    both = np.stack([first, 1 - first], axis=1).reshape(-1, 2)
    n = len(first)
    return Predictions(
        tuple(map(str, range(n))),
        np.array([0 if is_right else 1 for is_right in right], np.int64),
        np.arange(n) if groups is None else np.array(groups, np.int64),
        np.zeros(n, np.int64),
        both,
        both,
    )


def test_unknown_photos_are_given_up_first_then_the_least_probable():
    found = predictions([0.99, 0.6, 0.9, 0.7], [False, True, True, True])
    verdicts = np.array([UNKNOWN, SURE, SURE, UNCERTAIN])
    order, steps = measure_answering(found, verdicts, most_steps=4)
    assert order.tolist() == [2, 1, 3, 0]
    assert [(s.count, s.verdict, round(s.least, 2)) for s in steps] == [
        (4, UNKNOWN, 0.99),
        (3, UNCERTAIN, 0.7),
        (2, SURE, 0.6),
        (1, SURE, 0.9),
    ]
    assert [s.accuracy.value for s in steps] == [0.75, 1, 1, 1]
    assert [s.coverage.value for s in steps] == [1, 0.75, 0.5, 0.25]


def test_the_first_step_is_the_accuracy_and_one_answers_when_it_is_sure():
    rng = np.random.default_rng(0)
    n = 500
    probabilities, right = rng.uniform(0.5, 1, n), rng.random(n) < 0.8
    verdicts = np.where(np.arange(n) % 7 < 4, SURE, UNCERTAIN)
    _, steps = measure_answering(predictions(list(probabilities), list(right)), verdicts)
    assert steps[0].accuracy == proportion(right, np.arange(n))
    assert (verdicts == SURE).sum() in [step.count for step in steps]
    assert len(steps) <= 61
    assert steps[-1].count == n // 10


def test_copies_of_a_picture_widen_the_interval():
    right = [True] * 6 + [False] * 6
    apart = predictions([0.9] * 12, right)
    copies = predictions([0.9] * 12, right, [0] * 6 + [1] * 6)
    verdicts = np.full(12, "")
    (_, [first, *_]), (_, [second, *_]) = (measure_answering(p, verdicts) for p in (apart, copies))
    assert first.accuracy.value == second.accuracy.value
    assert second.accuracy.high - second.accuracy.low > first.accuracy.high - first.accuracy.low


@pytest.mark.parametrize("num", [0, 1])
def test_hardly_any_photo_is_no_error(num: int):
    order, steps = measure_answering(predictions([0.9] * num, [True] * num), np.full(num, ""))
    assert (len(order), len(steps)) == (num, num)
