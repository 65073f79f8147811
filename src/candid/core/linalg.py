"""Matrix products with checked results and without spurious warnings, and principal axes.

Vectorised BLAS kernels compute past the edge of a small matrix and discard the values. The flags
(invalid, overflow, division by zero) stay, and NumPy may report a `RuntimeWarning` for a correct
result.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.errors import ComputationError

#: A row of numbers per image, float32 ``(n, d)``.
Rows = NDArray[np.float32]
#: Values, 80 MB.
LARGE_MATRIX = 20_000_000
#: Up to this many rows `principal_axes` finds all axes.
FEW_ROWS: Final = 600
_EXTRA_AXES: Final = 16  # of the subspace iteration
_NUM_ITERATIONS: Final = 4


def without_flags() -> np.errstate:
    """A context or decorator for many products; check the result with `is_finite`."""
    return np.errstate(invalid="ignore", over="ignore", divide="ignore")


def one_thread(is_small: bool, *, required: bool = True) -> AbstractContextManager[object]:
    """Limit NumPy to one thread for small matrices; unless required, only if it can be limited.

    Synchronising a second one costs more than it gains, and many times more on a busy machine.
    """
    if not required and find_spec("threadpoolctl") is None:
        return nullcontext()
    require_packages(("threadpoolctl",), needed_by="NumPy in one thread", extra="transfer")
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1 if is_small else None)
    return limits


def is_finite(*values: NDArray[Any] | float) -> bool:
    """Whether no value is infinite or NaN."""
    return all(bool(np.isfinite(each).all()) for each in values)


def matmul(first: NDArray[Any], *others: NDArray[Any]) -> NDArray[Any]:
    """Multiply matrices from left to right, bit for bit as ``first @ second @ …`` does.

    Raises:
        ComputationError: The product of finite matrices is not finite.
    """
    product = first
    with without_flags():
        for other in others:
            product = product @ other
    if not is_finite(product) and is_finite(first, *others):
        shapes = " and ".join(str(matrix.shape) for matrix in (first, *others))
        raise ComputationError(
            f"the product of finite matrices {shapes} has an infinite or NaN value: the numbers "
            "are too large, or the linear algebra library is broken. If the photos are ordinary, "
            "run the command again; if the error recurs, reinstall NumPy."
        )
    return product


def principal_axes(rows: Rows, most: int) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """The principal axes of centred rows, float32 ``(n, d)``, by `largest_eigenvalues` if many.

    Returns:
        Sums of squares along the axes ``(r,)``, in descending order, and the axes ``(d, r)``. Of up
        to 600 rows, axes without any are left out but for one, which is zero if all rows are.
    """
    most = min(most, *rows.shape)
    if len(rows) > FEW_ROWS:
        product = matmul(rows.T, rows) if len(rows) > rows.shape[1] else None

        def times(axes: Rows) -> NDArray[Any]:
            return matmul(rows.T, matmul(rows, axes)) if product is None else matmul(product, axes)

        squares, axes = largest_eigenvalues(times, rows.shape[1], most)
        return np.maximum(squares, 0), axes
    wide = rows.astype(np.float64)
    squares, vectors = np.linalg.eigh(matmul(wide, wide.T))
    most = min(most, max(1, int(np.count_nonzero(squares > squares[-1] * 1e-9))))
    squares, vectors = squares[: -most - 1 : -1], vectors[:, : -most - 1 : -1]
    scaled = vectors / np.sqrt(np.maximum(squares, 1e-30))
    return squares, matmul(rows.T, scaled.astype(np.float32))


def largest_eigenvalues(
    times: Callable[[Rows], NDArray[Any]], size: int, most: int
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """Largest eigenvalues ``(r,)`` of a symmetric matrix, descending, and vectors ``(size, r)``.

    By subspace iteration from fixed random directions (Halko, Martinsson and Tropp, "Finding
    structure with randomness", SIAM Review 2011), in a tenth of the time of a full
    eigendecomposition. The matrix is given by its product with others.
    """
    wide = min(most + _EXTRA_AXES, size)
    axes = np.random.default_rng(0).standard_normal((size, wide), np.float32)
    for _ in range(_NUM_ITERATIONS):
        axes = np.linalg.qr(times(axes).astype(np.float32))[0]
    values, rotation = np.linalg.eigh(matmul(axes.T, times(axes)).astype(np.float64))
    kept = slice(-1, -most - 1, -1)
    return values[kept], matmul(axes, rotation)[:, kept]
