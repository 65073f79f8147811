"""Minimises a smooth convex function by L-BFGS (Nocedal and Wright, 2006, algorithms 7.4 and 7.5).

SciPy has it too, without a scale for each coordinate, which is what makes it fast here; and
importing that takes as long as a hundred of our fits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.errors import ComputationError
from candid.matrices import is_finite, without_flags

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
