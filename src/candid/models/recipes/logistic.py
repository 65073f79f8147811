"""Multinomial logistic regression with a penalty on the squared length of the kernel.

Rows are turned onto their principal axes once; from then on any number of fits, on any weights of
the rows and any strength, share them.

Minimises a smooth convex function by L-BFGS (Nocedal and Wright, 2006, algorithms 7.4 and 7.5).

SciPy has it too, without a scale for each coordinate, which is what makes it fast here; and
importing that takes as long as a hundred of our fits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import is_finite, matmul, without_flags
from candid.errors import ComputationError, DependencyError

Vector = NDArray[np.float64]
Loss = Callable[[Vector], tuple[float, Vector]]

_MEMORY: Final = 10
_ARMIJO: Final = 1e-4
_MAX_HALVINGS: Final = 30


@without_flags()
def minimise(
    loss: Loss, start: Vector, *, scale: Vector, tolerance: float, max_steps: int = 500
) -> Vector:
    """Find where a smooth convex function is least.

    Args:
        loss: Gives value and gradient at a float64 vector.
        start: Where to begin.
        scale: A guess at the diagonal of the inverse Hessian, up to a factor; positive.
        tolerance: Stops when no part of the gradient is larger than this times the largest part
            of the gradient at zero.
        max_steps: Stops after so many steps in any case.

    Returns:
        The vector, float64, shaped as ``start``.

    Raises:
        ComputationError: The value or the gradient there is an infinity or a NaN.
    """
    point = start
    value, gradient = loss(point)
    largest = float(np.abs(loss(np.zeros_like(start))[1]).max()) if start.any() else None
    enough = tolerance * (largest or float(np.abs(gradient).max()))
    pairs: deque[_Pair] = deque(maxlen=_MEMORY)
    for _ in range(max_steps):
        if np.abs(gradient).max() <= enough:
            break
        direction = -_times_inverse_hessian(gradient, pairs, scale)
        found = _line_search(loss, point, value, gradient, direction)
        if found is None:  # the floating point's end: no step makes it smaller
            break
        next_point, value, next_gradient = found
        moved, turned = next_point - point, next_gradient - gradient
        product = float(moved @ turned)
        if product > 1e-12 * (turned @ turned):
            pairs.append(_Pair(moved, turned, product))
        point, gradient = next_point, next_gradient
    if not is_finite(value, gradient):
        raise ComputationError(
            "a fit ended on numbers that are infinite or not numbers at all: what it learns from "
            "is not finite, or too large. Train again; if it recurs, install NumPy anew."
        )
    return point


class _Pair(NamedTuple):
    """How a step moved the point and turned the gradient, and the product of the two."""

    moved: Vector
    turned: Vector
    product: float


def _times_inverse_hessian(gradient: Vector, pairs: deque[_Pair], scale: Vector) -> Vector:
    result = gradient.copy()
    factors = []
    for moved, turned, product in reversed(pairs):
        factor = moved.dot(result) / product
        factors.append(factor)
        result -= factor * turned
    result *= scale
    if pairs:
        turned = pairs[-1].turned
        result *= pairs[-1].product / turned.dot(scale * turned)
    for (moved, turned, product), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - turned.dot(result) / product) * moved
    return result


def _line_search(
    loss: Loss, point: Vector, value: float, gradient: Vector, direction: Vector
) -> tuple[Vector, float, Vector] | None:
    """Halve the step until it lowers the value enough (Armijo)."""
    step = 1.0
    slope = float(gradient @ direction)
    for _ in range(_MAX_HALVINGS):
        next_point = point + step * direction
        next_value, next_gradient = loss(next_point)
        if next_value <= value + _ARMIJO * step * slope:
            return next_point, next_value, next_gradient
        step /= 2
    return None


_STD_FLOOR = 0.02  # of the mean standard deviation: a feature that hardly varies is not blown up
_CURVATURE = 0.1  # of the log loss by a score: p (1 - p), at a guess
_SMALL_MATRIX = 2_000_000  # values
_TINY_MATRIX = 500_000  # values: fits on it spend their time in Python, of which one thread runs
_LARGE_MATRIX = 20_000_000  # values, 80 MB

Rows = NDArray[np.float32]


def matrix_threads(num_values: int) -> AbstractContextManager[object]:
    """One thread for small matrices: waiting for a second costs more than it does.

    Where the machine is busy, it costs many times more. Folds are fitted a thread each instead.
    """
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


def fits_at_once(num_values: int) -> int:
    """How many folds of so many values are best fitted at a time.

    Each has copies of its rows, of which memory may not hold several.
    """
    is_worth_it = _TINY_MATRIX <= num_values <= _LARGE_MATRIX
    return (os.cpu_count() or 1) if is_worth_it else 1


class Space:
    """Embeddings standardised and turned onto their principal axes.

    A rotation changes nothing about the solution with this regularisation, and gains twice: there
    are as many coordinates as the rows span, and the loss is nearly separable in them, so that a
    diagonal guess at its Hessian makes L-BFGS converge in a few steps.
    """

    def __init__(self, embeddings: Rows) -> None:
        self._mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = embeddings - self._mean  # in place from here on: there may be 50,000 of them
        std = np.sqrt(_sum_squares(rows) / len(rows)).astype(np.float32)
        self._scale = std + np.float32(_STD_FLOOR) * std.mean() + np.float32(1e-12)
        rows /= self._scale
        length = np.float32(np.sqrt(_sum_squares(rows).sum() / len(rows)) + 1e-12)
        rows /= length
        self._scale = self._scale * length
        self._axes = _principal_axes(rows)
        self.rows = np.ascontiguousarray(matmul(rows, self._axes), np.float32)
        self.squares = _sum_squares(self.rows)

    def to_embeddings(self, fitted: NDArray[np.float64]) -> tuple[Rows, Rows]:
        """Kernel ``(k, d)`` and bias ``(k,)`` for embeddings as they come."""
        kernel = matmul(fitted[:, :-1], self._axes.T) / self._scale
        bias = fitted[:, -1] - matmul(kernel, self._mean)
        return kernel.astype(np.float32), bias.astype(np.float32)


def _sum_squares(rows: Rows) -> NDArray[np.float64]:
    """The sum of the squares of each column, without another array of that size."""
    return np.asarray(np.einsum("ij,ij->j", rows, rows, dtype=np.float64))


def _principal_axes(rows: Rows) -> NDArray[np.float32]:
    """Orthonormal axes ``(d, r)`` of the space that rows ``(n, d)`` span, r up to n and d."""
    num_rows, num_features = rows.shape
    if num_rows >= num_features:
        _, vectors = np.linalg.eigh(matmul(rows.T, rows).astype(np.float64))
        return vectors.astype(np.float32)
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(matmul(wide, wide.T))
    kept = values > values[-1] * 1e-10
    return np.asarray(matmul(wide.T, vectors[:, kept]) / np.sqrt(values[kept]), np.float32)


def fit(
    space: Space,
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    strength: float,
    *,
    num_classes: int,
    start: NDArray[np.float64] | None,
    tolerance: float,
) -> NDArray[np.float64]:
    """Minimise half the squared length of the kernel plus ``strength`` times the summed log loss.

    Two classes are fitted as one row, for the other is its opposite.

    Args:
        space: The rows.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        weights: float32 ``(n,)``; rows of weight 0 are held out.
        strength: Inverse strength of the regularisation.
        num_classes: How many classes there are.
        start: What an earlier fit returned, to begin from.
        tolerance: See `candid.models.recipes.logistic.minimise`.

    Returns:
        float64 ``(k, r + 1)``, the bias last.
    """
    rows = space.rows
    num_units = 1 if num_classes == 2 else num_classes
    shape = num_units, rows.shape[1] + 1
    truth = np.eye(num_classes, dtype=np.float32)[labels][:, -num_units:]

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
        return losses[:, 0], np.exp(-np.logaddexp(0, -scores)) - truth
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - (shifted * truth).sum(axis=1)
    return losses, exponentials / total - truth


def scores_of(rows: Rows, fitted: NDArray[np.float64]) -> Rows:
    """Scores, float32 ``(n, k)``, of rows on their principal axes, by what `fit` returned."""
    return np.asarray(matmul(rows, fitted[:, :-1].T) + fitted[:, -1], np.float32)


def softmax(scores: Rows) -> Rows:
    """Probabilities, float32 ``(n, k)``, of scores."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)
