"""How likely each label is wrong: confident learning on predictions by models that never saw it.

1. *Held out.* Every photo is predicted by a linear head that saw neither it nor a copy of it.
2. *Confident learning* (Northcutt, Jiang and Chuang, 2021; by cleanlab) names labels to be doubted.
3. *Again, without them.* Heads are fitted anew from labels that are believed, and predict every
   photo once more: a head that was taught wrong labels excuses the next ones.
4. *Copies vote.* What the head says is averaged over the copies of a picture; where their labels
   differ, the labels of the others count as votes, of which a share may be wrong.

``benchmarks/labels.py`` measures what each step gains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import DependencyError
from candid.models.recipes.linear_head import cross_validate, predict_held_out
from candid.splits.grouped_split import Labelled
from candid.splits.split import in_two_classes

#: Inverse strength of the regularisation of the second round.
STRENGTH: Final = 30.0
_NUM_DEALS = 3
_MANY_PHOTOS = 20_000  # from here on one deal tells as much
_WRONG_VOTES = 0.05
_FLOOR = 1e-9

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class LabelErrors:
    """What is to be thought of the labels of ``n`` photos.

    Attributes:
        first: float32 ``(n, k)``, what heads say that believed every label; of pictures that sit in
            two classes, nothing (all classes alike). Of the others it is what `candid train` shows.
        probabilities: float64 ``(n, k)``, what is believed in the end.
        quality: float64 ``(n,)``, cleanlab's score of each label, from 0 (wrong) to 1.
        doubted: bool ``(n,)``, the labels that confident learning takes for wrong.
    """

    first: NDArray[np.float32]
    probabilities: Probabilities
    quality: NDArray[np.float64]
    doubted: NDArray[np.bool_]


def find_label_errors(data: Labelled, *, seed: int = 0) -> LabelErrors | None:
    """Score every label.

    Args:
        data: The photos, copies of a picture in one unit, each class in two units at the least.
        seed: Deals the folds.

    Returns:
        The scores, or None where a class is too small for two folds.

    Raises:
        DependencyError: cleanlab is not installed.
    """
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError as error:
        raise DependencyError(
            "labels are checked with the package cleanlab, which is not installed. "
            'Run: pip install "candid-image[audit]"'
        ) from error
    agreed = ~in_two_classes(data.labels, data.groups)
    first = _first_round(data, agreed, seed=seed)
    if first is None:
        return None
    believed = agreed & ~_doubt(data, first)
    if len(np.unique(data.labels[believed])) < data.num_classes:
        believed = agreed
    deals = 1 if len(data.labels) > _MANY_PHOTOS else _NUM_DEALS
    seeds = range(seed + 1, seed + 1 + deals)
    second = predict_held_out(data, seeds=seeds, strength=STRENGTH, learn_from=believed)
    probabilities = count_votes(second, data)
    return LabelErrors(
        first,
        probabilities,
        np.asarray(get_label_quality_scores(data.labels, probabilities), np.float64),
        _doubt(data, probabilities),
    )


def count_votes(probabilities: NDArray[np.float32], data: Labelled) -> Probabilities:
    """Average over the copies of a picture, and let their labels vote where they differ.

    Copies whose labels agree prove nothing: most likely one file was labelled, and then copied.
    A label is taken to be wrong with probability 0.05, each independently; so votes multiply
    the odds.

    Args:
        probabilities: float32 ``(n, k)``.
        data: The photos; their units are the pictures.

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


def _first_round(
    data: Labelled, agreed: NDArray[np.bool_], *, seed: int
) -> NDArray[np.float32] | None:
    """Cross-validate as `candid train` does; pictures in two classes are predicted uniformly."""
    places = np.flatnonzero(agreed)
    told = cross_validate(data.take(places), seed=seed)
    if told is None:
        return None
    first = np.full((len(agreed), data.num_classes), 1 / data.num_classes, np.float32)
    first[places] = told
    return first


def _doubt(data: Labelled, probabilities: NDArray[np.float32] | Probabilities) -> NDArray[np.bool_]:
    """The labels that confident learning takes for wrong."""
    from cleanlab.filter import find_label_issues

    if (probabilities.argmax(axis=1) == data.labels).all():
        return np.zeros(len(data.labels), np.bool_)
    doubted = find_label_issues(
        data.labels, probabilities, filter_by="prune_by_noise_rate", n_jobs=1
    )
    return np.asarray(doubted, np.bool_)
