"""Multinomial logistic regression with an L2 penalty on the kernel, fitted by L-BFGS.

Rows are rotated onto their principal axes once (`Space`), which all fits of any row weights and
strength share. docs/adr/0015-lbfgs.md compares `minimise` with SciPy's L-BFGS-B.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.core.linalg import Rows, is_finite, matmul, without_flags
from candid.errors import ComputationError

Vector = NDArray[np.float64]
Loss = Callable[[Vector], tuple[float, Vector]]

# Change of the point and of the gradient in a step, and their inner product.
_Pair = tuple[Vector, Vector, float]

_MEMORY: Final = 10
_ARMIJO: Final = 1e-4
_MAX_HALVINGS: Final = 30

#: Classes above which a head is fitted in closed form, see `fit`.
MANY_CLASSES: Final = 50
#: Principal axes of a fit with many classes; the others hold a few percent.
MOST_AXES: Final = 512
_TAMING = 4.0  # of the curvature at the classes' frequencies, as it grows from there

_STD_FLOOR = 0.02  # of the mean standard deviation: limits the scaling of nearly constant features
_STRONG = 100.0  # inverse strength up to which the tolerance is as given
_LEAST_CURVATURE = 1e-4  # of the log loss by a score, p (1 - p); 0 where all rows fit exactly
_SMALL_MATRIX = 2_000_000  # values
_TINY_MATRIX = 500_000  # values: fits on fewer are bound by the GIL
_LARGE_MATRIX = 20_000_000  # values, 80 MB


@without_flags()
def minimise(
    loss: Loss, start: Vector, *, scale: Vector, tolerance: float, max_steps: int = 500
) -> Vector:
    """Minimise a smooth convex function by L-BFGS (Nocedal and Wright, 2006, alg. 7.4 and 7.5).

    Args:
        loss: Returns value and gradient at a float64 vector.
        start: The initial vector.
        scale: Estimate of the diagonal of the inverse Hessian, up to a factor; positive.
        tolerance: Stop when the gradient's largest element is at most this times that at zero.
        max_steps: Most iterations.

    Returns:
        The vector, float64, shaped as ``start``.

    Raises:
        ComputationError: The value or the gradient there is infinite or NaN.
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
        if found is None:  # no step lowers the value in floating point
            break
        next_point, value, next_gradient = found
        step, change = next_point - point, next_gradient - gradient
        product = float(step @ change)
        if product > 1e-12 * (change @ change):
            pairs.append((step, change, product))
        point, gradient = next_point, next_gradient
    if not is_finite(value, gradient):
        raise ComputationError(
            "a fit ended with infinite or NaN values: the embeddings are not finite, or too large. "
            "Train again; if it recurs, reinstall NumPy."
        )
    return point


def _times_inverse_hessian(gradient: Vector, pairs: deque[_Pair], scale: Vector) -> Vector:
    result = gradient.copy()
    factors = []
    for step, change, product in reversed(pairs):
        factor = step.dot(result) / product
        factors.append(factor)
        result -= factor * change
    result *= scale
    if pairs:
        _, change, product = pairs[-1]
        result *= product / change.dot(scale * change)
    for (step, change, product), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - change.dot(result) / product) * step
    return result


def _line_search(
    loss: Loss, point: Vector, value: float, gradient: Vector, direction: Vector
) -> tuple[Vector, float, Vector] | None:
    """Halve the step until it lowers the value sufficiently (Armijo)."""
    step = 1.0
    slope = float(gradient @ direction)
    for _ in range(_MAX_HALVINGS):
        next_point = point + step * direction
        next_value, next_gradient = loss(next_point)
        if next_value <= value + _ARMIJO * step * slope:
            return next_point, next_value, next_gradient
        step /= 2
    return None


def matrix_threads(num_values: int, num_classes: int = 2) -> AbstractContextManager[object]:
    """Limit NumPy to one thread for small matrices, and for larger ones in closed form.

    Synchronising a second one costs more than it gains, and many times more on a busy machine.
    Folds are fitted in one thread each instead.
    """
    require_packages(("threadpoolctl",), needed_by="fitting a head", extra="transfer")
    from threadpoolctl import threadpool_limits

    small = _LARGE_MATRIX if num_classes > MANY_CLASSES else _SMALL_MATRIX
    limits: AbstractContextManager[object] = threadpool_limits(1 if num_values < small else None)
    return limits


def fits_at_once(num_values: int) -> int:
    """The number of folds to fit at a time; one for large ones, as each copies its rows."""
    return (os.cpu_count() or 1) if _TINY_MATRIX <= num_values <= _LARGE_MATRIX else 1


class Space:
    """Embeddings standardised and rotated onto their principal axes.

    The L2 penalty is invariant to rotation. On these axes there are only as many coordinates as the
    rows span, and the Hessian is nearly diagonal, so that L-BFGS converges in a few steps.
    """

    def __init__(self, embeddings: Rows) -> None:
        self._mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = embeddings - self._mean  # in place from here on, as it may be large
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
        """Kernel ``(k, d)`` and bias ``(k,)`` for embeddings that are not standardised."""
        kernel = matmul(fitted[:, :-1], self._axes.T) / self._scale
        bias = fitted[:, -1] - matmul(kernel, self._mean)
        return kernel.astype(np.float32), bias.astype(np.float32)


def _sum_squares(rows: Rows) -> NDArray[np.float64]:
    """Sum of squares of each column, without a temporary of that size."""
    return np.asarray(np.einsum("ij,ij->j", rows, rows, dtype=np.float64))


def _principal_axes(rows: Rows) -> NDArray[np.float32]:
    """Orthonormal axes ``(d, r)`` of the span of rows ``(n, d)``."""
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
    """Minimise half the squared norm of the kernel plus ``strength`` times the summed log loss.

    For two classes one row is fitted; the other is its negative. For more than `MANY_CLASSES` it
    is one Newton step from the frequencies of the classes, see docs/adr/0023-many-classes.md.

    Args:
        space: The rows.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        weights: float32 ``(n,)``; rows of weight 0 are held out.
        strength: Inverse strength of the regularisation.
        num_classes: The number of classes.
        start: The result of an earlier fit, for a warm start.
        tolerance: See `minimise`; proportionally less for strengths above 100, where the gradient
            at zero, which it is relative to, grows and the solution hardly does.

    Returns:
        float64 ``(k, r + 1)``, the bias last.
    """
    if num_classes > MANY_CLASSES:
        return _newton_step(space, labels, weights, strength, num_classes=num_classes)
    rows = space.rows
    num_outputs = 1 if num_classes == 2 else num_classes
    shape = num_outputs, rows.shape[1] + 1
    truth = np.eye(num_classes, dtype=np.float32)[labels][:, -num_outputs:]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = flat.reshape(shape)
        scores = rows @ parameters[:, :-1].T.astype(np.float32) + parameters[:, -1]
        losses, errors = _log_loss(scores.astype(np.float64), truth)
        errors = (errors * weights[:, None]).astype(np.float32)
        gradient = strength * np.column_stack([errors.T @ rows, errors.sum(axis=0)])
        gradient[:, :-1] += parameters[:, :-1]
        half_square = 0.5 * float(np.square(parameters[:, :-1]).sum())
        return strength * float(losses @ weights) + half_square, gradient.ravel()

    begin = (
        np.zeros(shape) if start is None else start[-num_outputs:] - (num_outputs == 1) * start[:1]
    )
    scale = _inverse_hessian(space, weights, strength, begin).ravel()
    tolerance *= min(1, _STRONG / strength)
    fitted = minimise(loss, begin.ravel(), scale=scale, tolerance=tolerance).reshape(shape)
    return np.concatenate([-fitted / 2, fitted / 2]) if num_outputs == 1 else fitted


def _newton_step(
    space: Space,
    labels: NDArray[np.int64],
    weights: NDArray[np.float32],
    strength: float,
    *,
    num_classes: int,
) -> NDArray[np.float64]:
    """The first step of Newton's method for `fit`, in closed form: a least-squares head.

    Its work grows with rows plus classes, an iteration's with rows times classes.
    """
    axes = np.sort(np.argsort(space.squares)[-MOST_AXES:])
    rows = space.rows if len(axes) == space.rows.shape[1] else space.rows[:, axes]
    total = weights.sum(dtype=np.float64)
    mean = matmul(weights, rows) / np.float32(total)
    apart = (rows - mean) * np.sqrt(weights)[:, None]
    values, turn = np.linalg.eigh(matmul(apart.T, apart))
    apart *= np.sqrt(weights)[:, None]
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = matmul(np.add.reduceat(apart[order], starts), turn).astype(np.float64)
    shares = np.maximum(np.bincount(labels, weights, minlength=num_classes), 0.5) / total
    fitted = np.zeros((num_classes, space.rows.shape[1] + 1))
    curvature = _TAMING * strength * (shares * (1 - shares))[present, None]
    kernel = matmul(strength * sums / (1 + curvature * np.maximum(values, 0)), turn.T)
    fitted[np.ix_(present, axes)] = kernel
    fitted[:, -1] = np.log(shares)
    fitted[present, -1] -= matmul(kernel, mean)
    return fitted


def _inverse_hessian(
    space: Space, weights: NDArray[np.float32], strength: float, parameters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Estimate the diagonal of the inverse Hessian at some parameters, ``(k, r + 1)``."""
    scores = scores_of(space.rows, parameters)
    if len(parameters) == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    chances = softmax(scores)[:, -len(parameters) :]
    curvature = matmul(weights, chances * (1 - chances)) / len(weights)
    curvature = strength * np.maximum(curvature, _LEAST_CURVATURE)[:, None].astype(np.float64)
    return 1 / np.concatenate([1 + curvature * space.squares, curvature * len(weights)], axis=1)


def _log_loss(
    scores: NDArray[np.float64], truth: Rows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The loss of each row and its gradient with respect to the scores."""
    if scores.shape[1] == 1:
        losses = np.logaddexp(0, scores) - truth * scores
        return losses[:, 0], np.exp(-np.logaddexp(0, -scores)) - truth
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - (shifted * truth).sum(axis=1)
    return losses, exponentials / total - truth


def scores_of(rows: Rows, fitted: NDArray[np.float64]) -> Rows:
    """Scores, float32 ``(n, k)``, of rows of a `Space`, from the result of `fit`."""
    return np.asarray(matmul(rows, fitted[:, :-1].T) + fitted[:, -1], np.float32)


def softmax(scores: NDArray[np.floating]) -> Rows:
    """Probabilities, float32 ``(n, k)``, of scores."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)
