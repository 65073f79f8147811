"""Finds wrong labels by confident learning on out-of-fold predictions.

1. Every photo is predicted by a linear head fitted without it and its copies.
2. Confident learning (Northcutt, Jiang and Chuang, 2021; cleanlab) flags likely label errors.
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

from candid.core.extras import require_packages
from candid.data.images.packages import hush
from candid.models.recipes.linear_head import cross_validate, predict_held_out
from candid.splits.grouped_split import Labelled
from candid.splits.split import in_two_classes

#: Inverse regularisation strength of the second round.
STRENGTH: Final = 30.0
_NUM_REPEATS = 3
_MANY_PHOTOS = 20_000  # above this, one repeat is precise enough
_WRONG_VOTES = 0.05
_FLOOR = 1e-9

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class LabelErrors:
    """Scores of the labels of ``n`` photos.

    Attributes:
        first_round: float32 ``(n, k)``, out-of-fold probabilities of heads fitted on all labels,
            as `candid train` shows them; uniform for pictures in two classes.
        probabilities: float64 ``(n, k)``, final class probabilities.
        quality: float64 ``(n,)``, cleanlab's score of each label, from 0 (wrong) to 1.
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

    Raises:
        DependencyError: cleanlab is not installed.
    """
    hush("tqdm")  # asks for widgets where a notebook has none
    require_packages(["cleanlab"], needed_by="checking labels", extra="audit")
    from cleanlab.rank import get_label_quality_scores

    agreed = ~in_two_classes(data.labels, data.groups)
    out_of_fold = cross_validate(data.take(np.flatnonzero(agreed)), seed=seed)
    if out_of_fold is None:
        return None
    first_round = np.full((len(agreed), data.num_classes), 1 / data.num_classes, np.float32)
    first_round[agreed] = out_of_fold
    trusted = agreed & ~_flag(data, first_round)
    if len(np.unique(data.labels[trusted])) < data.num_classes:
        trusted = agreed
    repeats = 1 if len(data.labels) > _MANY_PHOTOS else _NUM_REPEATS
    seeds = range(seed + 1, seed + 1 + repeats)
    second_round = predict_held_out(data, seeds=seeds, strength=STRENGTH, learn_from=trusted)
    probabilities = combine_copies(second_round, data)
    quality = np.asarray(get_label_quality_scores(data.labels, probabilities), np.float64)
    return LabelErrors(first_round, probabilities, quality, _flag(data, probabilities))


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


def _flag(data: Labelled, probabilities: NDArray[np.float32] | Probabilities) -> NDArray[np.bool_]:
    """Labels that confident learning considers wrong."""
    from cleanlab.filter import find_label_issues

    if (probabilities.argmax(axis=1) == data.labels).all():
        return np.zeros(len(data.labels), np.bool_)
    flagged = find_label_issues(
        data.labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1
    )
    return np.asarray(flagged, np.bool_)
