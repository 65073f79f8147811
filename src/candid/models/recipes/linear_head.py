"""A regularised linear head on embeddings, and the search for its strength.

Not scikit-learn's: importing it would take one second of the three that a second training takes
(2.5 without bytecode). The tests compare the solution with scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import LARGE_MATRIX, Rows, matmul
from candid.core.stored_rows import MANY_ROWS, ManyRows, StoredRows, blocks_of
from candid.models.recipes.logistic import (
    MANY_CLASSES,
    MOST_AXES,
    Problem,
    fit,
    matrix_threads,
    scores_of,
    softmax,
)
from candid.models.recipes.space import Space
from candid.models.recipes.strengths import STRENGTHS, average_strength, best_scale
from candid.models.temperature import count_pictures, smoothed_losses, with_temperature
from candid.splits.grouped_split import NUM_FOLDS, Labelled, random_ranks, sample_groups

_DEFAULT_STRENGTH = 10.0
SEARCH_TOLERANCE: Final = 1e-3
_FINAL_TOLERANCE = 1e-5  # at 1e-4, the order of the photos moves probabilities by 0.0002
_NO_WEIGHT = 5.0  # in nats: strengths less likely by this do not influence the choice
_ENOUGH_TO_CHOOSE = 500  # held-out images to choose a strength by; further folds are skipped
_ENOUGH_TO_CALIBRATE = 1000  # held-out images to calibrate on
_CALIBRATION_FOLDS = 10
_SAMPLE = 20_000  # images to find the axes of many on
#: Axes of heads for images that are not held in memory.
STORED_AXES: Final = 1024
#: Of the mean probability of the labels of a class: a label that is less probable counts less.
_DOUBTED: Final = 0.5
#: Photos of the largest class for one of the smallest above which classes count as unbalanced: at 3
#: to 1, always predicting the larger of two is 75 % accurate, which can pass for a working model.
UNBALANCED: Final = 3.0


_Value = TypeVar("_Value", bound=np.generic)


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of embeddings."""

    kernel: Rows  # float32 ``(k, d)``; for two classes the rows are opposite
    bias: Rows  # float32 ``(k,)``
    strength: float  # inverse strength of the regularisation

    def scores(self, embeddings: Rows) -> Rows:
        """Scores, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return np.asarray(matmul(embeddings, self.kernel.T) + self.bias, np.float32)

    def probabilities(self, embeddings: ManyRows) -> Rows:
        """Probabilities, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        parts = [softmax(self.scores(embeddings[block])) for block in blocks_of(embeddings)]
        return np.concatenate(parts)

    def beside(self, other: LinearHead, share: float) -> LinearHead:
        """A head on the embeddings of both side by side; ``share`` is the other's of the scores."""
        kernel = np.concatenate([(1 - share) * self.kernel, share * other.kernel], axis=1)
        bias = (1 - share) * self.bias + share * other.bias
        return replace(self, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))

    def divided_by(self, temperature: float) -> LinearHead:
        """A copy with all scores divided by a temperature."""
        scale = np.float32(1 / temperature)
        return replace(self, kernel=self.kernel * scale, bias=self.bias * scale)


@dataclass(frozen=True)
class Trial:
    """Held-out figures of a strength of the regularisation."""

    strength: float  # the inverse
    log_loss: float  # mean over the images, in nats
    accuracy: float


@dataclass(frozen=True)
class HeldOut:
    """Predictions of heads that were not fitted on the images."""

    places: NDArray[np.int64]  # (m,), indices of the images
    probabilities: Rows  # (m, k), not calibrated


@dataclass(frozen=True)
class HeadFit:
    """A fitted head with the strengths tried."""

    head: LinearHead
    trials: tuple[Trial, ...]  # with the weights that were chosen
    held_out: HeldOut | None  # None if not requested, or if a class is too small for folds
    weights: Rows  # float32 ``(n,)``, how much each image counted
    is_balanced: bool = False  # whether every class had the same weight in the fit


def is_unbalanced(labels: NDArray[np.int64], num_classes: int) -> bool:
    """Whether the largest class has over `UNBALANCED` times as many images as the smallest."""
    counts = np.bincount(labels, minlength=num_classes)
    return bool(counts.max() > UNBALANCED * max(int(counts.min()), 1))


def balanced_weights(labels: NDArray[np.int64], num_classes: int) -> Rows:
    """Weights of the images, float32 ``(n,)``, of mean 1, with an equal sum for every class."""
    counts = np.maximum(np.bincount(labels, minlength=num_classes), 1)
    return (len(labels) / (num_classes * counts))[labels].astype(np.float32)


def fit_head(data: Labelled, *, seed: int = 0, with_held_out: bool = False) -> HeadFit:
    """Fit a head; see `fit_heads`."""
    return fit_heads([data], seed=seed, with_held_out=with_held_out)[0]


def fit_heads(
    sets: Sequence[Labelled], *, seed: int = 0, with_held_out: bool = False
) -> list[HeadFit]:
    """Fit a head to each set of images of the same classes, all in step.

    The strength of each is chosen by grouped cross-validation; the seed draws the folds. Where
    classes are unbalanced, every strength is also tried with an equal weight for every class.
    Strengths and weights are judged by one figure, the smoothed log loss of the held-out images,
    each counted once: a penalised fit calls a rare class too improbable (King and Zeng, "Logistic
    regression in rare events data", 2001), and weights that overshoot cost log loss on the other
    classes. So probabilities keep to the true frequencies of the classes.

    A label may be wrong: the final heads count an image less if its label is improbable by a head
    that did not see it. Not where classes are unbalanced, as there all labels of a rare one are.
    """
    with matrix_threads(max(data.embeddings.size for data in sets), sets[0].num_classes):
        tried = [_candidates(data, seed=seed) for data in sets]
        for strength in STRENGTHS:
            going = [search for searches in tried for search in searches if search.goes_on]
            fit([p for s in going for p in s.problems], strength, tolerance=SEARCH_TOLERANCE)
            for search in going:
                search.judge(strength)
        chosen = [min(searches, key=lambda one: one.loss) for searches in tried]
        _fit_each([(s.strength, p) for s in chosen for p in s.doubts()], SEARCH_TOLERANCE)
        finals = [(s.strength, p) for s in chosen for p in s.finals(with_held_out)]
        _fit_each(finals, _FINAL_TOLERANCE)
        return [search.finish() for search in chosen]


def possible_weights(data: Labelled, strength: float, *, seed: int = 0) -> list[Rows]:
    """How much each image may count in the head that `fit_head` fits with a strength.

    Returns:
        float32 ``(n,)``; of unbalanced classes those of both heads, one of which was chosen.
    """
    with matrix_threads(data.embeddings.size, data.num_classes):
        searches = _candidates(data, seed=seed)
        for search in searches:
            fit(search.doubts(), strength, tolerance=SEARCH_TOLERANCE)
        return [search.final_weights() for search in searches]


def _fit_each(jobs: Sequence[tuple[float, Problem]], tolerance: float) -> None:
    fit([p for _, p in jobs], [strength for strength, _ in jobs], tolerance=tolerance)


def space_of(data: Labelled) -> Space:
    """The space that heads are fitted in; for many classes or images, the first axes alone."""
    if data.turned is not None:
        return Space.of(data.turned)
    assert not isinstance(data.embeddings, StoredRows)
    return Space(data.embeddings, most_axes=MOST_AXES if data.num_classes > MANY_CLASSES else None)


def turn_many(data: Labelled, fitted_on: NDArray[np.int64]) -> Labelled:
    """The same; rows of a file turned onto the axes that heads are fitted on, if they are.

    These axes are those of a sample of the images to fit on, without their labels, and shared by
    all folds. Strengths are tried on a sample too. See
    docs/adr/0030-many-photos-in-constant-memory.md.
    """
    if not isinstance(data.embeddings, StoredRows):
        return data
    ranks = random_ranks(data.group_keys, seed=0)
    sample = sample_groups(fitted_on, data.groups, ranks, most=_SAMPLE)
    with matrix_threads(LARGE_MATRIX):
        space = Space(data.embeddings[sample], most_axes=STORED_AXES)
    sample = sample_groups(np.arange(len(data.labels)), data.groups, ranks, most=_SAMPLE)
    return replace(data, turned=space.turn(data.embeddings, sample))


def leave_out(
    space: Space,
    labels: NDArray[np.int64],
    weights: Rows,
    folds: NDArray[np.int64],
    used: int,
    num_classes: int,
) -> list[Problem]:
    """Heads that are fitted on all images but those of one fold, for each of the first folds."""
    left = (weights * (folds != fold) for fold in range(used))
    return [Problem(space, labels, each, num_classes) for each in left]


def predict_left_out(problems: Sequence[Problem], folds: NDArray[np.int64]) -> Rows:
    """Probabilities, float32 ``(n, k)``, of the images of each fold; 0 of further folds."""
    predicted = np.zeros((len(folds), problems[0].num_classes), np.float32)
    for fold, problem in enumerate(problems):
        here = np.flatnonzero(folds == fold)
        rows = problem.space.rows.take(here, axis=0)
        for block in blocks_of(rows):
            predicted[here[block]] = softmax(scores_of(rows[block], problem.fitted))
    return predicted


@dataclass(frozen=True)
class _Tried:
    """The images that strengths are tried on: all, or of many those of a sample.

    Attributes:
        space: Their rows, in memory.
        places: int64 ``(m,)``, their indices among the images; -1 for rows that are none of them.
    """

    space: Space
    places: NDArray[np.int64]

    @classmethod
    def of(cls, data: Labelled, space: Space) -> _Tried:
        """All images, or the sample."""
        turned = data.turned
        if turned is None:
            return cls(space, np.arange(len(data.labels)))
        of_row = np.full(len(turned.rows.whole), -1)
        of_row[turned.rows.places] = np.arange(len(data.labels))
        return cls(space.with_rows(turned.sample), of_row[turned.sampled])

    def take(self, values: NDArray[_Value], other: int = 0) -> NDArray[_Value]:
        """Values of the images, ``(n,)``, for these rows."""
        return np.where(self.places < 0, values.dtype.type(other), values[self.places])


def _candidates(data: Labelled, *, seed: int) -> list[_Search]:
    """Searches with the weights of the images that may be used."""
    space = space_of(data)
    tried = _Tried.of(data, space)
    weights = [np.ones(len(data.labels), np.float32)]
    if data.num_folds() > 1 and is_unbalanced(data.labels, data.num_classes):
        weights.append(balanced_weights(data.labels, data.num_classes))
    return [_Search(space, data, each, tried, seed=seed) for each in weights]


class _Search:
    """Measures each strength on held-out images, from strong to weak, and averages the good ones.

    They are judged by the summed smoothed log loss, in nats per independent image. Weaker ones are
    not tried once it has risen beyond any weight.
    """

    def __init__(
        self, space: Space, data: Labelled, weights: Rows, tried: _Tried, *, seed: int
    ) -> None:
        self._space, self._data, self._weights, self._seed = space, data, weights, seed
        self._is_balanced = bool((weights != 1).any())
        num_folds = data.num_folds()
        self.problems: list[Problem] = []
        self.strength, self.loss, self._scale = _DEFAULT_STRENGTH, math.inf, 1.0
        self._trials: list[Trial] = []
        self._losses: list[float] = []
        if num_folds < 2:
            self._scale = _scale_without_trials(space, data, weights, seed=seed)
            return
        folds, used = _enough_folds(data, num_folds, _ENOUGH_TO_CHOOSE, seed)
        self._every_fold, self._folds = folds, tried.take(folds, num_folds)
        held = self._folds < used
        self._labels, self._held, groups = tried.take(data.labels), held, tried.take(data.groups)
        self._num_pictures = count_pictures(groups[held])
        weights, number = tried.take(weights), data.num_classes
        self.problems = leave_out(tried.space, self._labels, weights, self._folds, used, number)

    @property
    def goes_on(self) -> bool:
        """Whether a further strength is to be tried."""
        return bool(self.problems) and not (
            self._losses and self._losses[-1] > self.loss + _NO_WEIGHT
        )

    def judge(self, strength: float) -> None:
        """Measure the strength that the problems were just fitted with."""
        labels, num_pictures = self._labels[self._held], self._num_pictures
        predicted = predict_left_out(self.problems, self._folds)[self._held]
        scores = np.log(np.maximum(predicted, 1e-37))
        is_open = self._data.num_classes > MANY_CLASSES
        scale = best_scale(scores, labels) if is_open else 1.0
        scores *= np.float32(scale)
        self._trials.append(_measure(strength, softmax(scores), labels))
        loss = num_pictures * float(smoothed_losses(scores, labels, num_pictures).mean())
        if loss < self.loss:
            self.loss, self._scale = loss, scale
        self._losses.append(loss)
        self.strength = average_strength(self._losses)

    def doubts(self) -> list[Problem]:
        """Heads by which every image is held out, to be fitted with the chosen strength."""
        data, number = self._data, self._data.num_classes
        # Of many, further fits would take minutes.
        many = len(data.labels) > MANY_ROWS or number > MANY_CLASSES
        if many or is_unbalanced(data.labels, number) or not self.problems:
            self.problems = []
            return []
        weights, num_folds = self._weights, data.num_folds()
        every = leave_out(self._space, data.labels, weights, self._every_fold, num_folds, number)
        for problem, tried in zip(every, self.problems, strict=False):
            problem.solution = tried.solution  # to start from
        self.problems = every
        return every

    def _trust(self) -> Rows:
        """How much each image counts, from 0 to 1, by those heads."""
        labels = self._data.labels
        own = predict_left_out(self.problems, self._every_fold)[np.arange(len(labels)), labels]
        usual = np.bincount(labels, own) / np.maximum(np.bincount(labels), 1)
        return np.asarray(np.minimum(1, own / (_DOUBTED * usual[labels])), np.float32)

    def final_weights(self) -> Rows:
        """The weights, less of the doubted images; float32 ``(n,)``."""
        return self._weights * self._trust() if self.problems else self._weights

    def finals(self, with_held_out: bool) -> list[Problem]:
        """The head on all images, and heads for calibration.

        The latter are fitted on nine tenths of the images and to the final tolerance: heads fitted
        on less, or stopped early, are less confident than the final one.
        """
        data = self._data
        self._weights = self.final_weights()
        self._final = [Problem(self._space, data.labels, self._weights, data.num_classes)]
        num_folds = min(_CALIBRATION_FOLDS, data.fewest_groups())
        if with_held_out and num_folds > 1:
            self._folds, used = _enough_folds(data, num_folds, _ENOUGH_TO_CALIBRATE, self._seed)
            folds, weights, number = self._folds, self._weights, data.num_classes
            self._final += leave_out(self._space, data.labels, weights, folds, used, number)
        return self._final

    def finish(self) -> HeadFit:
        """The result, once those problems are fitted."""
        (final, *others), scale = self._final, self._scale
        head = LinearHead(*self._space.to_embeddings(final.fitted * scale), self.strength)
        held_out = None
        if others:
            held = np.flatnonzero(self._folds < len(others))
            answers = predict_left_out(others, self._folds)[held]
            held_out = HeldOut(
                held, answers if scale == 1 else with_temperature(answers, 1 / scale)
            )
        return HeadFit(head, tuple(self._trials), held_out, self._weights, self._is_balanced)


def _scale_without_trials(space: Space, data: Labelled, weights: Rows, *, seed: int) -> float:
    """`best_scale` where some class has one picture only, by the images of all other classes."""
    pairs = np.unique(np.stack([data.labels, data.groups]), axis=1)
    several = np.bincount(pairs[0], minlength=data.num_classes) > 1
    if data.num_classes <= MANY_CLASSES or len(data.group_keys) < NUM_FOLDS or not several.any():
        return 1.0
    folds, used = _enough_folds(data, NUM_FOLDS, _ENOUGH_TO_CHOOSE, seed)
    problems = leave_out(space, data.labels, weights, folds, used, data.num_classes)
    fit(problems, _DEFAULT_STRENGTH, tolerance=SEARCH_TOLERANCE)
    held = (folds < used) & several[data.labels]
    if not held.any():
        return 1.0
    scores = np.log(np.maximum(predict_left_out(problems, folds)[held], 1e-37))
    return best_scale(scores, data.labels[held])


def _measure(strength: float, probabilities: Rows, labels: NDArray[np.int64]) -> Trial:
    of_truth = probabilities[np.arange(len(labels)), labels]
    log_loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    return Trial(strength, log_loss, float((probabilities.argmax(axis=1) == labels).mean()))


def _enough_folds(
    data: Labelled, num_folds: int, enough: int, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Folds, int64 ``(n,)``, and how many of them hold enough images."""
    folds = data.folds(num_folds, seed=seed)
    return folds, min(num_folds, math.ceil(enough * num_folds / len(folds)))
