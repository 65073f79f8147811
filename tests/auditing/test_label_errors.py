"""Wrong labels are found in simulated clusters of embeddings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray

from candid.auditing.label_errors import combine_copies, find_label_errors, flag
from candid.models.recipes.cross_validation import predict_held_out
from candid.models.recipes.logistic import softmax
from candid.splits.grouped_split import Labelled
from candid.splits.split import in_two_classes


def draw(*, per_class: int = 60, num_classes: int = 3, copies: int = 1, seed: int = 0) -> Labelled:
    """Clusters that overlap a little, with ``copies`` noisy photos per picture."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), per_class)
    centres = rng.normal(size=(num_classes, 16)) * 1.2
    pictures = centres[labels] + rng.normal(size=(len(labels), 16))
    units = np.repeat(np.arange(len(labels)), copies)
    rows = pictures[units] + 0.05 * rng.normal(size=(len(units), 16))
    keys = [f"{number:04}" for number in range(len(labels))]
    return Labelled(rows.astype(np.float32), labels[units], units, keys, num_classes)


def mislabel(data: Labelled, indices: NDArray[np.int64]) -> Labelled:
    labels = data.labels.copy()
    labels[indices] = (labels[indices] + 1) % data.num_classes
    return dataclasses.replace(data, labels=labels)


def test_wrong_labels_have_the_lowest_quality() -> None:
    indices = np.arange(0, 180, 20)
    errors = find_label_errors(mislabel(draw(), indices))
    assert errors is not None
    assert len(set(np.argsort(errors.quality)[: len(indices)]) & set(indices)) >= 8
    assert errors.flagged[indices].sum() >= 8
    assert errors.flagged.sum() <= 14


def test_right_labels_of_clear_classes_are_not_flagged() -> None:
    data = draw()
    apart = dataclasses.replace(
        data, embeddings=data.embeddings + 20 * np.eye(16, dtype=np.float32)[data.labels]
    )
    errors = find_label_errors(apart)
    assert errors is not None
    assert not errors.flagged.any()


def test_the_most_probable_class_is_the_right_one() -> None:
    data, indices = draw(), np.arange(0, 180, 20)
    errors = find_label_errors(mislabel(data, indices))
    assert errors is not None
    assert (errors.probabilities.argmax(axis=1) == data.labels)[indices].mean() > 0.8
    np.testing.assert_allclose(errors.probabilities.sum(axis=1), 1)


def test_the_same_photos_give_the_same_answer_in_any_order() -> None:
    data = mislabel(draw(), np.arange(0, 180, 20))
    order = np.random.default_rng(1).permutation(len(data.labels))
    first, second = find_label_errors(data), find_label_errors(data.take(order))
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.quality[order], second.quality, atol=0.02)


def test_a_copy_with_another_label_is_outvoted() -> None:
    data = draw(copies=3)
    wrong = mislabel(data, np.array([0]))
    assert in_two_classes(wrong.labels, wrong.groups)[:4].tolist() == [True, True, True, False]
    errors = find_label_errors(wrong)
    assert errors is not None
    assert errors.quality[0] < 0.01
    assert errors.quality[1] > errors.quality[0]


def test_a_vote_multiplies_the_odds() -> None:
    even = np.full((3, 2), 0.5, np.float32)
    data = Labelled(
        np.zeros((3, 1), np.float32), np.array([0, 1, 1]), np.array([0, 0, 1]), ["a", "b"], 2
    )
    believed = combine_copies(even, data)  # the first two show one picture, in two classes
    np.testing.assert_allclose(believed, [[0.05, 0.95], [0.95, 0.05], [0.5, 0.5]], atol=1e-9)


def test_copies_with_the_same_label_add_no_votes() -> None:
    even = np.full((2, 2), 0.5, np.float32)
    data = Labelled(np.zeros((2, 1), np.float32), np.array([0, 0]), np.array([0, 0]), ["a"], 2)
    np.testing.assert_allclose(combine_copies(even, data), even)


def test_a_class_of_one_picture_can_not_be_judged() -> None:
    data = draw(per_class=3)
    alone = dataclasses.replace(data, labels=np.array([0, 0, 0, 1, 1, 1, 2, 0, 0]))
    assert find_label_errors(alone) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("number", "num_classes"), [(40, 2), (60, 5), (400, 2), (600, 7)])
def test_what_is_flagged_is_what_cleanlab_flags(
    number: int, num_classes: int, dtype: type[np.floating]
) -> None:
    num_flagged = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        truth = rng.integers(rng.integers(num_classes, size=number) + 1)  # some classes are rare
        truth[: 2 * num_classes] = np.tile(np.arange(num_classes), 2)
        scores = (
            rng.normal(size=(number, num_classes)) + 3 * rng.random() * np.eye(num_classes)[truth]
        )
        probabilities = softmax(scores).astype(dtype)
        labels = np.where(rng.random(number) < 0.1, rng.integers(num_classes, size=number), truth)
        expected = find_label_issues(labels, probabilities, n_jobs=1)
        np.testing.assert_array_equal(flag(labels, probabilities), expected)
        num_flagged += expected.sum()
    assert num_flagged > 10


def test_a_class_that_would_lose_all_its_photos_keeps_them_as_in_cleanlab() -> None:
    labels = np.repeat([0, 1, 2], [2, 20, 20])
    truth = np.repeat([1, 2, 1, 2], [1, 1, 20, 20])
    probabilities = softmax(5 * np.eye(3)[truth])
    expected = find_label_issues(labels, probabilities, n_jobs=1)
    assert not expected.any()
    np.testing.assert_array_equal(flag(labels, probabilities), expected)


def test_a_photo_is_predicted_without_its_own_label() -> None:
    data = draw()
    everything = np.ones(len(data.labels), np.bool_)
    before = predict_held_out(data, seeds=[0, 1], strength=10, learn_from=everything)
    # Folds depend on the labels, so these are fixed and only `learn_from` changes.
    without = everything.copy()
    without[0] = False
    after = predict_held_out(data, seeds=[0, 1], strength=10, learn_from=without)
    np.testing.assert_allclose(before[0], after[0], atol=1e-6)
    assert np.abs(before[1:] - after[1:]).max() > 1e-4


def test_repeats_are_averaged() -> None:
    data = draw()
    everything = np.ones(len(data.labels), np.bool_)
    one, two, both = (
        predict_held_out(data, seeds=seeds, strength=10, learn_from=everything)
        for seeds in ([0], [1], [0, 1])
    )
    np.testing.assert_allclose((one + two) / 2, both, atol=1e-6)
