"""Leak tax: a random split overstates accuracy only if there are copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from candid.evaluation.estimate import wilson
from candid.evaluation.leak_tax import (
    NUM_SPLITS,
    LeakTax,
    measure_leak_tax,
    naive_hits,
    unpaired_tax,
)
from candid.models.recipes.cross_validation import cross_validate, cross_validate_all
from candid.splits.grouped_split import Labelled


def noise(*, num_groups: int = 60, copies: int = 3, num_features: int = 80) -> Labelled:
    """Embeddings independent of the label; the copies of a group are equal in both."""
    random = np.random.default_rng(1)
    rows = np.repeat(random.normal(size=(num_groups, num_features)), copies, axis=0)
    labels = np.repeat(np.arange(num_groups) % 2, copies)
    units = np.repeat(np.arange(num_groups), copies)
    return Labelled(rows.astype(np.float32), labels, units, [f"u{u}" for u in range(num_groups)], 2)


def honest_hits(data: Labelled) -> np.ndarray:
    probabilities = cross_validate(data)
    assert probabilities is not None
    return probabilities.argmax(axis=1) == data.labels


def measured(data: Labelled, *, seed: int = 0) -> LeakTax:
    naive = naive_hits(data, seed=seed, predict=cross_validate_all)
    tax = measure_leak_tax(data, honest_hits(data), naive)
    assert tax is not None
    return tax


def test_separated_copies_predict_labels_that_are_pure_noise() -> None:
    tax = measured(noise())
    assert tax.honest.value < 0.65
    assert tax.naive.value > 0.8
    assert tax.tax.value == pytest.approx(tax.naive.value - tax.honest.value)
    assert tax.tax.low > 0.1
    assert (tax.estimate, tax.num_copies) == ("5-fold", 120)


def test_without_copies_both_are_one_and_nothing_is_fitted() -> None:
    data = noise(copies=1)
    hits = honest_hits(data)
    naive = naive_hits(data, seed=0, predict=lambda _: pytest.fail("nothing to fit"))
    tax = measure_leak_tax(data, hits, naive)
    assert tax is not None
    assert tax.naive == tax.honest
    assert tax.honest.value == hits.mean()
    assert (tax.tax.value, tax.tax.low, tax.tax.high) == (0, 0, 0)


class Recorder:
    """A cross-validation that records what it is called with."""

    def __init__(self) -> None:
        self.splits: list[Labelled] = []

    def __call__(self, sets: Sequence[Labelled]) -> list[np.ndarray]:
        self.splits += sets
        return [np.eye(2, dtype=np.float32)[np.zeros(len(each.labels), int)] for each in sets]


def splits_of(data: Labelled, *, seed: int = 0) -> list[Labelled]:
    recorder = Recorder()
    naive_hits(data, seed=seed, predict=recorder)
    return recorder.splits


def test_every_image_is_a_group_of_its_own_with_a_key_of_its_own() -> None:
    for split in splits_of(noise()):
        assert len(np.unique(split.groups)) == len(set(split.group_keys)) == 180


def test_a_split_depends_on_contents_and_not_on_order() -> None:
    data = noise(copies=2)
    order = np.random.default_rng(4).permutation(120)
    shuffled = Labelled(
        data.embeddings[order], data.labels[order], data.groups[order], data.group_keys, 2
    )
    for one, two in zip(splits_of(data), splits_of(shuffled), strict=True):
        assert sorted(one.group_keys) == sorted(two.group_keys)


def test_few_images_are_split_several_times_and_each_time_differently() -> None:
    keys = [tuple(split.group_keys) for seed in (0, 1) for split in splits_of(noise(), seed=seed)]
    assert len(set(keys)) == 2 * NUM_SPLITS
    assert len(splits_of(noise(num_groups=600, copies=2, num_features=2))) == 1


def test_splits_have_as_many_folds_as_the_groups_allow() -> None:
    data = noise(num_groups=6, copies=4)
    assert [split.num_folds() for split in splits_of(data)] == [3] * NUM_SPLITS
    assert measured(data).estimate == "3-fold"


def test_there_is_none_where_there_is_no_cross_validation() -> None:
    data = noise(num_groups=2, copies=5)
    hits = data.labels == 0
    assert naive_hits(data, seed=0, predict=cross_validate_all) is None
    assert measure_leak_tax(data, hits, None) is None
    assert naive_hits(noise(), seed=0, predict=lambda _: None) is None
    assert measure_leak_tax(noise(), noise().labels == 0, None) is None


class TestUnpairedTax:
    def test_the_interval_is_newcombes(self) -> None:
        """The example (a) of Newcombe (1998), method 10: 56/70 and 48/80."""
        tax = unpaired_tax(
            wilson(56, 70), wilson(48, 80), estimate="test part", num_copies=3, num_images=150
        )
        assert tax is not None
        assert tax.tax.value == pytest.approx(0.2)
        assert (tax.tax.low, tax.tax.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
        assert (tax.estimate, tax.num_copies) == ("test part", 3)

    def test_without_a_figure_there_is_none(self) -> None:
        one = wilson(1, 2)
        for naive, honest in ((None, one), (one, None)):
            assert (
                unpaired_tax(naive, honest, estimate="test part", num_copies=0, num_images=2)
                is None
            )
