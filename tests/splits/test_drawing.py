"""Units are drawn by content: names, order and company have no say."""

from __future__ import annotations

import numpy as np

from candid.splits.grouped_split import random_ranks, sample_groups

KEYS = [f"unit{i}" for i in range(300)]


def test_ranks_are_an_order() -> None:
    assert sorted(random_ranks(KEYS, seed=0)) == list(range(300))


def test_ranks_follow_the_keys_and_the_seed_alone() -> None:
    ranks, reversed_ranks = random_ranks(KEYS, seed=0), random_ranks(KEYS[::-1], seed=0)
    np.testing.assert_array_equal(ranks, reversed_ranks[::-1])
    assert (ranks != random_ranks(KEYS, seed=1)).any()


def test_ranks_say_nothing_of_the_place() -> None:
    ranks = random_ranks(KEYS, seed=0)
    assert abs(np.corrcoef(ranks, np.arange(300))[0, 1]) < 0.2


def test_draws_whole_units_until_there_are_enough() -> None:
    units = np.arange(300) // 3
    places = np.arange(10, 290)
    ranks = random_ranks(KEYS[:100], seed=0)
    drawn = sample_groups(places, units, ranks, most=50)
    assert 50 <= len(drawn) <= 52
    assert (np.diff(drawn) > 0).all()
    whole = np.isin(units[places], units[drawn])
    np.testing.assert_array_equal(places[whole], drawn)


def test_draws_all_where_they_are_not_too_many() -> None:
    places = np.arange(5, 9)
    np.testing.assert_array_equal(
        sample_groups(places, np.arange(10), random_ranks(KEYS[:10], seed=0), most=4), places
    )
