"""Decision trees on a few numbers of each photo: how well do they tell the class?

All trees grow level by level in arrays. scikit-learn's are as fast and as good (the tests compare),
but take a second to import.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_NUM_TREES: Final = 100
_LEAST_IN_LEAF: Final = 3
_LEAST_IN_LEAF_ALONE: Final = 10
_AT_ONCE: Final = 500_000  # rows of the trees that grow together; fewer with many classes
_EQUAL: Final = 1e-7  # values that differ less are not told apart

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
#: Scores, features and thresholds of some splits of each node, ``(splits, nodes)``.
_Splits = tuple[Floats, Ints, Floats]


def cross_predict(
    rows: NDArray[np.float32], labels: Ints, folds: Ints, *, num_classes: int, alone: bool
) -> Ints:
    """Predict the class of every photo by trees that grew on the other folds.

    Args:
        rows: float32 ``(n, v)``, values of the photos.
        labels: int64 ``(n,)``.
        folds: int64 ``(n,)``.
        num_classes: The number of classes.
        alone: One tree of a few leaves (Breiman et al., 1984), two for each class and the best
            first; else 100 extremely randomised trees (Geurts, Ernst and Wehenkel, 2006).

    Returns:
        int64 ``(n,)``.
    """
    predicted, rng = np.empty_like(labels), np.random.default_rng(0)
    num_trees = 1 if alone else _NUM_TREES
    split = _split_best if alone else partial(_split_at_random, rng=rng)
    for fold in range(int(folds.max()) + 1):
        known, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        chances = np.zeros((len(asked), num_classes))
        at_once = max(1, _AT_ONCE // (len(known) * (1 + num_classes // 8)))
        for start in range(0, num_trees, at_once):
            number = min(at_once, num_trees - start)
            trees = _grow(rows[known], labels[known], num_classes, number, split)
            if alone:
                trees = trees.best_first(2 * num_classes)
            chances += trees.chances(rows[asked], number)
        predicted[asked] = chances.argmax(axis=1)
    return predicted


class _Trees(NamedTuple):
    """Some trees as arrays by node, the roots first."""

    counts: Ints  # (nodes, k), rows of each class
    gain: Floats  # in purity by the split
    feature: Ints  # rows with more than the threshold of it go right
    threshold: Floats
    child: Ints  # the left one, before the right one; 0 for a leaf

    def best_first(self, num_leaves: int) -> _Trees:
        """A tree with those splits only that gain most, up to a number of leaves."""
        child, front = np.zeros_like(self.child), [(-self.gain[0], 0)]
        while front and np.count_nonzero(child) + 1 < num_leaves:
            _, node = heappop(front)
            child[node] = left = self.child[node]
            for each in (left, left + 1) if left else ():
                heappush(front, (-self.gain[each], each))
        return self._replace(child=child)

    def chances(self, asked: NDArray[np.float32], num_trees: int) -> Floats:
        """Shares of the classes in the leaves of rows, summed over the trees, ``(n, k)``."""
        row = np.tile(np.arange(len(asked)), num_trees)
        node = np.repeat(np.arange(num_trees), len(asked))
        while len(inner := np.flatnonzero(self.child[node])):
            here = node[inner]
            right = asked[row[inner], self.feature[here]] > self.threshold[here]
            node[inner] = self.child[here] + right
        shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        return np.asarray(shares[node].reshape(num_trees, len(asked), -1).sum(axis=0))


def _grow(
    rows: NDArray[np.float32],
    labels: Ints,
    num_classes: int,
    num_trees: int,
    split: Callable[[NDArray[np.float32], Ints, Ints, Ints], _Splits],
) -> _Trees:
    """Grow trees on rows until their nodes are pure, or have no splits.

    ``split`` is called with the rows, class and node of each, sorted by node, and the counts.
    """
    rows, labels = np.tile(rows, (num_trees, 1)), np.tile(labels, num_trees)
    node = np.repeat(np.arange(num_trees), len(labels) // num_trees)
    number = total = num_trees
    levels = []
    while number:
        keys = node * num_classes + labels
        counts = np.bincount(keys, minlength=number * num_classes).reshape(number, num_classes)
        scores, features, thresholds = split(rows, labels, node, counts)
        best = scores.argmax(axis=0), np.arange(number)
        gain, feature, threshold = (each[best] for each in (scores, features, thresholds))
        gain = gain - _purity(counts, 1)
        is_split = (gain > -np.inf) & (np.count_nonzero(counts, axis=1) > 1)
        left = 2 * (is_split.cumsum() - 1)
        levels.append((counts, gain, feature, threshold, np.where(is_split, total + left, 0)))
        number = 2 * int(is_split.sum())
        total += number
        going = np.flatnonzero(is_split[node])
        above = rows[going, feature[node[going]]] > threshold[node[going]]
        child = left[node[going]] + above
        order = np.argsort(child, kind="stable")
        node, rows, labels = child[order], rows[going[order]], labels[going[order]]
    return _Trees(*map(np.concatenate, zip(*levels, strict=True)))


def _purity(counts: Ints, least: int) -> Floats:
    """Sum of squared counts by class over their sum, the larger the lower Gini's impurity.

    It is minus infinity for nodes of fewer rows than ``least``.
    """
    sizes = counts.sum(axis=1)
    squares = np.square(counts).sum(axis=1)
    return np.where(sizes < least, -np.inf, squares / np.maximum(sizes, 1))


def _split_at_random(
    rows: NDArray[np.float32], labels: Ints, node: Ints, counts: Ints, rng: np.random.Generator
) -> _Splits:
    """Splits of some features at random thresholds, of one at least that varies within the node."""
    sizes, keys = counts.sum(axis=1), node * counts.shape[1] + labels
    low, high = (f.reduceat(rows, sizes.cumsum() - sizes) for f in (np.minimum, np.maximum))
    shuffled = np.argsort(rng.random(low.shape), axis=1)
    first = np.take_along_axis(low < high, shuffled, axis=1).argmax(axis=1)
    last = max(1, int(low.shape[1] ** 0.5)) - 1
    features = shuffled[:, : last + 1].T
    features[last] = shuffled[np.arange(len(first)), first.clip(last)]
    each, row = np.arange(len(counts)), np.arange(len(rows))
    thresholds = low[each, features]
    thresholds += rng.random(features.shape, np.float32) * (high[each, features] - thresholds)
    scores = np.empty(features.shape)
    for place, (feature, threshold) in enumerate(zip(features, thresholds, strict=True)):
        below = rows[row, feature[node]] <= threshold[node]
        left = np.bincount(keys[below], minlength=counts.size).reshape(counts.shape)
        scores[place] = _purity(left, _LEAST_IN_LEAF) + _purity(counts - left, _LEAST_IN_LEAF)
    return scores, features, thresholds


def _split_best(rows: NDArray[np.float32], labels: Ints, node: Ints, counts: Ints) -> _Splits:
    """The best split of each feature."""
    sizes, every = counts.sum(axis=1), counts.ravel()
    starts, place = sizes.cumsum() - sizes, np.arange(len(rows))
    before = place - starts[node] + 1
    after = sizes[node] - before
    squares = np.square(counts).sum(axis=1)
    scores, thresholds = np.empty((2, rows.shape[1], len(counts)))
    for feature, column in enumerate(rows.T):
        order = np.lexsort((column, node))
        value, key = column[order], (node * counts.shape[1] + labels)[order]
        by_key = np.argsort(key, kind="stable")
        rank = np.empty_like(key)  # among those of its class in the node
        rank[by_key] = place - (every.cumsum() - every)[key[by_key]]
        # Of the squared counts on both sides, as a row changes sides.
        left, right = (
            steps.cumsum() - (steps.cumsum() - steps)[starts][node]
            for steps in (2 * rank + 1, 2 * (every[key] - rank) - 1)
        )
        score = left / before + (squares[node] - right) / np.maximum(after, 1)
        apart = np.append(value[1:], value[-1:]) > value + _EQUAL
        score[(np.minimum(before, after) < _LEAST_IN_LEAF_ALONE) | ~apart] = -np.inf
        scores[feature] = np.maximum.reduceat(score, starts)
        highest = np.flatnonzero(score == scores[feature][node])
        first = highest[np.unique(node[highest], return_index=True)[1]]
        thresholds[feature] = value[first] / 2.0 + value[np.minimum(first + 1, place[-1])] / 2.0
    features = np.broadcast_to(np.arange(len(scores))[:, None], scores.shape)
    return scores, features, thresholds
