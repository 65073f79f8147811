"""How far a photo is from its nearest training photos, relative to how far those are from theirs.

The local outlier factor (Breunig, Kriegel, Ng and Sander, 2000, "LOF"), with neighbours weighted by
distance instead of counted: so it is continuous, and a few matrix products. It finds strangers
within a wide cloud of varied photos, where distances from the classes don't. As it needs the
training photos themselves, it is fitted to few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul
from candid.models.recipes.logistic import softmax

_RANK: Final = 3  # a radius is the distance to the third nearest photo that is no copy
_WIDTH: Final = 0.05  # of the weights, in median squared radii: three to four photos count
_MOST_SORTED: Final = 50  # nearest photos among which the third one outside a fold is sought
_FARTHEST: Final = 4.0  # squared distance of two unit vectors
_TINY: Final = 1e-6


@dataclass(frozen=True)
class Neighbourhood:
    """Some photos, and how close others of their kind are to each.

    Attributes:
        rows: float32 ``(n, d)``, of length 1.
        radii: float32 ``(n,)``, squared distances to their third nearest photos.
        width: The increase of a squared distance that divides a weight by e.
    """

    rows: Rows
    radii: Rows
    width: float

    def measure(self, rows: Rows) -> Rows:
        """Mean squared distance to the photos, relative to their radii, float32 ``(m,)``."""
        return _measure(_square_distances(rows, self.rows), self.radii, self.width)


def fit_neighbourhood(
    rows: Rows, groups: NDArray[np.int64], folds: NDArray[np.int64]
) -> tuple[Neighbourhood, Rows]:
    """Fit to rows of length 1, float32 ``(n, d)``; those of a group are copies.

    Returns:
        The neighbourhood, and what those of the other folds measure for each row, float32 ``(n,)``.
    """
    apart = _square_distances(rows, rows)
    others = np.where(groups[:, None] == groups, np.float32(np.inf), apart)
    order = np.argsort(others, axis=1)[:, :_MOST_SORTED]
    nearest = np.take_along_axis(others, order, axis=1)
    measures = np.zeros(len(rows), np.float32)
    for fold in np.unique(folds):
        here = folds == fold
        radii = _radii(nearest[~here], ~here[order[~here]])
        measures[here] = _measure(apart[np.ix_(here, ~here)], radii, _width(radii))
    radii = _radii(nearest, np.ones(order.shape, np.bool_))
    return Neighbourhood(rows, radii, _width(radii)), measures


def _radii(nearest: Rows, counted: NDArray[np.bool_]) -> Rows:
    """The third least squared distance of each row that counts; with fewer, the largest."""
    counted &= np.isfinite(nearest)
    ranks = counted.cumsum(axis=1)
    place = (ranks == np.minimum(ranks[:, -1:], _RANK)).argmax(axis=1)
    found = np.take_along_axis(nearest, place[:, None], axis=1)[:, 0]
    return np.asarray(np.clip(found, _TINY, _FARTHEST), np.float32)


def _width(radii: Rows) -> float:
    return _WIDTH * float(np.median(radii))


def _square_distances(rows: Rows, others: Rows) -> Rows:
    lengths = np.square(rows).sum(axis=1)[:, None], np.square(others).sum(axis=1)
    apart = lengths[0] + (lengths[1] - 2 * matmul(rows, others.T))
    return np.asarray(np.maximum(apart, 0), np.float32)


def _measure(apart: Rows, radii: Rows, width: float) -> Rows:
    weights = softmax(-apart / np.float32(width))
    return np.asarray((weights * apart).sum(axis=1) / matmul(weights, radii), np.float32)
