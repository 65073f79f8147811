"""What doing nothing, or next to nothing, would score on the same images.

What brightness and colour alone tell of a class: the baseline that sees no shapes.

The class of the most similar image: what remembering everything would score.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Estimate, paired_difference, proportion
from candid.models.recipes.logistic import Rows, Space, fit, matrix_threads, scores_of, softmax
from candid.splits.grouped_split import Labelled, random_ranks, sample_groups

#: Images to learn from; more change nothing that shows in so few numbers.
MOST_ROWS: Final = 20_000

_STRENGTHS: Final = (1.0, 10.0, 100.0)
_NUM_FOLDS: Final = 5
_ENOUGH_HELD_OUT: Final = 100  # images that tell these strengths apart
_TOLERANCE: Final = 1e-2
_FARTHEST: Final = 4.0  # standard deviations: what is farther off says no more than that


def predict_by_colour(
    colours: tuple[Rows, Rows],
    labels: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    num_classes: int,
) -> NDArray[np.int64]:
    """Predict classes by a linear head on colours and their squares.

    The head's strength is chosen by held-out folds of the images to learn from.

    Args:
        colours: float32 ``(n, c)`` of the images to learn from, then ``(m, c)`` of those to
            predict.
        labels: int64 ``(n,)``.
        ranks: int64 ``(n,)``; a random number of each image's unit, by which folds are dealt.
        num_classes: How many classes there are.

    Returns:
        int64 ``(m,)``.
    """
    mean, std = colours[0].mean(axis=0), colours[0].std(axis=0) + np.float32(1e-6)
    learnt, asked = (_with_squares((rows - mean) / std) for rows in colours)
    space = Space(learnt)
    folds = np.unique(ranks, return_inverse=True)[1] % _NUM_FOLDS
    strength = _choose_strength(space, labels, folds, num_classes)
    everything = np.ones(len(labels), np.float32)
    fitted = fit(
        space,
        labels,
        everything,
        strength,
        num_classes=num_classes,
        start=None,
        tolerance=_TOLERANCE,
    )
    kernel, bias = space.to_embeddings(fitted)
    return np.asarray((matmul(asked, kernel.T) + bias).argmax(axis=1), np.int64)


def _with_squares(rows: Rows) -> Rows:
    near = np.clip(rows, -_FARTHEST, _FARTHEST)
    return np.concatenate([near, np.square(near)], axis=1)


def _choose_strength(
    space: Space, labels: NDArray[np.int64], folds: NDArray[np.int64], num_classes: int
) -> float:
    used = min(_NUM_FOLDS, -(-_ENOUGH_HELD_OUT * _NUM_FOLDS // len(labels)))
    losses = np.zeros(len(_STRENGTHS))
    for fold in range(used):
        held_out = np.flatnonzero(folds == fold)
        weights = (folds != fold).astype(np.float32)
        start = None
        for i, strength in enumerate(_STRENGTHS):
            start = fit(
                space,
                labels,
                weights,
                strength,
                num_classes=num_classes,
                start=start,
                tolerance=_TOLERANCE,
            )
            probabilities = softmax(scores_of(space.rows[held_out], start))
            of_truth = probabilities[np.arange(len(held_out)), labels[held_out]]
            losses[i] -= np.log(np.maximum(of_truth, 1e-12)).sum()
    return _STRENGTHS[int(losses.argmin())]


#: Images that are asked about at a time.
BLOCK: Final = 1024

_LEARNT_AT_A_TIME: Final = 4096


def predict_by_neighbour(
    embeddings: Rows,
    labels: NDArray[np.int64],
    learn_from: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Predict the class of the image whose embedding has the largest cosine.

    Blocks are compared one by one, so that memory holds neither all the products nor a second copy
    of the embeddings.

    Args:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``.
        learn_from: int64 ``(l,)``, places of the images whose labels are known; at least one.
        asked: int64 ``(m,)``, places of the images to predict.

    Returns:
        int64 ``(m,)``; of equally near images the first one's class.
    """
    rows = embeddings[asked]  # their lengths do not change which cosine is the largest
    nearest = np.full(len(asked), -1, np.int64)
    largest = np.full(len(asked), -np.inf, np.float32)
    for start in range(0, len(learn_from), _LEARNT_AT_A_TIME):
        places = learn_from[start : start + _LEARNT_AT_A_TIME]
        learnt = embeddings[places]
        lengths = np.sqrt(np.einsum("ij,ij->i", learnt, learnt))
        products = matmul(rows, learnt.T)
        products /= np.maximum(lengths, np.float32(1e-12))
        best = products.argmax(axis=1)
        cosine = products[np.arange(len(asked)), best]
        nearer = cosine > largest
        largest[nearer], nearest[nearer] = cosine[nearer], places[best[nearer]]
    return labels[nearest]


LARGEST_CLASS: Final = "always the largest class"
COLOUR_ALONE: Final = "brightness and colour alone"
NEAREST_NEIGHBOUR: Final = "nearest neighbour"

_MOST_COMPARISONS = 1_000_000_000  # of two embeddings, over all rounds: half a minute on two cores

#: Places to learn from, and places to predict: int64 each.
Round = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Baseline:
    """A simple rule, measured on the images that the model was measured on.

    Attributes:
        name: ``always the largest class``, ``brightness and colour alone`` or
            ``nearest neighbour``.
        accuracy: Its share of right answers.
        gain: The model's accuracy minus this one's, paired by image.
    """

    name: str
    accuracy: Estimate
    gain: Estimate

    @property
    def beaten(self) -> bool:
        """Whether the model is better by more than chance explains."""
        return self.gain.low > 0

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return {**asdict(self), "beaten": self.beaten}


def predict_baselines(
    data: Labelled, colours: Rows, rounds: Sequence[Round]
) -> dict[str, NDArray[np.int64]]:
    """Predict images by three simple rules that learnt from other images.

    The largest class is that of the images to learn from; of equally large ones the first. Colours
    are learnt from 20,000 images at most. Nearest neighbours are looked for among all images; from
    about 35,000 images on, only some of the images are predicted, drawn by content, as a sample
    says how good the rule is, where fewer images to learn from would make it worse than it is.

    Args:
        data: n images.
        colours: float32 ``(n, c)``, see `candid.features.extract.colours_of`.
        rounds: Places to learn from and places to predict: the folds of a cross-validation, or one
            test part.

    Returns:
        By the name of the rule, int64 ``(n,)`` classes; -1 where an image was not predicted.
    """
    names = LARGEST_CLASS, COLOUR_ALONE, NEAREST_NEIGHBOUR
    predictions = {name: np.full(len(data.labels), -1, np.int64) for name in names}
    ranks = random_ranks(data.group_keys, seed=0)
    usable = [(learnt, asked) for learnt, asked in rounds if len(learnt) and len(asked)]
    for learnt, asked in usable:
        counts = np.bincount(data.labels[learnt], minlength=data.num_classes)
        predictions[LARGEST_CLASS][asked] = counts.argmax()

    def by_colour(one: Round) -> NDArray[np.int64]:
        learnt = sample_groups(one[0], data.groups, ranks, most=MOST_ROWS)
        return predict_by_colour(
            (colours[learnt], colours[one[1]]),
            data.labels[learnt],
            ranks[data.groups[learnt]],
            num_classes=data.num_classes,
        )

    def by_neighbour(one: Round) -> NDArray[np.int64]:
        return predict_by_neighbour(data.embeddings, data.labels, *one)

    blocks = list(_blocks(usable, data, ranks))
    with matrix_threads(0), ThreadPoolExecutor(os.cpu_count()) as pool:
        coloured, near = pool.map(by_colour, usable), pool.map(by_neighbour, blocks)
        for (_, asked), predicted in zip(usable, coloured, strict=True):
            predictions[COLOUR_ALONE][asked] = predicted
        for (_, asked), predicted in zip(blocks, near, strict=True):
            predictions[NEAREST_NEIGHBOUR][asked] = predicted
    return predictions


def _blocks(rounds: Sequence[Round], data: Labelled, ranks: NDArray[np.int64]) -> Iterator[Round]:
    """Rounds in pieces for a thread each; no more to predict than there is time for."""
    for learnt, asked in rounds:
        most = max(1, _MOST_COMPARISONS // (len(rounds) * len(learnt)))
        drawn = sample_groups(asked, data.groups, ranks, most=most)
        for start in range(0, len(drawn), BLOCK):
            yield learnt, drawn[start : start + BLOCK]


def hold_against(
    predictions: Mapping[str, NDArray[np.int64]],
    hits_model: NDArray[np.bool_],
    truth: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> tuple[Baseline, ...]:
    """Hold simple rules against a model, on the images that the rule predicted.

    Args:
        predictions: By the name of the rule, int64 ``(n,)``, -1 where it predicted nothing.
        hits_model: bool ``(n,)``, where the model was right.
        truth: int64 ``(n,)``.
        groups: int64 ``(n,)``; images of one group show the same picture.

    Returns:
        A baseline a rule, without those that predicted nothing.
    """
    found = []
    for name, predicted in predictions.items():
        asked = np.flatnonzero(predicted >= 0)
        hits = predicted[asked] == truth[asked]
        accuracy = proportion(hits, groups[asked])
        gain = paired_difference(hits_model[asked], hits, groups[asked])
        if accuracy is not None and gain is not None:
            found.append(Baseline(name, accuracy, gain))
    return tuple(found)
