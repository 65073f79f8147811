"""Intervals by the Bayesian bootstrap over whole groups, with a prior.

Groups of copies are weighted together (D. B. Rubin, "The Bayesian bootstrap", Annals of Statistics,
1981). From thirty images without a mistake, a bootstrap alone would conclude that there never is
one. A prior, like Jeffreys' for a proportion, therefore adds to each class a few pseudo-images that
are mistaken and a few that are not, resembling real ones. ``benchmarks/intervals.py`` measures the
coverage of the intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate, effective_size

NUM_RESAMPLES: Final = 800
_MULTIPLES: Final = np.concatenate([[0.0], np.geomspace(0.1, 8, 40)])
LEAST_RESAMPLES: Final = 80  # enough only for a rough, somewhat narrow interval
_MOST_VALUES = 16_000_000  # of the weights: 128 MB

_RIGHT: Final = 0.5  # prior weight, in images, of right answers of each class
_NUM_ATOMS: Final = 6  # pseudo-images that share the prior weight of a class
# A little more than 95 %: the bootstrap of few groups is too narrow (Hesterberg, 2015).
_TAILS: Final = (0.02, 0.98)

Places = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """The n real images, followed by the pseudo-images of the prior; m in all.

    Attributes:
        places: int64 ``(m,)``, index of the real image that each one resembles.
        truth: int64 ``(m,)``, its class.
        predicted: int64 ``(m,)``, its predicted class.
        real: float64 ``(b, n)``, weights of the real images.
        worth: Images per effective image, which scales the prior.
    """

    places: Places
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    real: Weights
    worth: float

    def weights(self, mistaken: float) -> Weights:
        """Weights, float64 ``(b + 1, m)``; the first row is 1 for real images and 0 for others.

        Args:
            mistaken: Prior weight, in images, of mistakes of each class.
        """
        num_real = self.real.shape[1]
        num_pseudo = (len(self.places) - num_real) // 2
        rng = np.random.default_rng(1)
        prior = [
            self.worth * rng.gamma(weight / _NUM_ATOMS, size=(len(self.real), num_pseudo))
            for weight in (mistaken, _RIGHT)
        ]
        original = np.concatenate([np.ones(num_real), np.zeros(2 * num_pseudo)])
        return np.concatenate([original[None], np.concatenate([self.real, *prior], axis=1)])


def resample(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    groups: NDArray[np.int64],
) -> Resamples:
    """Draw bootstrap weights and pseudo-images.

    Only classes that occur in the truth have pseudo-images. The draws depend neither on the order
    of the images nor on the numbers of the groups.

    Args:
        truth: int64 ``(n,)``, n at least 1.
        predicted: int64 ``(n,)``.
        probabilities: float64 ``(n, k)``.
        groups: int64 ``(n,)``; images of one group show the same picture.
    """
    num_classes, present = probabilities.shape[1], np.unique(truth)
    order = np.lexsort((truth, predicted, *probabilities.T))
    answers = predicted[order], probabilities[order]
    mistaken = [_like_mistakes(c, *answers) for c in present]
    right = [_like_right(c, truth[order], *answers) for c in present]
    labels = np.repeat(present, _NUM_ATOMS)
    pseudo = order[np.concatenate([*mistaken, *right])]
    predictions = predicted[pseudo].copy()
    predictions[len(labels) :] = labels
    # If no image was predicted as another class, a pseudo-mistake must still be wrong.
    wrong = predictions[: len(labels)]
    wrong[wrong == labels] = (labels[wrong == labels] + 1) % num_classes
    numbers = _renumber(groups, order, np.column_stack([truth, predicted, probabilities]))
    return Resamples(
        np.concatenate([np.arange(len(truth)), pseudo]),
        np.concatenate([truth, labels, labels]),
        np.concatenate([predicted, predictions]),
        _group_weights(numbers),
        len(groups) / effective_size(groups),
    )


def interval(values: NDArray[np.float64], n: int) -> Estimate | None:
    """Estimate from a value and its b resamples, float64 ``(b + 1,)``; None if undefined."""
    value, known = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or not len(known):
        return None
    low, high = np.quantile(known, _TAILS)
    return Estimate(value, float(min(low, value)), float(max(high, value)), n)


def interval_of_sizes(gaps: NDArray[np.float64], n: int) -> Estimate:
    """Estimate the sum of absolute gaps without the bias that sampling noise adds to it.

    Noise inflates absolute values, and resampling adds it again, so a percentile interval would
    miss the truth. Instead a test is inverted: the true gaps are assumed to be a multiple (from 0)
    of the observed gaps, and the noise to be the resampled minus the observed gaps. A multiple is
    in the interval if the observed sum lies within the middle 95 % of the sums that it predicts;
    the value is that of the multiple whose predicted mean is the observed sum. The sum of absolute
    values is at least the absolute sum, so the interval reaches at least as far as that one's.

    Args:
        gaps: float64 ``(b + 1, bins)``, the observed ones in the first row, then resampled ones.
        n: Number of images.
    """
    found, chance = gaps[0], gaps[1:] - gaps[0]
    size = float(np.abs(found).sum())
    sums = np.stack([np.abs(multiple * found + chance).sum(axis=1) for multiple in _MULTIPLES])
    truths = _MULTIPLES * size
    # A larger multiple may predict a smaller sum at first; the interval covers all that qualify.
    lower = np.maximum.accumulate(np.quantile(sums, 0.975, axis=1))
    upper = np.minimum.accumulate(np.quantile(sums, 0.025, axis=1)[::-1])[::-1]
    value = float(np.interp(size, np.maximum.accumulate(sums.mean(axis=1)), truths))
    low = float(np.interp(size, lower, truths))
    high = float(np.interp(size, upper, truths))
    at_least = float(np.abs(np.quantile(gaps[1:].sum(axis=1), (0.025, 0.975))).max())
    return Estimate(value, min(low, value), max(high, at_least, value), n)


def _renumber(
    groups: NDArray[np.int64], order: Places, rows: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Number groups by the rows of their images alone, whatever their order and numbers were.

    Args:
        groups: int64 ``(n,)``.
        order: int64 ``(n,)``, sorts the rows.
        rows: float64 ``(n, m)``, all that is known of an image.
    """
    numbers = np.unique(groups, return_inverse=True)[1]
    ordered = rows[order]
    ranks = np.empty(len(rows))  # equal rows share their rank
    ranks[order] = np.append(0, np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1)))
    first = np.full(int(numbers.max()) + 1, np.inf)
    np.minimum.at(first, numbers, ranks)
    moments = [np.bincount(numbers, ranks**power) for power in (2, 1, 0)]
    places = np.argsort(np.lexsort((*moments, first)))
    return np.asarray(places[numbers], np.int64)


def _group_weights(numbers: NDArray[np.int64]) -> Weights:
    """Weights, float64 ``(b, n)``; ``numbers`` are the groups', int64 ``(n,)``, without gaps."""
    most = _MOST_VALUES // max(len(numbers), 1)
    num_resamples = int(np.clip(most, LEAST_RESAMPLES, NUM_RESAMPLES))
    rng = np.random.default_rng(0)
    return rng.standard_exponential((num_resamples, int(numbers.max()) + 1))[:, numbers]


def _like_mistakes(
    number: int, predicted: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Places:
    """Images predicted as another class, sampled by their probability of this one."""
    others = np.flatnonzero(predicted != number)
    others = others if len(others) else np.arange(len(predicted))
    return _atoms(others, probabilities[others, number] + 1e-12)


def _like_right(
    number: int,
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
) -> Places:
    """Images predicted as this class, correctly if there are any."""
    for mask in ((predicted == number) & (truth == number), predicted == number):
        if mask.any():
            found = np.flatnonzero(mask)
            return _atoms(found, 1 + 1e-9 * probabilities[found, number])
    return np.full(_NUM_ATOMS, probabilities[:, number].argmax(), np.int64)


def _atoms(candidates: Places, chances: NDArray[np.float64]) -> Places:
    """Pseudo-images among the candidates, evenly spaced by their chances."""
    order = np.argsort(chances, kind="stable")
    cumulated = np.cumsum(chances[order])
    wanted = (np.arange(_NUM_ATOMS) + 0.5) / _NUM_ATOMS * cumulated[-1]
    place = np.minimum(np.searchsorted(cumulated, wanted), len(candidates) - 1)
    return np.asarray(candidates[order][place], np.int64)
