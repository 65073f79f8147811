"""Simple rules as baselines: the largest class, a colour model, and the nearest neighbour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul
from candid.core.stored_rows import ManyRows
from candid.core.threads import joint_pool, num_cores
from candid.evaluation.estimate import Estimate, paired_difference, proportion
from candid.models.recipes.logistic import Problem, fit, matrix_threads, scores_of, softmax
from candid.models.recipes.space import Space
from candid.splits.grouped_split import Labelled, random_ranks, sample_groups

LARGEST_CLASS: Final = "always the largest class"
COLOUR_ALONE: Final = "brightness and colour alone"
NEAREST_NEIGHBOUR: Final = "nearest neighbour"

#: Training images of the colour model; more don't change so few features noticeably.
MOST_ROWS: Final = 20_000
_STRENGTHS: Final = (1.0, 10.0, 100.0)
_NUM_FOLDS: Final = 5
_ENOUGH_HELD_OUT: Final = 100  # images that suffice to choose the strength
_TOLERANCE: Final = 1e-2
_FARTHEST: Final = 4.0  # standard deviations at which features are clipped

#: A gain whose whole interval is nearer to 0 than this is no difference worth a word.
ALIKE: Final = 0.02
#: An interval wider than this says nothing about whether a model is of use.
_TOO_WIDE: Final = 0.4

#: What the interval of a gain says; ``undecided``: there are too few images to tell.
Verdict = Literal["better", "worse", "alike", "undecided"]

#: Images of which the neighbours are searched at a time.
BLOCK: Final = 1024
_TRAIN_BLOCK: Final = 4096
_MOST_COMPARISONS = 250_000_000  # of two embeddings, over all rounds: 8 s on two cores

#: Indices of training images, and of images to predict: int64 each.
Round = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Baseline:
    """A simple rule, measured on the same images as the model.

    ``gain`` is the model's accuracy minus the rule's, paired by image.
    """

    name: str
    accuracy: Estimate
    gain: Estimate

    @property
    def beaten(self) -> bool:
        """Whether the model is better by more than chance explains."""
        return self.verdict == "better"

    @property
    def verdict(self) -> Verdict:
        """The model compared with the rule."""
        low, high = self.gain.low, self.gain.high
        if low > 0:
            return "better"
        if high < 0:
            return "worse"
        return "alike" if high - low <= 2 * ALIKE else "undecided"

    @property
    def unmasks(self) -> bool:
        """Whether the model fails: the rule is better, or it is blind and there is no gain over it.

        With too few images nothing is measured; that is no failure of the model.
        """
        blind = self.name == LARGEST_CLASS and not self.beaten
        return self.verdict == "worse" or (blind and self.gain.high - self.gain.low <= _TOO_WIDE)

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return {**asdict(self), "beaten": self.beaten}


def predict_baselines(
    data: Labelled, colours: Rows, rounds: Sequence[Round]
) -> dict[str, NDArray[np.int64]]:
    """Predict images by the three simple rules, each fitted on other images.

    Of equally large classes the first is the largest. The colour model is fitted on 20,000 images
    at most. Neighbours are searched among all training images; above about 17,000 images only a
    sample is predicted, drawn by content: fewer training images would make the rule worse.

    Args:
        data: n images.
        colours: float32 ``(n, c)``, see `candid.features.extract.colours_of`.
        rounds: The folds of a cross-validation, or one test part.

    Returns:
        By the name of the rule, int64 ``(n,)`` classes; -1 for images that were not predicted.
    """
    names = LARGEST_CLASS, COLOUR_ALONE, NEAREST_NEIGHBOUR
    predictions = {name: np.full(len(data.labels), -1, np.int64) for name in names}
    ranks = random_ranks(data.group_keys, seed=0)
    usable = [(train, test) for train, test in rounds if len(train) and len(test)]
    for train, test in usable:
        counts = np.bincount(data.labels[train], minlength=data.num_classes)
        predictions[LARGEST_CLASS][test] = counts.argmax()

    def by_colour(one: Round) -> NDArray[np.int64]:
        train = sample_groups(one[0], data.groups, ranks, most=MOST_ROWS)
        return predict_by_colour(
            (colours[train], colours[one[1]]),
            data.labels[train],
            ranks[data.groups[train]],
            num_classes=data.num_classes,
        )

    by_neighbour = partial(predict_by_neighbour, data.embeddings, data.labels)
    blocks = list(_blocks(usable, data, ranks))
    with matrix_threads(0), joint_pool(num_cores()) as pool:
        jobs = (
            (COLOUR_ALONE, usable, pool.map(by_colour, usable)),
            (NEAREST_NEIGHBOUR, blocks, pool.map(lambda one: by_neighbour(*one), blocks)),
        )
        for name, parts, found in jobs:
            for (_, test), predicted in zip(parts, found, strict=True):
                predictions[name][test] = predicted
    return predictions


def _blocks(rounds: Sequence[Round], data: Labelled, ranks: NDArray[np.int64]) -> Iterator[Round]:
    """Split rounds into blocks for threads; large rounds are sampled to bound the time."""
    for train, test in rounds:
        most = max(1, _MOST_COMPARISONS // (len(rounds) * len(train)))
        sample = sample_groups(test, data.groups, ranks, most=most)
        for start in range(0, len(sample), BLOCK):
            yield train, sample[start : start + BLOCK]


def predict_by_colour(
    colours: tuple[Rows, Rows],
    labels: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    num_classes: int,
) -> NDArray[np.int64]:
    """Predict classes by a linear head on colours and their squares.

    The head's strength is chosen by cross-validation within the training images.

    Args:
        colours: float32 ``(n, c)`` of the training images, then ``(m, c)`` of those to predict.
        labels: int64 ``(n,)``.
        ranks: int64 ``(n,)``, a random number of each image's group, which decides its fold.
        num_classes: Number of classes.

    Returns:
        int64 ``(m,)``.
    """
    mean, std = colours[0].mean(axis=0), colours[0].std(axis=0) + np.float32(1e-6)
    near = (np.clip((rows - mean) / std, -_FARTHEST, _FARTHEST) for rows in colours)
    train, test = (np.concatenate([rows, np.square(rows)], axis=1) for rows in near)
    space = Space(train)
    folds = np.unique(ranks, return_inverse=True)[1] % _NUM_FOLDS
    strength = _choose_strength(space, labels, folds, num_classes)
    problem = Problem(space, labels, np.ones(len(labels), np.float32), num_classes)
    fit([problem], strength, tolerance=_TOLERANCE)
    kernel, bias = space.to_embeddings(problem.fitted)
    return np.asarray((matmul(test, kernel.T) + bias).argmax(axis=1), np.int64)


def _choose_strength(
    space: Space, labels: NDArray[np.int64], folds: NDArray[np.int64], num_classes: int
) -> float:
    used = min(_NUM_FOLDS, -(-_ENOUGH_HELD_OUT * _NUM_FOLDS // len(labels)))
    weights = [(folds != fold).astype(np.float32) for fold in range(used)]
    problems = [Problem(space, labels, each, num_classes) for each in weights]
    losses = np.zeros(len(_STRENGTHS))
    for i, strength in enumerate(_STRENGTHS):
        fit(problems, strength, tolerance=_TOLERANCE)
        for fold, problem in enumerate(problems):
            held_out = np.flatnonzero(folds == fold)
            probabilities = softmax(scores_of(space.rows[held_out], problem.fitted))
            of_truth = probabilities[np.arange(len(held_out)), labels[held_out]]
            losses[i] -= np.log(np.maximum(of_truth, 1e-12)).sum()
    return _STRENGTHS[int(losses.argmin())]


def predict_by_neighbour(
    embeddings: ManyRows,
    labels: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Predict the class of the training image with the largest cosine similarity.

    Works block by block, so that neither all products nor a second copy of the embeddings are in
    memory.

    Args:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``.
        train: int64 ``(l,)``, indices of the training images; at least one.
        test: int64 ``(m,)``, indices of the images to predict.

    Returns:
        int64 ``(m,)``; of equally similar images the first one's class.
    """
    rows = embeddings[test]  # their lengths don't change which cosine is the largest
    nearest = np.full(len(test), -1, np.int64)
    largest = np.full(len(test), -np.inf, np.float32)
    for start in range(0, len(train), _TRAIN_BLOCK):
        places = train[start : start + _TRAIN_BLOCK]
        block = embeddings[places]
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        products = matmul(rows, block.T)
        products /= np.maximum(lengths, np.float32(1e-12))
        best = products.argmax(axis=1)
        cosine = products[np.arange(len(test)), best]
        nearer = cosine > largest
        largest[nearer], nearest[nearer] = cosine[nearer], places[best[nearer]]
    return labels[nearest]


def compare_baselines(
    predictions: Mapping[str, NDArray[np.int64]],
    hits_model: NDArray[np.bool_],
    truth: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> tuple[Baseline, ...]:
    """Compare a model with simple rules, each on the images that the rule predicted, if any.

    Args:
        predictions: From `predict_baselines`.
        hits_model: bool ``(n,)``, where the model was right.
        truth: int64 ``(n,)``.
        groups: int64 ``(n,)``; images of one group show the same picture.
    """
    found = []
    for name, predicted in predictions.items():
        places = np.flatnonzero(predicted >= 0)
        hits = predicted[places] == truth[places]
        accuracy = proportion(hits, groups[places])
        gain = paired_difference(hits_model[places], hits, groups[places])
        if accuracy is not None and gain is not None:
            found.append(Baseline(name, accuracy, gain))
    return tuple(found)
