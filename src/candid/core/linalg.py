"""Products of matrices: the flags of the floating point are not believed, the results are.

Vectorised kernels of BLAS compute with what lies beyond the edge of a small matrix and throw it
away; what they leave behind are the flags of an invalid operation, an overflow or a division by
zero, which NumPy reports as a `RuntimeWarning` now and then, with a right result.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import ComputationError

#: The flags that such a kernel may leave behind.
_UNRELIABLE: Final = {"invalid": "ignore", "over": "ignore", "divide": "ignore"}


def without_flags() -> np.errstate:
    """A context, or decorator, for many products; see that the result `is_finite` yourself."""
    return np.errstate(**_UNRELIABLE)  # type: ignore[arg-type]


def is_finite(*values: NDArray[Any] | float) -> bool:
    """Whether there is neither an infinity nor a NaN."""
    return all(bool(np.isfinite(each).all()) for each in values)


def matmul(first: NDArray[Any], *others: NDArray[Any]) -> NDArray[Any]:
    """Multiply matrices from left to right, as ``first @ second @ …`` does, to the bit.

    Raises:
        ComputationError: Finite numbers have a product that is not.
    """
    product = first
    with without_flags():
        for other in others:
            product = product @ other
    if not is_finite(product) and is_finite(first, *others):
        shapes = " and ".join(str(matrix.shape) for matrix in (first, *others))
        raise ComputationError(
            f"the product of matrices {shapes} of finite numbers has an infinity or a NaN in it: "
            "the numbers are too large, or the machine's linear algebra is broken. "
            "If the photos are ordinary ones, run it again, and install NumPy anew if it recurs."
        )
    return product
