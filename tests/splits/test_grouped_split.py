"""Units are dealt whole, by share, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.splits.grouped_split import count_by_group, grouped_folds, split_groups

SHARES = (0.7, 0.2, 0.1)


def keys(count: int) -> list[str]:
    return [f"key{number}" for number in range(count)]


def single(*class_sizes: int) -> np.ndarray:
    """Counts of units that are single images."""
    return np.repeat(np.eye(len(class_sizes), dtype=np.int64), class_sizes, axis=0)


def dealt(counts: np.ndarray, parts: np.ndarray, num_parts: int = 3) -> list[list[int]]:
    """Images a part and class."""
    return [counts[parts == part].sum(axis=0).tolist() for part in range(num_parts)]


@st.composite
def units(draw: st.DrawFn) -> np.ndarray:
    num_classes = draw(st.integers(1, 4))
    row = st.lists(st.integers(0, 6), min_size=num_classes, max_size=num_classes)
    return np.array(draw(st.lists(row, min_size=1, max_size=40)), np.int64)


def test_images_are_counted_by_unit_and_class() -> None:
    labels, of = np.array([0, 0, 1, 2]), np.array([1, 1, 1, 0])
    np.testing.assert_array_equal(count_by_group(labels, of), [[0, 0, 1], [2, 1, 0]])


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
    assert dealt(counts, split_groups(counts, keys(size), SHARES, seed=0)) == [
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


@given(units(), st.integers(0, 5))
def test_every_unit_has_a_part_and_no_part_is_over_full_by_more_than_a_unit(
    counts: np.ndarray, seed: int
) -> None:
    parts = split_groups(counts, keys(len(counts)), SHARES, seed=seed)
    assert set(parts) <= {0, 1, 2}
    largest = counts.sum(axis=1).max()
    sizes = counts.sum(axis=1)
    for part, share in enumerate(SHARES):
        over = sizes[parts == part].sum() - share * sizes.sum()
        # A unit of several classes may fill one class of a part up while another overflows.
        assert over <= largest * counts.shape[1] + counts.shape[1]


@given(units(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_units_changes_nothing(
    counts: np.ndarray, seed: int, random: object
) -> None:
    names = keys(len(counts))
    order = list(range(len(counts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    parts = split_groups(counts, names, SHARES, seed=seed)
    shuffled = split_groups(counts[order], [names[i] for i in order], SHARES, seed=seed)
    np.testing.assert_array_equal(shuffled, parts[order])


@given(units(), st.data())
def test_fixed_units_stay_where_they_are(counts: np.ndarray, data: st.DataObject) -> None:
    places = st.integers(0, len(counts) - 1)
    fixed = data.draw(st.dictionaries(places, st.integers(0, 2)))
    parts = split_groups(counts, keys(len(counts)), SHARES, seed=0, fixed=fixed)
    assert {unit: parts[unit] for unit in fixed} == fixed


def test_new_units_fill_up_what_the_fixed_ones_left() -> None:
    counts = single(100)
    parts = split_groups(counts, keys(100), SHARES, seed=0, fixed=dict.fromkeys(range(50), 0))
    assert dealt(counts, parts) == [[70], [20], [10]]


def test_large_units_come_first_and_small_ones_even_it_out() -> None:
    counts = np.array([[1]] * 60 + [[20]] * 2)
    for seed in range(20):
        assert dealt(counts, split_groups(counts, keys(62), SHARES, seed=seed)) == [
            [70],
            [20],
            [10],
        ]


def test_another_seed_is_another_deal() -> None:
    counts = single(50, 50)
    deals = {tuple(split_groups(counts, keys(100), SHARES, seed=seed)) for seed in range(10)}
    assert len(deals) == 10


def test_over_many_seeds_every_image_is_tested_equally_often() -> None:
    counts = single(20)
    tested = sum(split_groups(counts, keys(20), SHARES, seed=seed) == 2 for seed in range(1000))
    # Binomial with n=1000, p=0.1: 9.5 is the standard deviation.
    assert abs(tested - 100).max() < 45


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=5, max_size=80),
    st.integers(2, 5),
)
def test_folds_keep_units_whole(images: list[tuple[int, int]], num_folds: int) -> None:
    labels = np.array([label for label, _ in images])
    of = np.unique([unit for _, unit in images], return_inverse=True)[1]
    folds = grouped_folds(labels, of, keys(of.max() + 1), num_folds=num_folds, seed=0)
    assert set(folds) <= set(range(num_folds))
    for unit in set(of):
        assert len(set(folds[of == unit])) == 1


def test_folds_of_single_images_are_stratified() -> None:
    labels = np.repeat([0, 1], [50, 25])
    folds = grouped_folds(labels, np.arange(75), keys(75), num_folds=5, seed=0)
    for fold in range(5):
        assert np.bincount(labels[folds == fold]).tolist() == [10, 5]
