"""Matrix products with checked results and without spurious floating-point warnings.

Vectorised BLAS kernels compute past the edge of a small matrix and discard the values. The flags
(invalid, overflow, division by zero) stay, and NumPy may report a `RuntimeWarning` for a correct
result.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.errors import ComputationError

#: A row of numbers per image, float32 ``(n, d)``.
Rows = NDArray[np.float32]
#: Values, 80 MB.
LARGE_MATRIX = 20_000_000


def without_flags() -> np.errstate:
    """A context or decorator for many products; check the result with `is_finite`."""
    return np.errstate(invalid="ignore", over="ignore", divide="ignore")


def one_thread(is_small: bool = True) -> AbstractContextManager[object]:
    """Limit NumPy to one thread for small matrices.

    Synchronising a second one costs more than it gains, and many times more on a busy machine.
    """
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
