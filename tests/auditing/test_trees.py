"""Trees are scikit-learn's, up to their random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.tree import DecisionTreeClassifier

from candid.auditing import trees
from candid.auditing.trees import cross_predict

Photos = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def draw(number: int, num_values: int, num_classes: int, *, steps: int, seed: int) -> Photos:
    """Values that tell some classes apart, many of them equal if there are few steps; folds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=number)
    rows = rng.normal(size=(number, num_values))
    rows[:, 0] += 2 * (labels % 3)
    rows[:, -1] *= 1 + labels
    return np.round(rows * steps).astype(np.float32), labels, rng.integers(5, size=number)


def by_scikit_learn(
    photos: Photos, model: DecisionTreeClassifier | ExtraTreesClassifier
) -> NDArray[np.int64]:
    rows, labels, folds = photos
    predicted = np.empty_like(labels)
    for fold in range(5):
        model.fit(rows[folds != fold], labels[folds != fold])
        predicted[folds == fold] = model.predict(rows[folds == fold])
    return predicted


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("number", "num_classes", "steps"), [(60, 2, 1), (300, 2, 50), (900, 7, 3), (900, 7, 1000)]
)
def test_a_property_alone_is_judged_by_the_tree_of_scikit_learn(
    number: int, num_classes: int, steps: int, seed: int
) -> None:
    photos = draw(number, 1, num_classes, steps=steps, seed=seed)
    tree = DecisionTreeClassifier(max_leaf_nodes=2 * num_classes, min_samples_leaf=10)
    expected = by_scikit_learn(photos, tree)
    predicted = cross_predict(*photos, num_classes=num_classes, alone=True)
    np.testing.assert_array_equal(predicted, expected)


def test_the_value_that_gains_most_splits() -> None:
    rows, labels, folds = draw(400, 3, 3, steps=1000, seed=0)
    shuffled = np.random.default_rng(1).permuted(rows[:, 1:], axis=0)
    photos = np.column_stack([shuffled, rows[:, 0]]), labels, folds
    tree = DecisionTreeClassifier(max_leaf_nodes=6, min_samples_leaf=10)
    predicted = cross_predict(*photos, num_classes=3, alone=True)
    np.testing.assert_array_equal(predicted, by_scikit_learn(photos, tree))


@pytest.mark.parametrize(
    ("num_values", "num_classes", "steps", "constant"), [(4, 2, 100, 0), (7, 4, 2, 0), (8, 3, 9, 6)]
)
def test_trees_together_are_as_right_as_those_of_scikit_learn(
    num_values: int, num_classes: int, steps: int, constant: int
) -> None:
    rows, labels, folds = draw(400, num_values, num_classes, steps=steps, seed=0)
    rows[:, 1 : 1 + constant] = 1
    ours = cross_predict(rows, labels, folds, num_classes=num_classes, alone=False)
    model = ExtraTreesClassifier(100, min_samples_leaf=3, random_state=0)
    theirs = by_scikit_learn((rows, labels, folds), model)
    assert (ours == theirs).mean() > 0.88
    assert (ours == labels).mean() == pytest.approx((theirs == labels).mean(), abs=0.03)
    assert (ours == labels).mean() > 0.6


@pytest.mark.parametrize("alone", [True, False])
def test_the_order_of_the_photos_makes_no_difference(alone: bool) -> None:
    photos = draw(200, 2, 3, steps=5, seed=0)
    order = np.random.default_rng(1).permutation(200)
    predicted = cross_predict(*photos, num_classes=3, alone=alone)
    again = cross_predict(*(part[order] for part in photos), num_classes=3, alone=alone)
    np.testing.assert_array_equal(again, predicted[order])


@pytest.mark.parametrize("alone", [True, False])
def test_equal_values_tell_nothing(alone: bool) -> None:
    labels = np.array([0, 1, 1] * 20)
    rows, folds = np.ones((60, 2), np.float32), np.arange(60) % 5
    assert (cross_predict(rows, labels, folds, num_classes=2, alone=alone) == 1).all()


def test_few_trees_grow_at_once_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels, folds = draw(150, 2, 20, steps=1000, seed=0)
    rows[:, 0] = labels
    shares = []
    for at_once in (trees._AT_ONCE, 10_000):
        monkeypatch.setattr(trees, "_AT_ONCE", at_once)
        predicted = cross_predict(rows, labels, folds, num_classes=20, alone=False)
        shares.append((predicted == labels).mean())
    assert shares[0] == pytest.approx(shares[1], abs=0.1)
    assert min(shares) > 0.3
