"""A regularised linear head on embeddings: multinomial logistic regression.

Written here, and not taken from scikit-learn, because a second training takes three seconds, of
which importing that would be one (2.5 without bytecode). Its solution is the tests' reference.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.models.recipes.logistic import (
    Rows,
    Space,
    fit,
    fits_at_once,
    matrix_threads,
    scores_of,
    softmax,
)
from candid.splits.grouped_split import Labelled, grouped_folds

#: Inverse strengths of the regularisation that are tried, from strong to weak.
STRENGTHS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_DEFAULT_STRENGTH = 10.0
_SEARCH_TOLERANCE = 1e-3
_FINAL_TOLERANCE = 1e-4
_ENOUGH_TO_CHOOSE = 500  # images that tell one strength from the next; more folds add only time
_ENOUGH_TO_JUDGE = 1000  # images that tell how far a head can be believed
_NUM_TENTHS = 10


@dataclass(frozen=True)
class LinearHead:
    """Scores that are linear in the embedding.

    Attributes:
        kernel: float32 ``(k, d)``. Two classes have opposite rows.
        bias: float32 ``(k,)``.
        strength: The inverse strength of the regularisation that it was fitted with.
    """

    kernel: Rows
    bias: Rows
    strength: float

    def scores(self, embeddings: Rows) -> Rows:
        """Scores, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return np.asarray(matmul(embeddings, self.kernel.T) + self.bias, np.float32)

    def probabilities(self, embeddings: Rows) -> Rows:
        """Probabilities, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return softmax(self.scores(embeddings))

    def divided_by(self, temperature: float) -> LinearHead:
        """The same with all scores divided by a temperature."""
        scale = np.float32(1 / temperature)
        return replace(self, kernel=self.kernel * scale, bias=self.bias * scale)


@dataclass(frozen=True)
class Trial:
    """How a strength did on held-out folds.

    Attributes:
        strength: Inverse strength of the regularisation.
        log_loss: Mean over the images, in nats.
        accuracy: Share of the images.
    """

    strength: float
    log_loss: float
    accuracy: float


@dataclass(frozen=True)
class HeldOut:
    """What heads said of images that they did not see.

    Attributes:
        places: int64 ``(m,)``, which of the images.
        probabilities: float32 ``(m, k)``, not calibrated.
    """

    places: NDArray[np.int64]
    probabilities: Rows


@dataclass(frozen=True)
class HeadFit:
    """A fitted head and how it came about.

    Attributes:
        head: The head.
        trials: The strengths that were tried.
        held_out: At the strength that was chosen; None where that was not asked for, or where a
            class is too small for folds.
    """

    head: LinearHead
    trials: tuple[Trial, ...]
    held_out: HeldOut | None


def fit_head(data: Labelled, *, seed: int = 0, with_held_out: bool = False) -> HeadFit:
    """Fit a head, its strength chosen by grouped cross-validation.

    Args:
        data: What to fit it on.
        seed: Deals the folds.
        with_held_out: Whether to predict images that were held out, too.

    Returns:
        The head, the strengths that were tried, and the held-out predictions.
    """
    with matrix_threads(data.embeddings.size):
        space = Space(data.embeddings)
        trials = _try_strengths(space, data, seed=seed)
        best = _best(trials)
        weights = np.ones(len(data.labels), np.float32)
        fitted = fit(
            space,
            data.labels,
            weights,
            best,
            num_classes=data.num_classes,
            start=None,
            tolerance=_FINAL_TOLERANCE,
        )
        kernel, bias = space.to_embeddings(fitted)
        held_out = _hold_out(space, data, best, seed=seed) if with_held_out else None
    return HeadFit(LinearHead(kernel, bias, best), trials, held_out)


def cross_validate(data: Labelled, *, seed: int = 0) -> Rows | None:
    """Predict every image by a head that saw neither it nor any of its unit.

    Each fold's head chooses its own strength within the other folds, so that nothing of the held
    out images enters.

    Args:
        data: All the images.
        seed: Deals the folds.

    Returns:
        float32 ``(n, k)`` probabilities, or None where a class is too small for two folds.
    """
    num_folds = data.num_folds()
    if num_folds < 2:
        return None
    folds = grouped_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
    probabilities = np.zeros((len(data.labels), data.num_classes), np.float32)

    def predict(fold: int) -> Rows:
        fitted = fit_head(data.take(np.flatnonzero(folds != fold)), seed=seed + 1)
        return fitted.head.probabilities(data.embeddings[folds == fold])

    at_once = fits_at_once(data.embeddings.size)
    with matrix_threads(0), ThreadPoolExecutor(at_once) as pool:
        for fold, predicted in enumerate(pool.map(predict, range(num_folds))):
            probabilities[folds == fold] = predicted
    return probabilities


def predict_held_out(
    data: Labelled,
    *,
    seeds: Sequence[int],
    strength: float,
    learn_from: NDArray[np.bool_],
) -> Rows:
    """Predict every image by heads that saw neither it nor any of its unit, in several deals.

    For looking at labels, not for figures: the rows are standardised all at once, held-out ones
    among them (their labels enter nothing), which makes a deal several times as fast.

    Args:
        data: All the images; each class in two units at the least.
        seeds: One deal of the folds each.
        strength: Inverse strength of the regularisation.
        learn_from: bool ``(n,)``, the images whose labels are believed. All are predicted.

    Returns:
        float32 ``(n, k)`` probabilities, averaged over the deals.
    """
    num_folds = data.num_folds()
    deals = [
        grouped_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
        for seed in seeds
    ]
    held_out = [folds == fold for folds in deals for fold in range(num_folds)]
    with matrix_threads(0), ThreadPoolExecutor(os.cpu_count()) as pool:
        space = Space(data.embeddings)

        def predict(here: NDArray[np.bool_]) -> Rows:
            # No warm start: it would come from a fit that has seen these labels.
            return _predict_fold(space, data, here, strength, start=None, learn_from=learn_from)[1]

        total = np.zeros((len(data.labels), data.num_classes), np.float32)
        for here, predicted in zip(held_out, pool.map(predict, held_out), strict=True):
            total[here] += predicted
    return total / np.float32(len(deals))


def _predict_fold(
    space: Space,
    data: Labelled,
    held_out: NDArray[np.bool_],
    strength: float,
    *,
    start: NDArray[np.float64] | None,
    learn_from: NDArray[np.bool_] | None = None,
    tolerance: float = _SEARCH_TOLERANCE,
) -> tuple[NDArray[np.float64], Rows]:
    """Fit on what is not held out; what was fitted, and the probabilities of what is held out."""
    weights = ~held_out if learn_from is None else ~held_out & learn_from
    fitted = fit(
        space,
        data.labels,
        weights.astype(np.float32),
        strength,
        num_classes=data.num_classes,
        start=start,
        tolerance=tolerance,
    )
    return fitted, softmax(scores_of(space.rows[held_out], fitted))


def _best(trials: tuple[Trial, ...]) -> float:
    if not trials:
        return _DEFAULT_STRENGTH
    return min(trials, key=lambda trial: trial.log_loss).strength


def _try_strengths(space: Space, data: Labelled, *, seed: int) -> tuple[Trial, ...]:
    """Held-out figures of each strength, from strong to weak until it only gets worse."""
    num_folds = data.num_folds()
    if num_folds < 2:
        return ()
    folds, used = _deal(data, num_folds, _ENOUGH_TO_CHOOSE, seed=seed)
    held = np.flatnonzero(folds < used)
    starts: list[NDArray[np.float64] | None] = [None] * used
    trials: list[Trial] = []
    for strength in STRENGTHS:
        held_out = np.zeros((len(data.labels), data.num_classes), np.float32)
        for fold in range(used):
            here = folds == fold
            starts[fold], held_out[here] = _predict_fold(
                space, data, here, strength, start=starts[fold]
            )
        trials.append(_trial(strength, held_out[held], data.labels[held]))
        if len(trials) > 1 and trials[-1].log_loss > trials[-2].log_loss:
            break
    return tuple(trials)


def _hold_out(space: Space, data: Labelled, strength: float, *, seed: int) -> HeldOut | None:
    """What heads as like the final one as may be say of images that they did not see.

    They learn from nine tenths of the images, and are fitted as exactly as the final one: heads
    that know less, or that stopped early, are less sure than it is.
    """
    num_folds = min(_NUM_TENTHS, data.fewest_units())
    if num_folds < 2:
        return None
    folds, used = _deal(data, num_folds, _ENOUGH_TO_JUDGE, seed=seed)
    held_out = np.zeros((len(data.labels), data.num_classes), np.float32)
    for fold in range(used):
        here = folds == fold
        _, held_out[here] = _predict_fold(
            space, data, here, strength, start=None, tolerance=_FINAL_TOLERANCE
        )
    held = np.flatnonzero(folds < used)
    return HeldOut(held, held_out[held])


def _deal(
    data: Labelled, num_folds: int, enough: int, *, seed: int
) -> tuple[NDArray[np.int64], int]:
    """Folds, int64 ``(n,)``, and how many of them hold enough images."""
    folds = grouped_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
    return folds, min(num_folds, math.ceil(enough * num_folds / len(folds)))


def _trial(strength: float, probabilities: Rows, labels: NDArray[np.int64]) -> Trial:
    of_truth = probabilities[np.arange(len(labels)), labels]
    log_loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    return Trial(strength, log_loss, float((probabilities.argmax(axis=1) == labels).mean()))
