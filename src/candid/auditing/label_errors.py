"""Finds wrong labels by confident learning on out-of-fold predictions.

1. Every photo is predicted by a linear head fitted without it and its copies.
2. Confident learning (Northcutt, Jiang and Chuang, 2021) flags likely label errors.
3. Heads are fitted again on the labels that were not flagged, and predict every photo once more:
   a head fitted on wrong labels predicts similar wrong labels.
4. Predictions are averaged over the copies of a picture; where their labels differ, the labels of
   the other copies count as votes.

``benchmarks/labels.py`` measures what each step gains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.models.recipes.cross_validation import cross_validate, predict_held_out
from candid.models.recipes.linear_head import turn_many
from candid.splits.grouped_split import Labelled
from candid.splits.split import in_two_classes

#: Inverse regularisation strength of the second round.
STRENGTH: Final = 30.0
_NUM_REPEATS = 3
_MANY_PHOTOS = 20_000  # above this, one repeat is precise enough
_WRONG_VOTES = 0.05
_FLOOR = 1e-9
_EQUAL = 1e-6  # probabilities that differ less are equal

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class LabelErrors:
    """Scores of the labels of ``n`` photos.

    Attributes:
        first_round: float32 ``(n, k)``, out-of-fold probabilities of heads fitted on all labels,
            as `candid train` shows them; uniform for pictures in two classes.
        probabilities: float64 ``(n, k)``, final class probabilities.
        quality: float64 ``(n,)``, the probability of each label ("self-confidence").
        flagged: bool ``(n,)``, labels that confident learning considers wrong.
    """

    first_round: NDArray[np.float32]
    probabilities: Probabilities
    quality: NDArray[np.float64]
    flagged: NDArray[np.bool_]


def find_label_errors(data: Labelled, *, seed: int = 0) -> LabelErrors | None:
    """Score every label; None if a class is too small for two folds.

    Args:
        data: The photos, grouped by picture, each class with at least two pictures.
        seed: Random seed of the folds.
    """
    agreed = ~in_two_classes(data.labels, data.groups)
    data = turn_many(data, np.flatnonzero(agreed))
    out_of_fold = cross_validate(data.take(np.flatnonzero(agreed)), seed=seed)
    if out_of_fold is None:
        return None
    first_round = np.full((len(agreed), data.num_classes), 1 / data.num_classes, np.float32)
    first_round[agreed] = out_of_fold
    trusted = agreed & ~flag(data.labels, first_round)
    if len(np.unique(data.labels[trusted])) < data.num_classes:
        trusted = agreed
    repeats = 1 if len(data.labels) > _MANY_PHOTOS else _NUM_REPEATS
    seeds = range(seed + 1, seed + 1 + repeats)
    second_round = predict_held_out(data, seeds=seeds, strength=STRENGTH, learn_from=trusted)
    probabilities = combine_copies(second_round, data)
    quality = probabilities[np.arange(len(data.labels)), data.labels]
    return LabelErrors(first_round, probabilities, quality, flag(data.labels, probabilities))


def combine_copies(probabilities: NDArray[np.float32], data: Labelled) -> Probabilities:
    """Average over the copies of a picture, and add their labels as votes where they differ.

    Copies with the same label add no votes: most likely one file was labelled and then copied.
    Each label is assumed to be wrong with probability 0.05, independently, so votes multiply the
    odds.

    Args:
        probabilities: float32 ``(n, k)``.
        data: The photos, grouped by picture.

    Returns:
        float64 ``(n, k)``.
    """
    wrong = _WRONG_VOTES / max(data.num_classes - 1, 1)
    vote = np.full((data.num_classes, data.num_classes), np.log(wrong))
    np.fill_diagonal(vote, np.log(1 - _WRONG_VOTES))
    logs = np.log(np.maximum(probabilities, _FLOOR)).astype(np.float64)
    own = vote[data.labels] * in_two_classes(data.labels, data.groups)[:, None]
    sums, votes = np.zeros((2, len(data.group_keys), data.num_classes))
    np.add.at(sums, data.groups, logs)
    np.add.at(votes, data.groups, own)
    mean = sums / np.bincount(data.groups, minlength=len(data.group_keys))[:, None]
    total = mean[data.groups] + votes[data.groups] - own
    odds = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float64)


def flag(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32] | Probabilities
) -> NDArray[np.bool_]:
    """Labels that confident learning considers wrong, bool ``(n,)``.

    For each pair of classes, as many of the first are flagged as are confidently the second: those
    with the largest margin, unless their own class is the most probable. That is cleanlab's
    ``filter_by="prune_by_noise_rate"``, which takes a second to import; the tests compare.

    Args:
        labels: int64 ``(n,)``.
        probabilities: ``(n, k)``, out-of-fold.
    """
    own = probabilities.copy()
    own[np.arange(len(labels)), labels] += _EQUAL
    doubted = own.argmax(axis=1) != labels
    flagged = np.zeros(len(labels), np.bool_)
    if not doubted.any():
        return flagged
    joint = _count_confident(labels, probabilities)
    np.fill_diagonal(joint, 0)
    for label, other in np.argwhere(joint):
        members = np.flatnonzero(labels == label)
        margins = probabilities[members, other] - probabilities[members, label]
        order = np.argsort(-margins, kind="stable")
        flagged[members[order[: joint[label, other]]]] = True
    flagged &= doubted
    return flagged


def _count_confident(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32] | Probabilities
) -> NDArray[np.int64]:
    """Estimated images of each label that belong to each class, int64 ``(k, k)``.

    An image is confidently of the class, the most probable of them, whose mean probability among
    its own images it reaches; the counts are scaled to the images of each label.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    means = [probabilities[labels == c, c].mean() if n else 2.0 for c, n in enumerate(counts)]
    reached = probabilities >= np.maximum(means, 2 * _EQUAL) - _EQUAL
    several = reached.sum(axis=1) > 1
    guesses = np.where(several, probabilities.argmax(axis=1), reached.argmax(axis=1))
    confident = reached.any(axis=1)
    joint = np.zeros((len(counts), len(counts)))
    np.add.at(joint, (labels[confident], guesses[confident]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    joint = (joint.T / joint.sum(axis=1) * counts).T
    rounded = np.stack([_round(row) for row in joint / joint.sum() * len(labels)])
    # A class of which nothing would be left keeps one image.
    rounded -= (rounded.diagonal() < 1)[:, None]
    return rounded.clip(0)


def _round(row: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers of the same sum: the largest remainders are rounded up."""
    rounded = row.round()
    missing = int(row.sum().round() - rounded.sum())
    order = np.argsort(row - rounded)
    rounded[order[-missing:] if missing > 0 else order[:-missing]] += np.sign(missing)
    return rounded.astype(np.int64)
