"""The law by which errors become fewer with more images: floor + excess · n^(-exponent).

J. Hestness et al., "Deep learning scaling is predictable, empirically", 2017; T. Viering and
M. Loog, "The shape of learning curves: a review", 2022. What a few measured points say of its three
parameters is kept as a set of draws, so that whatever is computed from the law knows how uncertain
it is: about the level, about the exponent, and about where the curve ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.matrices import matmul

Draws = NDArray[np.float64]

_LUCK: Final = 0.25  # see `luck_of`
#: Nearly a logarithm to nearly an end. Theory has 1/2 to 1, deep networks 0.07 to 0.35.
_EXPONENTS: Final[Draws] = np.linspace(0.1, 1.5, 29)
_MISFIT: Final = 0.03  # of an error: how far it lies off any such law
_DOUBT: Final = 2  # how unlikely a floor is that lies near the present error: (1 - floor / error)²
_GRID: Final = 150  # values of floor and excess
_NUM_DRAWS: Final = 4000


@dataclass(frozen=True)
class Law:
    """Draws of the law's parameters, each as likely as the others.

    Attributes:
        size: The number of images at which ``excess`` is.
        floor: float64 ``(d,)``, the error that no number of images goes below.
        excess: float64 ``(d,)``, what comes on top at ``size`` images.
        exponent: float64 ``(d,)``.
        luck: Of one head's excess error, how much is its own luck; see `luck_of`.
    """

    size: float
    floor: Draws
    excess: Draws
    exponent: Draws
    luck: float

    def excess_at(self, num_images: float) -> Draws:
        """The excess error of heads that learn from so many images, float64 ``(d,)``."""
        return np.asarray(self.excess * (num_images / self.size) ** -self.exponent)

    def error_at(self, num_images: float) -> Draws:
        """The error of heads that learn from so many images, float64 ``(d,)``."""
        return self.floor + self.excess_at(num_images)

    def gain(self, num_images: float, num_more: float) -> Draws:
        """By how much the mean error falls with more images, float64 ``(d,)``."""
        return self.excess_at(num_images) - self.excess_at(num_images + num_more)

    def share_of_doubling(self, half: float, num_images: float, num_more: float) -> Draws:
        """How much more images gain, by what twice as many as ``half`` gained, float64 ``(d,)``.

        The exponent alone says it, so it holds for any floor and excess.
        """
        measured = half**-self.exponent - (2 * half) ** -self.exponent
        coming = num_images**-self.exponent - (num_images + num_more) ** -self.exponent
        return np.asarray(coming / measured)

    def scatter(self, num_images: float, num_more: float) -> Draws:
        """How far one head's gain is off the mean gain (standard deviation), float64 ``(d,)``.

        If each of n images contributes independently, 1/n of its own luck, and N of them are added,
        the variance of the change is N / (n + N) times that of the luck with n.
        """
        share_new = num_more / (num_images + num_more)
        return np.asarray(self.luck * self.excess_at(num_images) * np.sqrt(share_new))


def luck_of(num_classes: int) -> float:
    """How far heads that learnt from as many other images differ, as a share of the excess error.

    A standard deviation of 0.25 / √(classes - 1): on three sets of photos with 2, 4 and 10 classes,
    and for three sizes of each, 0.14 to 0.26 was measured (``benchmarks/learning.py --luck``). A
    head has one boundary fewer than classes, and their luck averages out.
    """
    return float(_LUCK / np.sqrt(num_classes - 1))


def fit_law(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    covariance: NDArray[np.float64],
    num_heads: NDArray[np.float64],
    *,
    luck: float,
) -> Law:
    """Fit the law to measured errors.

    Each exponent, floor and excess (0 or more) counts as likely as it makes the errors (generalised
    least squares). Beforehand all are as likely, but for floors near the present error. The errors
    scatter because images to measure on are few (``covariance``), because heads are few (``luck``),
    and as no law holds to the letter.

    Args:
        sizes: float64 ``(j,)``, how many images were learnt from.
        errors: float64 ``(j,)``, 0 to 1.
        covariance: float64 ``(j, j)``, of the errors, as the measured images are a sample.
        num_heads: float64 ``(j,)``, over how many independent heads each error is a mean.
        luck: See `luck_of`.
    """
    scatter = covariance + np.diag(np.square(_MISFIT * errors) + 1e-8)
    law = _draw(sizes, errors, scatter, luck)
    excess = np.array([np.median(law.excess_at(size)) for size in sizes])
    of_heads = np.diag(np.square(luck * excess) / num_heads)
    return _draw(sizes, errors, scatter + of_heads, luck)


def _draw(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    scatter: NDArray[np.float64],
    luck: float,
) -> Law:
    """Draw from the posterior on a grid."""
    largest = float(sizes.max())
    last = int(sizes.argmax())
    most = float(errors[last] + 4 * np.sqrt(scatter[last, last]))
    axis = (np.arange(_GRID, dtype=np.float64) + 0.5) * (most / _GRID)
    precision = np.asarray(np.linalg.inv(scatter), np.float64)
    fits = np.stack(
        [_misfit(sizes / largest, errors, precision, float(c), axis) for c in _EXPONENTS]
    )
    fits -= 2 * _DOUBT * np.log(1 - axis / most)[:, None]
    cumulated = np.cumsum(np.exp((fits.min() - fits.ravel()) / 2))
    rng = np.random.default_rng(0)
    drawn = np.searchsorted(cumulated, rng.uniform(0, cumulated[-1], _NUM_DRAWS))
    exponent, floor, excess = np.unravel_index(np.minimum(drawn, fits.size - 1), fits.shape)
    jitter = rng.uniform(-0.5, 0.5, (2, _NUM_DRAWS)) * most / _GRID
    return Law(
        largest, axis[floor] + jitter[0], axis[excess] + jitter[1], _EXPONENTS[exponent], luck
    )


def _misfit(
    shares: NDArray[np.float64],
    errors: NDArray[np.float64],
    precision: NDArray[np.float64],
    exponent: float,
    axis: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Generalised sum of squares for each floor and excess, float64 ``(g, g)``."""
    basis = np.stack([np.ones_like(shares), shares**-exponent])
    normal, linear = matmul(basis, precision, basis.T), matmul(basis, precision, errors)
    floor, excess = axis[:, None], axis[None, :]
    squares = normal[0, 0] * floor**2 + 2 * normal[0, 1] * floor * excess
    squares = squares + normal[1, 1] * excess**2
    return np.asarray(squares - 2 * (linear[0] * floor + linear[1] * excess))
