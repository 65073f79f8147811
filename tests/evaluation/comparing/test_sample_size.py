"""The number of photos against published values and against McNemar's test itself."""

from __future__ import annotations

import numpy as np
import pytest

from candid.evaluation.comparing.paired_tests import mcnemar, photos_needed


@pytest.mark.parametrize(
    ("only_a", "only_b", "expected"),
    # Connor, Biometrics 43 (1987), p. 209, as two calculators give it
    [(0.45, 0.05, 23), (0.30, 0.15, 155)],
)
def test_gives_the_published_numbers(only_a: float, only_b: float, expected: int) -> None:
    assert photos_needed(difference=only_a - only_b, discordant=only_a + only_b) == expected


def test_does_not_depend_on_which_is_better() -> None:
    forward = photos_needed(difference=0.03, discordant=0.1)
    assert photos_needed(difference=-0.03, discordant=0.1) == forward


def test_a_stricter_level_and_a_smaller_difference_take_more() -> None:
    plain = photos_needed(difference=0.05, discordant=0.1)
    assert photos_needed(difference=0.05, discordant=0.1, level=0.05 / 3) > plain
    assert photos_needed(difference=0.04, discordant=0.1) > plain


def test_with_as_many_the_test_sees_the_difference_as_often_as_was_asked() -> None:
    n = photos_needed(difference=0.06, discordant=0.14)
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(2000):
        drawn = rng.choice(3, n, p=[0.10, 0.04, 0.86])
        seen += mcnemar(drawn != 0, drawn != 1, np.arange(n)) < 0.05
    assert 0.76 < seen / 2000 < 0.84


def test_all_photos_may_differ_in_one_direction() -> None:
    assert photos_needed(difference=1.0, discordant=1.0) == 4
