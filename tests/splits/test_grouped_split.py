"""Groups are assigned whole, by share, and reproducibly; subsamples depend on content alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.splits.grouped_split import (
    count_by_group,
    grouped_folds,
    random_ranks,
    sample_groups,
    split_groups,
)

SHARES = (0.7, 0.2, 0.1)
KEYS = [f"key{number}" for number in range(300)]


def keys(count: int) -> list[str]:
    return [f"key{number}" for number in range(count)]


def single(*class_sizes: int) -> np.ndarray:
    """Counts of groups of a single image."""
    return np.repeat(np.eye(len(class_sizes), dtype=np.int64), class_sizes, axis=0)


def images_by_part(counts: np.ndarray, parts: np.ndarray, num_parts: int = 3) -> list[list[int]]:
    """Number of images by part and class."""
    return [counts[parts == part].sum(axis=0).tolist() for part in range(num_parts)]


@st.composite
def group_counts(draw: st.DrawFn) -> np.ndarray:
    num_classes = draw(st.integers(1, 4))
    row = st.lists(st.integers(0, 6), min_size=num_classes, max_size=num_classes)
    return np.array(draw(st.lists(row, min_size=1, max_size=40)), np.int64)


def test_images_are_counted_by_group_and_class() -> None:
    labels, groups = np.array([0, 0, 1, 2]), np.array([1, 1, 1, 0])
    np.testing.assert_array_equal(count_by_group(labels, groups), [[0, 0, 1], [2, 1, 0]])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [2, 1, 0]),
        (5, [3, 1, 1]),
        (10, [7, 2, 1]),
        (11, [8, 2, 1]),
        (15, [10, 3, 2]),
        (300, [210, 60, 30]),
    ],
)
def test_single_images_end_on_the_nearest_whole_targets(size: int, expected: list[int]) -> None:
    counts = single(size)
    assert images_by_part(counts, split_groups(counts, keys(size), SHARES, seed=0)) == [
        [n] for n in expected
    ]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(0, 5))
def test_single_images_are_exact_in_every_class_at_once(sizes: list[int], seed: int) -> None:
    counts = single(*sizes)
    if not len(counts):
        return
    parts = split_groups(counts, keys(len(counts)), SHARES, seed=seed)
    for part, share in enumerate(SHARES):
        for label, size in enumerate(sizes):
            assert abs(counts[parts == part][:, label].sum() - share * size) < 1


@given(group_counts(), st.integers(0, 5))
def test_every_group_has_a_part_and_no_part_is_over_full_by_more_than_a_group(
    counts: np.ndarray, seed: int
) -> None:
    parts = split_groups(counts, keys(len(counts)), SHARES, seed=seed)
    assert set(parts) <= {0, 1, 2}
    largest = counts.sum(axis=1).max()
    sizes = counts.sum(axis=1)
    for part, share in enumerate(SHARES):
        over = sizes[parts == part].sum() - share * sizes.sum()
        # A group of several classes may fill up one class of a part while another overflows.
        assert over <= largest * counts.shape[1] + counts.shape[1]


@given(group_counts(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_groups_changes_nothing(
    counts: np.ndarray, seed: int, random: object
) -> None:
    names = keys(len(counts))
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    parts = split_groups(counts, names, SHARES, seed=seed)
    shuffled = split_groups(counts[order], [names[i] for i in order], SHARES, seed=seed)
    np.testing.assert_array_equal(shuffled, parts[order])


@given(group_counts(), st.data())
def test_fixed_groups_keep_their_part(counts: np.ndarray, data: st.DataObject) -> None:
    places = st.integers(0, len(counts) - 1)
    fixed = data.draw(st.dictionaries(places, st.integers(0, 2)))
    parts = split_groups(counts, keys(len(counts)), SHARES, seed=0, fixed=fixed)
    assert {group: parts[group] for group in fixed} == fixed


def test_new_groups_fill_up_what_the_fixed_ones_left() -> None:
    counts = single(100)
    parts = split_groups(counts, keys(100), SHARES, seed=0, fixed=dict.fromkeys(range(50), 0))
    assert images_by_part(counts, parts) == [[70], [20], [10]]


def test_large_groups_are_assigned_first_and_small_ones_even_out_the_shares() -> None:
    counts = np.array([[1]] * 60 + [[20]] * 2)
    for seed in range(20):
        assert images_by_part(counts, split_groups(counts, keys(62), SHARES, seed=seed)) == [
            [70],
            [20],
            [10],
        ]


def test_another_seed_gives_another_split() -> None:
    counts = single(50, 50)
    splits = {tuple(split_groups(counts, keys(100), SHARES, seed=seed)) for seed in range(10)}
    assert len(splits) == 10


def test_over_many_seeds_every_image_is_tested_equally_often() -> None:
    counts = single(20)
    tested = sum(split_groups(counts, keys(20), SHARES, seed=seed) == 2 for seed in range(1000))
    # Binomial with n=1000, p=0.1: 9.5 is the standard deviation.
    assert abs(tested - 100).max() < 45


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=5, max_size=80),
    st.integers(2, 5),
)
def test_folds_keep_groups_whole(images: list[tuple[int, int]], num_folds: int) -> None:
    labels = np.array([label for label, _ in images])
    groups = np.unique([group for _, group in images], return_inverse=True)[1]
    folds = grouped_folds(labels, groups, keys(groups.max() + 1), num_folds=num_folds, seed=0)
    assert set(folds) <= set(range(num_folds))
    for group in set(groups):
        assert len(set(folds[groups == group])) == 1


def test_folds_of_single_images_are_stratified() -> None:
    labels = np.repeat([0, 1], [50, 25])
    folds = grouped_folds(labels, np.arange(75), keys(75), num_folds=5, seed=0)
    for fold in range(5):
        assert np.bincount(labels[folds == fold]).tolist() == [10, 5]


def test_ranks_are_a_permutation() -> None:
    assert sorted(random_ranks(KEYS, seed=0)) == list(range(300))


def test_ranks_depend_on_the_keys_and_the_seed_alone() -> None:
    ranks, reversed_ranks = random_ranks(KEYS, seed=0), random_ranks(KEYS[::-1], seed=0)
    np.testing.assert_array_equal(ranks, reversed_ranks[::-1])
    assert (ranks != random_ranks(KEYS, seed=1)).any()


def test_ranks_do_not_correlate_with_the_order_of_the_groups() -> None:
    ranks = random_ranks(KEYS, seed=0)
    assert abs(np.corrcoef(ranks, np.arange(300))[0, 1]) < 0.2


def test_whole_groups_are_sampled_until_there_are_enough() -> None:
    groups = np.arange(300) // 3
    places = np.arange(10, 290)
    ranks = random_ranks(keys(100), seed=0)
    sampled = sample_groups(places, groups, ranks, most=50)
    assert 50 <= len(sampled) <= 52
    assert (np.diff(sampled) > 0).all()
    whole = np.isin(groups[places], groups[sampled])
    np.testing.assert_array_equal(places[whole], sampled)


def test_all_images_are_sampled_if_there_are_not_too_many() -> None:
    places = np.arange(5, 9)
    np.testing.assert_array_equal(
        sample_groups(places, np.arange(10), random_ranks(keys(10), seed=0), most=4), places
    )
