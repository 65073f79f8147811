"""L-BFGS for many functions at once. docs/adr/0015-lbfgs.md compares it with SciPy's L-BFGS-B."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import is_finite, without_flags
from candid.errors import ComputationError

Vectors = NDArray[np.float64]
Places = NDArray[np.int64]
#: Values ``(p,)`` and gradients ``(p, d)`` of functions at points ``(p, d)``; the second argument
#: has the functions' numbers, ascending.
Loss = Callable[[Vectors, Places], tuple[Vectors, Vectors]]

# Changes of the points and of the gradients in a step, and their inner products.
_Pair = tuple[Vectors, Vectors, Vectors]

_MEMORY: Final = 10
_ARMIJO: Final = 1e-4
_MAX_HALVINGS: Final = 30


@without_flags()
def minimise(
    loss: Loss, start: Vectors, *, scale: Vectors, enough: Vectors, max_steps: int = 500
) -> Vectors:
    """Minimise smooth convex functions by L-BFGS (Nocedal and Wright, 2006, alg. 7.4 and 7.5).

    Each has its own steps and its own end, as if it were alone; in one array, a step of all of them
    costs few calls of NumPy.

    Args:
        loss: Returns values and gradients.
        start: The initial points, float64 ``(p, d)``.
        scale: Estimate of the diagonals of the inverse Hessians, ``(p, d)``, up to a factor;
            positive.
        enough: float64 ``(p,)``; stop when the gradient's largest element is at most this.
        max_steps: Most iterations.

    Returns:
        The points, float64 ``(p, d)``.

    Raises:
        ComputationError: A value or a gradient there is infinite or NaN.
    """
    found, which = start.copy(), np.arange(len(start))
    point, (value, gradient) = start, loss(start, which)
    stretch = np.ones(len(start))
    pairs: deque[_Pair] = deque(maxlen=_MEMORY)
    for _ in range(max_steps):
        on = np.abs(gradient).max(axis=1) > enough
        if not on.all():
            _require_finite(value[~on], gradient[~on])
            which, point, value, gradient = which[on], point[on], value[on], gradient[on]
            scale, enough, stretch = scale[on], enough[on], stretch[on]
            pairs = deque([(s[on], c[on], p[on]) for s, c, p in pairs], maxlen=_MEMORY)
        if not len(which):
            return found
        direction = -_times_inverse_hessian(gradient, pairs, scale * stretch[:, None])
        before = point, gradient
        point, value, gradient, ended = _line_search(loss, which, point, value, gradient, direction)
        found[which] = point
        step, change = point - before[0], gradient - before[1]
        product, square = np.vecdot(step, change), np.vecdot(change, change)
        curved = product > 1e-12 * square
        pairs.append((step, change, np.where(curved, product, np.inf)))
        stretch = np.where(curved, product / np.vecdot(change, scale * change), stretch)
        enough = np.where(ended, np.inf, enough)
    _require_finite(value, gradient)
    return found


def _require_finite(value: Vectors, gradient: Vectors) -> None:
    if not is_finite(value, gradient):
        raise ComputationError(
            "a fit ended with infinite or NaN values: the embeddings are not finite, or too large. "
            "Train again; if it recurs, reinstall NumPy."
        )


def _times_inverse_hessian(gradient: Vectors, pairs: deque[_Pair], scale: Vectors) -> Vectors:
    result = gradient.copy()
    factors = []
    for step, change, product in reversed(pairs):
        factors.append(np.vecdot(step, result) / product)
        result -= factors[-1][:, None] * change
    result *= scale
    for (step, change, product), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - np.vecdot(change, result) / product)[:, None] * step
    return result


def _line_search(
    loss: Loss, which: Places, point: Vectors, value: Vectors, gradient: Vectors, direction: Vectors
) -> tuple[Vectors, Vectors, Vectors, NDArray[np.bool_]]:
    """Halve each step until it lowers the value sufficiently (Armijo).

    Returns:
        The next points, values and gradients, and bool ``(p,)``, where no step does in floating
        point: these points stay.
    """
    ends, values, gradients = np.empty_like(point), np.empty_like(value), np.empty_like(gradient)
    slope, step, high = np.vecdot(gradient, direction), 1.0, np.arange(len(which))
    for _ in range(_MAX_HALVINGS):
        ends[high] = point[high] + step * direction[high]
        values[high], gradients[high] = loss(ends[high], which[high])
        lowered = values[high] <= value[high] + _ARMIJO * step * slope[high]
        high = high[~lowered]
        if not len(high):
            break
        step /= 2
    ends[high], values[high], gradients[high] = point[high], value[high], gradient[high]
    ended = np.zeros(len(which), np.bool_)
    ended[high] = True
    return ends, values, gradients, ended
