"""A regularised linear head on embeddings: multinomial logistic regression.

Written here, and not taken from scikit-learn, because a second training takes three seconds, of
which importing that would be one (2.5 without bytecode). Its solution is the tests' reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.dealing import deal_folds
from candid.errors import DependencyError
from candid.recipes.lbfgs import minimise

#: Inverse strengths of the regularisation that are tried, from strong to weak.
STRENGTHS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
NUM_FOLDS: Final = 5
_DEFAULT_STRENGTH = 10.0
_STD_FLOOR = 0.02  # of the mean standard deviation: a feature that hardly varies is not blown up
_CURVATURE = 0.1  # of the log loss by a score: p (1 - p), at a guess
_SEARCH_TOLERANCE = 1e-3
_FINAL_TOLERANCE = 1e-4
_SMALL_MATRIX = 2_000_000  # values
_ENOUGH_HELD_OUT = 500  # images that tell one strength from the next; more folds add only time

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Labelled:
    """Embeddings with their labels.

    Attributes:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        units: int64 ``(n,)``, what must not be torn apart by a fold, numbered without gaps.
        keys: A key a unit that depends on its content alone, as folds are dealt by it.
        num_classes: How many classes there are.
    """

    embeddings: Rows
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    keys: Sequence[str]
    num_classes: int

    def take(self, places: NDArray[np.int64]) -> Labelled:
        """Some of the images."""
        kept, units = np.unique(self.units[places], return_inverse=True)
        keys = [self.keys[unit] for unit in kept]
        rows = self.embeddings[places]
        return Labelled(rows, self.labels[places], units.astype(np.int64), keys, self.num_classes)

    def num_folds(self) -> int:
        """How many folds the smallest class allows, at most five; below 2 there is none."""
        pairs = np.unique(np.stack([self.labels, self.units]), axis=1)
        units_by_class = np.bincount(pairs[0], minlength=self.num_classes)
        return min(NUM_FOLDS, int(units_by_class.min()))


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

    def probabilities(self, embeddings: Rows) -> Rows:
        """Probabilities, float32 ``(n, k)``, of embeddings, float32 ``(n, d)``."""
        return _softmax(embeddings @ self.kernel.T + self.bias)


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


def fit_head(data: Labelled, *, seed: int = 0) -> tuple[LinearHead, tuple[Trial, ...]]:
    """Fit a head, its strength chosen by grouped cross-validation.

    Args:
        data: What to fit it on.
        seed: Deals the folds.

    Returns:
        The head, and the strengths that were tried.
    """
    with _matrix_threads(data.embeddings.size):
        space = _Space(data.embeddings)
        trials = _try_strengths(space, data, seed=seed)
        best = _best(trials)
        weights = np.ones(len(data.labels), np.float32)
        fitted = _fit(space, data, weights, best, start=None, tolerance=_FINAL_TOLERANCE)
        kernel, bias = space.to_embeddings(fitted)
    return LinearHead(kernel, bias, best), trials


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
    folds = deal_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
    probabilities = np.zeros((len(data.labels), data.num_classes), np.float32)
    for fold in range(num_folds):
        head, _ = fit_head(data.take(np.flatnonzero(folds != fold)), seed=seed + 1)
        held_out = folds == fold
        probabilities[held_out] = head.probabilities(data.embeddings[held_out])
    return probabilities


def _best(trials: tuple[Trial, ...]) -> float:
    if not trials:
        return _DEFAULT_STRENGTH
    return min(trials, key=lambda trial: trial.log_loss).strength


def _matrix_threads(num_values: int) -> AbstractContextManager[object]:
    """One thread for small matrices: waiting for a second costs more than it does."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise DependencyError(
            "a head is fitted with the package threadpoolctl, which is not installed. "
            'Run: pip install "candid-image[transfer]"'
        ) from error
    limits: AbstractContextManager[object] = threadpool_limits(
        1 if num_values < _SMALL_MATRIX else None
    )
    return limits


def _try_strengths(space: _Space, data: Labelled, *, seed: int) -> tuple[Trial, ...]:
    """Held-out figures of each strength, from strong to weak until it only gets worse."""
    num_folds = data.num_folds()
    if num_folds < 2:
        return ()
    folds = deal_folds(data.labels, data.units, data.keys, num_folds=num_folds, seed=seed)
    used = min(num_folds, math.ceil(_ENOUGH_HELD_OUT * num_folds / len(folds)))
    held = np.flatnonzero(folds < used)
    starts: list[NDArray[np.float64] | None] = [None] * used
    trials: list[Trial] = []
    for strength in STRENGTHS:
        held_out = np.zeros((len(data.labels), data.num_classes), np.float32)
        for fold in range(used):
            weights = (folds != fold).astype(np.float32)
            fitted = _fit(
                space, data, weights, strength, start=starts[fold], tolerance=_SEARCH_TOLERANCE
            )
            starts[fold] = fitted
            here = folds == fold
            held_out[here] = _softmax(_scores(space.rows[here], fitted))
        trials.append(_trial(strength, held_out[held], data.labels[held]))
        if len(trials) > 1 and trials[-1].log_loss > trials[-2].log_loss:
            break
    return tuple(trials)


def _trial(strength: float, probabilities: Rows, labels: NDArray[np.int64]) -> Trial:
    of_truth = probabilities[np.arange(len(labels)), labels]
    log_loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
    return Trial(strength, log_loss, float((probabilities.argmax(axis=1) == labels).mean()))


class _Space:
    """Embeddings standardised and turned onto their principal axes.

    A rotation changes nothing about the solution with this regularisation, and gains twice: there
    are as many coordinates as the rows span, and the loss is nearly separable in them, so that a
    diagonal guess at its Hessian makes L-BFGS converge in a few steps.
    """

    def __init__(self, embeddings: Rows) -> None:
        self._mean = embeddings.mean(axis=0)
        std = embeddings.std(axis=0)
        self._scale = std + np.float32(_STD_FLOOR) * std.mean() + np.float32(1e-12)
        rows = (embeddings - self._mean) / self._scale
        length = np.sqrt(np.square(rows).sum(axis=1).mean()) + np.float32(1e-12)
        rows /= length
        self._scale = self._scale * length
        self._axes = _principal_axes(rows)
        self.rows = np.ascontiguousarray(rows @ self._axes, np.float32)
        self.squares = np.square(self.rows).sum(axis=0, dtype=np.float64)

    def to_embeddings(self, fitted: NDArray[np.float64]) -> tuple[Rows, Rows]:
        """Kernel ``(k, d)`` and bias ``(k,)`` for embeddings as they come."""
        kernel = fitted[:, :-1] @ self._axes.T / self._scale
        bias = fitted[:, -1] - kernel @ self._mean
        return kernel.astype(np.float32), bias.astype(np.float32)


def _principal_axes(rows: Rows) -> NDArray[np.float32]:
    """Orthonormal axes ``(d, r)`` of the space that rows ``(n, d)`` span, r up to n and d."""
    num_rows, num_features = rows.shape
    if num_rows >= num_features:
        _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        return vectors.astype(np.float32)
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(wide @ wide.T)
    kept = values > values[-1] * 1e-10
    return np.asarray(wide.T @ vectors[:, kept] / np.sqrt(values[kept]), np.float32)


def _fit(
    space: _Space,
    data: Labelled,
    weights: NDArray[np.float32],
    strength: float,
    *,
    start: NDArray[np.float64] | None,
    tolerance: float,
) -> NDArray[np.float64]:
    """Minimise half the squared length of the kernel plus ``strength`` times the summed log loss.

    Rows of weight 0 are held out. Two classes are fitted as one row, for the other is its opposite.

    Returns:
        float64 ``(k, r + 1)``, the bias last.
    """
    rows = space.rows
    num_units = 1 if data.num_classes == 2 else data.num_classes
    shape = num_units, rows.shape[1] + 1
    truth = np.eye(data.num_classes, dtype=np.float32)[data.labels][:, -num_units:]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = flat.reshape(shape)
        scores = rows @ parameters[:, :-1].T.astype(np.float32) + parameters[:, -1]
        losses, errors = _log_loss(scores.astype(np.float64), truth)
        errors = (errors * weights[:, None]).astype(np.float32)
        gradient = strength * np.column_stack([errors.T @ rows, errors.sum(axis=0)])
        gradient[:, :-1] += parameters[:, :-1]
        half_square = 0.5 * float(np.square(parameters[:, :-1]).sum())
        return strength * float(losses @ weights) + half_square, gradient.ravel()

    begin = np.zeros(shape) if start is None else start[-num_units:] - (num_units == 1) * start[:1]
    hessian = np.append(1 + strength * _CURVATURE * space.squares, _CURVATURE * len(rows))
    scale = np.tile(1 / hessian, num_units)
    fitted = minimise(loss, begin.ravel(), scale=scale, tolerance=tolerance).reshape(shape)
    return np.concatenate([-fitted / 2, fitted / 2]) if num_units == 1 else fitted


def _log_loss(
    scores: NDArray[np.float64], truth: Rows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss of each row and its derivative by the scores."""
    if scores.shape[1] == 1:
        losses = np.logaddexp(0, scores) - truth * scores
        return losses[:, 0], 1 / (1 + np.exp(-scores)) - truth
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - (shifted * truth).sum(axis=1)
    return losses, exponentials / total - truth


def _scores(rows: Rows, fitted: NDArray[np.float64]) -> Rows:
    return np.asarray(rows @ fitted[:, :-1].T + fitted[:, -1], np.float32)


def _softmax(scores: Rows) -> Rows:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)
