"""Intervals by the Bayesian bootstrap over whole groups, with a little doubt mixed in.

Whole groups are weighted by the Bayesian bootstrap (D. B. Rubin, "The Bayesian bootstrap", Annals
of Statistics, 1981), so that copies of a picture count together. Of thirty images, none of which
was mistaken, any bootstrap says that none ever will be. So a few images that were not there are
mixed in, by a prior as Jeffreys' is for a proportion: of each class images that are mistaken and
images that are not, which look like real ones. ``benchmarks/intervals.py`` measures how often the
intervals hold the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate, effective_size

NUM_RESAMPLES: Final = 800
_STRETCHES: Final = np.concatenate([[0.0], np.geomspace(0.1, 8, 40)])
_LEAST_RESAMPLES = 80  # of which the interval is rough, and narrow
_MOST_VALUES = 16_000_000  # of the weights: 128 MB

_RIGHT: Final = 0.5  # the prior's weight, in images, of right answers of each class
_NUM_ATOMS: Final = 6  # images that share the weight of a class
# A little more than 95 %: the bootstrap of few groups is too narrow (Hesterberg, 2015).
_TAILS: Final = (0.02, 0.98)

Places = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """Images, real ones and then those that are mixed in.

    Attributes:
        places: int64 ``(m,)``, which real image each one looks like.
        truth: int64 ``(m,)``, its class.
        predicted: int64 ``(m,)``, what was answered.
        real: float64 ``(b, n)``, weights of the real ones.
        worth: How many images a group is worth, on average.
    """

    places: Places
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    real: Weights
    worth: float

    def weights(self, mistaken: float) -> Weights:
        """Weights, float64 ``(b + 1, m)``; the first row is the images as they are.

        Args:
            mistaken: The prior's weight, in images, of mistakes of each class.
        """
        num_real = self.real.shape[1]
        num_mixed = (len(self.places) - num_real) // 2
        rng = np.random.default_rng(1)
        prior = [
            self.worth * rng.gamma(weight / _NUM_ATOMS, size=(len(self.real), num_mixed))
            for weight in (mistaken, _RIGHT)
        ]
        as_it_is = np.concatenate([np.ones(num_real), np.zeros(2 * num_mixed)])
        return np.concatenate([as_it_is[None], np.concatenate([self.real, *prior], axis=1)])


def resample(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
) -> Resamples:
    """Draw weights.

    Args:
        truth: int64 ``(n,)``, n from 1.
        predicted: int64 ``(n,)``.
        probabilities: float64 ``(n, k)``.
        groups: int64 ``(n,)``; images of one group show the same picture.
        seed: Another seed, other weights.
    """
    num_classes = probabilities.shape[1]
    mistaken = [_like_mistakes(c, predicted, probabilities) for c in range(num_classes)]
    right = [_like_right(c, truth, predicted, probabilities) for c in range(num_classes)]
    labels = np.repeat(np.arange(num_classes), _NUM_ATOMS)
    mixed = np.concatenate([*mistaken, *right])
    answered = predicted[mixed].copy()
    answered[len(labels) :] = labels
    # Where nothing was taken for another class, what looks like a mistake is one all the same.
    wrong = answered[: len(labels)]
    wrong[wrong == labels] = (labels[wrong == labels] + 1) % num_classes
    return Resamples(
        np.concatenate([np.arange(len(truth)), mixed]),
        np.concatenate([truth, labels, labels]),
        np.concatenate([predicted, answered]),
        _group_weights(groups, np.random.default_rng(seed)),
        len(groups) / effective_size(groups),
    )


def interval(values: NDArray[np.float64], n: int) -> Estimate | None:
    """A figure, from its value and its resampled ones, float64 ``(b + 1,)``; None without one."""
    value, known = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or not len(known):
        return None
    low, high = np.quantile(known, _TAILS)
    return Estimate(value, float(min(low, value)), float(max(high, value)), n)


def interval_of_sizes(gaps: NDArray[np.float64], n: int) -> Estimate:
    """The sum of the sizes of gaps, without the part that chance explains.

    Chance adds to sizes, and a resample is as much larger again, so that no interval of resampled
    sums holds the truth. Instead a test is inverted. The true gaps are taken to be the found ones
    times a stretch, from 0 (there are none) on, and chance to be the resampled gaps less the found
    ones. A stretch belongs to the interval where the found sum is neither among the 2.5 % least nor
    among the 2.5 % largest that it gives; the value is that of the stretch that gives the found sum
    on average. The sizes sum to no less than the size of the sum, so the interval reaches as far as
    that one's.

    Args:
        gaps: float64 ``(b + 1, bins)``, the found ones in the first row, then resampled ones.
        n: How many images there are.
    """
    found, chance = gaps[0], gaps[1:] - gaps[0]
    size = float(np.abs(found).sum())
    sums = np.stack([np.abs(stretch * found + chance).sum(axis=1) for stretch in _STRETCHES])
    truths = _STRETCHES * size
    # A longer stretch may give a smaller sum at first: the interval takes in all that belong to it.
    lower = np.maximum.accumulate(np.quantile(sums, 0.975, axis=1))
    upper = np.minimum.accumulate(np.quantile(sums, 0.025, axis=1)[::-1])[::-1]
    value = float(np.interp(size, np.maximum.accumulate(sums.mean(axis=1)), truths))
    low = float(np.interp(size, lower, truths))
    high = float(np.interp(size, upper, truths))
    at_least = float(np.abs(np.quantile(gaps[1:].sum(axis=1), (0.025, 0.975))).max())
    return Estimate(value, min(low, value), max(high, at_least, value), n)


def _group_weights(groups: NDArray[np.int64], rng: np.random.Generator) -> Weights:
    units = np.unique(groups, return_inverse=True)[1]
    most = _MOST_VALUES // max(len(groups), 1)
    num_resamples = int(np.clip(most, _LEAST_RESAMPLES, NUM_RESAMPLES))
    return rng.standard_exponential((num_resamples, int(units.max()) + 1))[:, units]


def _like_mistakes(
    number: int, predicted: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Places:
    """Images that were taken for another class: those most like this one the most often."""
    others = np.flatnonzero(predicted != number)
    others = others if len(others) else np.arange(len(predicted))
    return _atoms(others, probabilities[others, number] + 1e-12)


def _like_right(
    number: int,
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
) -> Places:
    """Images that were taken for this class, rightly if there are any."""
    for those in ((predicted == number) & (truth == number), predicted == number):
        if those.any():
            found = np.flatnonzero(those)
            return _atoms(found, 1 + 1e-9 * probabilities[found, number])
    return np.full(_NUM_ATOMS, probabilities[:, number].argmax(), np.int64)


def _atoms(candidates: Places, chances: NDArray[np.float64]) -> Places:
    """A few of the candidates, evenly spaced by their chances."""
    order = np.argsort(chances, kind="stable")
    cumulated = np.cumsum(chances[order])
    wanted = (np.arange(_NUM_ATOMS) + 0.5) / _NUM_ATOMS * cumulated[-1]
    place = np.minimum(np.searchsorted(cumulated, wanted), len(candidates) - 1)
    return np.asarray(candidates[order][place], np.int64)
