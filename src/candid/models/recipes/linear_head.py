"""A regularised linear head on embeddings, and its grouped cross-validation.

Not scikit-learn's: importing it would take one second of the three that a second training takes
(2.5 without bytecode). The tests compare the solution with scikit-learn's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul
from candid.models.recipes.logistic import (
    MANY_CLASSES,
    Space,
    fit,
    fits_at_once,
    matrix_threads,
    scores_of,
    softmax,
)
from candid.models.temperature import count_pictures, smoothed_losses, with_temperature
from candid.splits.grouped_split import NUM_FOLDS, Labelled, grouped_folds

#: Inverse strengths of the regularisation to try, from strong to weak, evenly on a log scale.
STRENGTHS: Final = (1.0, 3.2, 10.0, 32.0, 100.0, 320.0, 1000.0)
_DEFAULT_STRENGTH = 10.0
_SEARCH_TOLERANCE = 1e-3
_FINAL_TOLERANCE = 1e-4
_NO_WEIGHT = 5.0  # in nats: strengths less likely by this do not influence the choice
_ENOUGH_TO_CHOOSE = 500  # held-out images to choose a strength by; further folds are skipped
_ENOUGH_TO_CALIBRATE = 1000  # held-out images to calibrate on
_CALIBRATION_FOLDS = 10
_NEWTON_STEPS = 6
_MOST_SCALE = 20.0
#: Photos of the largest class for one of the smallest above which classes count as unbalanced: at 3
#: to 1, always predicting the larger of two is 75 % accurate, which can pass for a working model.
UNBALANCED: Final = 3.0

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of embeddings."""

    kernel: Rows  # float32 ``(k, d)``; for two classes the rows are opposite
    bias: Rows  # float32 ``(k,)``
    strength: float  # inverse strength of the regularisation

    def scores(self, embeddings: Rows) -> Rows:
        """Scores, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return np.asarray(matmul(embeddings, self.kernel.T) + self.bias, np.float32)

    def probabilities(self, embeddings: Rows) -> Rows:
        """Probabilities, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return softmax(self.scores(embeddings))

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
    """Fit a head, its strength chosen by grouped cross-validation; the seed draws the folds.

    Where classes are unbalanced, every strength is also tried with an equal weight for every class.
    Strengths and weights are judged by one figure, the smoothed log loss of the held-out images,
    each counted once: a penalised fit calls a rare class too improbable (King and Zeng, "Logistic
    regression in rare events data", 2001), and weights that overshoot cost log loss on the other
    classes. So probabilities keep to the true frequencies of the classes.
    """
    with matrix_threads(data.embeddings.size, data.num_classes):
        space = Space(data.embeddings)
        ones = np.ones(len(data.labels), np.float32)
        search = _try_strengths(space, data, ones, seed=seed)
        if search.trials and is_unbalanced(data.labels, data.num_classes):
            weights = balanced_weights(data.labels, data.num_classes)
            weighted = _try_strengths(space, data, weights, seed=seed)
            search = min(search, weighted, key=lambda one: one.loss)
        fitted = fit(
            space,
            data.labels,
            search.weights,
            search.strength,
            num_classes=data.num_classes,
            start=None,
            tolerance=_FINAL_TOLERANCE,
        )
        kernel, bias = space.to_embeddings(fitted * search.scale)
        held_out = (
            _predict_for_calibration(space, data, search, seed=seed) if with_held_out else None
        )
    head = LinearHead(kernel, bias, search.strength)
    return HeadFit(head, search.trials, held_out, search.weights is not ones)


def run_folds(
    data: Labelled, function: Callable[[NDArray[np.bool_]], _Result], *, seed: int
) -> tuple[NDArray[np.int64], list[_Result]] | None:
    """Call a function for each fold of a grouped cross-validation, large ones in parallel.

    Args:
        data: The images.
        function: Takes the held-out images of a fold, bool ``(n,)``.
        seed: Random seed of the folds.

    Returns:
        The fold of each image, int64 ``(n,)``, and the results of the folds; None if a class is too
        small for two folds.
    """
    num_folds = data.num_folds()
    if num_folds < 2:
        return None
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=num_folds, seed=seed)
    at_once = fits_at_once(data.embeddings.size)
    with matrix_threads(0), ThreadPoolExecutor(at_once) as pool:
        return folds, list(pool.map(lambda fold: function(folds == fold), range(num_folds)))


def cross_validate(data: Labelled, *, seed: int = 0) -> Rows | None:
    """Predict every image by a head that was fitted neither on it nor on its group.

    Each fold's head chooses its own strength within the other folds, so that nothing leaks from
    held-out images.

    Returns:
        float32 ``(n, k)`` probabilities, or None if a class is too small for two folds.
    """

    def predict(held_out: NDArray[np.bool_]) -> Rows:
        fitted = fit_head(data.take(np.flatnonzero(~held_out)), seed=seed + 1)
        return fitted.head.probabilities(data.embeddings[held_out])

    done = run_folds(data, predict, seed=seed)
    if done is None:
        return None
    probabilities = np.zeros((len(data.labels), data.num_classes), np.float32)
    for fold, predicted in enumerate(done[1]):
        probabilities[done[0] == fold] = predicted
    return probabilities


def predict_held_out(
    data: Labelled,
    *,
    seeds: Sequence[int],
    strength: float,
    learn_from: NDArray[np.bool_],
) -> Rows:
    """Predict every image by heads that were fitted neither on it nor on its group.

    For finding label errors, not for reported figures: all rows are standardised together, held-out
    ones included (without their labels), which is several times as fast.

    Args:
        data: All the images; each class in at least two groups.
        seeds: Random seeds; the folds are drawn once for each.
        strength: Inverse strength of the regularisation.
        learn_from: bool ``(n,)``, the images to fit on. All are predicted.

    Returns:
        float32 ``(n, k)`` probabilities, averaged over the seeds.
    """
    num_folds = data.num_folds()
    held_out = [
        folds == fold
        for seed in seeds
        for folds in [
            grouped_folds(data.labels, data.groups, data.group_keys, num_folds=num_folds, seed=seed)
        ]
        for fold in range(num_folds)
    ]
    with matrix_threads(0), ThreadPoolExecutor(os.cpu_count()) as pool:
        space, weights = Space(data.embeddings), learn_from.astype(np.float32)

        def predict(here: NDArray[np.bool_]) -> Rows:
            # No warm start: it would come from a fit on these labels.
            return _predict_fold(space, data, here, strength, weights)[1]

        total = np.zeros((len(data.labels), data.num_classes), np.float32)
        for here, predicted in zip(held_out, pool.map(predict, held_out), strict=True):
            total[here] += predicted
    return total / np.float32(len(seeds))


def _predict_fold(
    space: Space,
    data: Labelled,
    held_out: NDArray[np.bool_],
    strength: float,
    weights: Rows,
    *,
    start: NDArray[np.float64] | None = None,
    tolerance: float = _SEARCH_TOLERANCE,
) -> tuple[NDArray[np.float64], Rows]:
    """Fit on the other images; return the fit and the probabilities of the held-out ones."""
    fitted = fit(
        space,
        data.labels,
        weights * ~held_out,
        strength,
        num_classes=data.num_classes,
        start=start,
        tolerance=tolerance,
    )
    return fitted, softmax(scores_of(space.rows[held_out], fitted))


@dataclass(frozen=True)
class _Search:
    """The strengths tried with some weights of the images, and the one to use; or the default."""

    weights: Rows  # float32 ``(n,)``
    trials: tuple[Trial, ...] = ()
    strength: float = _DEFAULT_STRENGTH
    loss: float = math.inf  # the least, as in `_try_strengths`
    scale: float = 1.0  # of the scores, see `_best_scale`


def _try_strengths(space: Space, data: Labelled, weights: Rows, *, seed: int) -> _Search:
    """Measure each strength on held-out images, from strong to weak, and average the good ones.

    They are judged by the summed smoothed log loss, in nats per independent image. Weaker ones are
    not tried once it has risen beyond any weight.
    """
    num_folds = data.num_folds()
    if num_folds < 2:
        return _Search(weights, scale=_scale_without_trials(space, data, weights, seed=seed))
    folds, used = _enough_folds(data, num_folds, _ENOUGH_TO_CHOOSE, seed=seed)
    held = folds < used
    labels, num_pictures = data.labels[held], count_pictures(data.groups[held])
    starts: list[NDArray[np.float64] | None] = [None] * used
    trials: list[Trial] = []
    losses: list[float] = []
    scales: list[float] = []
    for strength in STRENGTHS:
        predicted = np.zeros((len(data.labels), data.num_classes), np.float32)
        for fold in range(used):
            here = folds == fold
            starts[fold], predicted[here] = _predict_fold(
                space, data, here, strength, weights, start=starts[fold]
            )
        scores = np.log(np.maximum(predicted[held], 1e-37))
        scales.append(_best_scale(scores, labels) if data.num_classes > MANY_CLASSES else 1.0)
        scores *= np.float32(scales[-1])
        trials.append(_measure(strength, softmax(scores), labels))
        losses.append(num_pictures * float(smoothed_losses(scores, labels, num_pictures).mean()))
        if losses[-1] > min(losses) + _NO_WEIGHT:
            break
    scale = scales[int(np.argmin(losses))]
    return _Search(weights, tuple(trials), _average_strength(losses), min(losses), scale)


def _scale_without_trials(space: Space, data: Labelled, weights: Rows, *, seed: int) -> float:
    """`_best_scale` where some class has one picture only, by the images of all other classes."""
    pairs = np.unique(np.stack([data.labels, data.groups]), axis=1)
    several = np.bincount(pairs[0], minlength=data.num_classes) > 1
    if data.num_classes <= MANY_CLASSES or len(data.group_keys) < NUM_FOLDS or not several.any():
        return 1.0
    folds, used = _enough_folds(data, NUM_FOLDS, _ENOUGH_TO_CHOOSE, seed=seed)
    predicted = np.zeros((len(data.labels), data.num_classes), np.float32)
    for fold in range(used):
        here = folds == fold
        _, predicted[here] = _predict_fold(space, data, here, _DEFAULT_STRENGTH, weights)
    held = (folds < used) & several[data.labels]
    if not held.any():
        return 1.0
    return _best_scale(np.log(np.maximum(predicted[held], 1e-37)), data.labels[held])


def _best_scale(scores: Rows, labels: NDArray[np.int64]) -> float:
    """The factor of the scores with the least log loss, by Newton's method from 1.

    One Newton step towards a head leaves the size of its scores open.
    """
    scale, of_truth = 1.0, scores[np.arange(len(labels)), labels]
    for _ in range(_NEWTON_STEPS):
        chances = softmax(scores * np.float32(scale))
        mean = (chances * scores).sum(axis=1)
        variance = (chances * np.square(scores - mean[:, None])).sum()
        step = float((of_truth - mean).sum() / max(variance, 1e-12))
        scale = min(max(scale + step, scale / 2), 2 * scale)
    return min(max(scale, 1 / _MOST_SCALE), _MOST_SCALE)


def _measure(strength: float, probabilities: Rows, labels: NDArray[np.int64]) -> Trial:
    of_truth = probabilities[np.arange(len(labels)), labels]
    log_loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    return Trial(strength, log_loss, float((probabilities.argmax(axis=1) == labels).mean()))


def _average_strength(losses: Sequence[float]) -> float:
    """The strengths' geometric mean, weighted by the likelihood of the held-out labels.

    Where few labels can't tell strengths apart, it lies between them, not at the end that the last
    label happens to favour.

    Args:
        losses: Those of the first strengths, as in `_try_strengths`.

    Returns:
        The inverse strength, to two digits.
    """
    weights = np.exp(min(losses) - np.array(losses))
    mean = float(np.average(np.log(STRENGTHS[: len(losses)]), weights=weights))
    return float(f"{math.exp(mean):.2g}")


def _predict_for_calibration(
    space: Space, data: Labelled, search: _Search, *, seed: int
) -> HeldOut | None:
    """Predictions of held-out images by heads as similar to the final one as possible.

    They are fitted on nine tenths of the images and to the final tolerance: heads fitted on less,
    or stopped early, are less confident than the final one.
    """
    num_folds = min(_CALIBRATION_FOLDS, data.fewest_groups())
    if num_folds < 2:
        return None
    folds, used = _enough_folds(data, num_folds, _ENOUGH_TO_CALIBRATE, seed=seed)
    predicted = np.zeros((len(data.labels), data.num_classes), np.float32)
    for fold in range(used):
        here = folds == fold
        _, predicted[here] = _predict_fold(
            space, data, here, search.strength, search.weights, tolerance=_FINAL_TOLERANCE
        )
    held = np.flatnonzero(folds < used)
    scaled = predicted[held]
    if search.scale != 1:
        scaled = with_temperature(scaled, 1 / search.scale)
    return HeldOut(held, scaled)


def _enough_folds(
    data: Labelled, num_folds: int, enough: int, *, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Folds, int64 ``(n,)``, and how many of them hold enough images."""
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=num_folds, seed=seed)
    return folds, min(num_folds, math.ceil(enough * num_folds / len(folds)))
