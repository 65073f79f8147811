"""Predictions with their truth, and scores of them for b weightings of the n images at once.

Weights are float64 ``(b, n)``. With weights of 1 the scores are scikit-learn's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Estimate, proportion


@dataclass(frozen=True)
class Predictions:
    """Predictions of n photos that the model was not fitted on.

    Attributes:
        paths: Relative to the data folder, with forward slashes.
        truth: int64 ``(n,)``, the number of each photo's class.
        groups: int64 ``(n,)``; photos of one group show the same picture.
        predicted: int64 ``(n,)``, the predicted class.
        probabilities: float32 ``(n, k)``, calibrated.
        raw: float32 ``(n, k)``, before calibration.
        possible: bool ``(n, k)``, the classes that can't be ruled out; None if the model can't
            abstain.
        familiarity: float32 ``(n,)``, 0 to 1: the share of held-out training photos that are at
            least as unusual as this one; None if the model can't abstain.
    """

    paths: tuple[str, ...]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    raw: NDArray[np.float32]
    possible: NDArray[np.bool_] | None = None
    familiarity: NDArray[np.float32] | None = None


NUM_BINS: Final = 10
_MOST_AT_ONCE: Final = 1_000_000  # weights, of some resamples

Weights = NDArray[np.float64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """Mean confidence (0 to 1), accuracy and number of images of similar confidence."""

    confidence: float
    accuracy: Estimate
    count: int


def ratio(part: Values, whole: Values) -> Values:
    """Divide, with 0 where the divisor is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def counts(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int, weights: Weights
) -> tuple[Values, Values, Values]:
    """True positives, positives and predicted positives per class, float64 ``(b, k)`` each."""
    is_right = truth == predicted
    right = [sum_by_number(some * is_right, truth, num_classes) for some in _in_blocks(weights)]
    true = sum_by_number(weights, truth, num_classes)
    return np.concatenate(right), true, sum_by_number(weights, predicted, num_classes)


def sum_by_number(weights: Weights, numbers: NDArray[np.int64], count: int) -> Values:
    """Sums ``(b, count)`` of the weights ``(b, n)`` of each number, int64 ``(n,)``."""
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    sums = np.zeros((len(weights), count))
    parts = [np.add.reduceat(some[:, order], starts, axis=1) for some in _in_blocks(weights)]
    sums[:, present] = np.concatenate(parts)
    return sums


def _in_blocks(weights: Weights) -> list[Weights]:
    """Some resamples at a time, so that what is computed from them is never large."""
    step = max(1, _MOST_AT_ONCE // max(weights.shape[1], 1))
    return [weights[start : start + step] for start in range(0, max(len(weights), 1), step)]


def log_losses(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Values:
    """Log loss of each image, in nats, float64 ``(n,)``."""
    floor = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(of_truth, floor, 1 - floor)), np.float64)


def brier_scores(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Values:
    """Squared error of each image (Brier, 1950), float64 ``(n,)``.

    For two classes that of the second one, 0 to 1; for more the sum over the classes, 0 to 2.
    """
    errors = np.square(probabilities - np.eye(probabilities.shape[1])[truth]).sum(axis=1)
    return np.asarray(errors / 2 if probabilities.shape[1] == 2 else errors, np.float64)


def ranking(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: Weights
) -> tuple[Values, Values]:
    """Area under the ROC curve and average precision.

    Args:
        positive: bool ``(n,)``.
        scores: float64 ``(n,)``; ties share their rank.
        weights: float64 ``(b, n)``.

    Returns:
        float64 ``(b,)`` each; NaN if there is no positive or (for the area) no negative image.
    """
    order = np.argsort(-scores, kind="stable")
    hits, misses = order[positive[order]], order[~positive[order]]
    if not len(hits):
        undefined = np.full(len(weights), np.nan)
        return undefined, undefined
    # For each positive image: the number of negatives with a higher score, and with a higher or
    # equal one; and the last positive with an equal score.
    before = np.searchsorted(-scores[misses], -scores[hits], side="left")
    beside = np.searchsorted(-scores[misses], -scores[hits], side="right")
    last = np.searchsorted(-scores[hits], -scores[hits], side="right") - 1
    ranks = hits, misses, before, beside, last
    areas, averages = zip(*(_rank(some, *ranks) for some in _in_blocks(weights)), strict=True)
    return np.concatenate(areas), np.concatenate(averages)


def _rank(
    weights: Weights,
    hits: NDArray[np.int64],
    misses: NDArray[np.int64],
    before: NDArray[np.int64],
    beside: NDArray[np.int64],
    last: NDArray[np.int64],
) -> tuple[Values, Values]:
    """`ranking` of some resamples, from places of images and ranks of the positive ones."""
    gained = weights[:, hits]
    found = np.cumsum(gained, axis=1)
    missed = np.zeros((len(weights), len(misses) + 1))
    np.cumsum(weights[:, misses], axis=1, out=missed[:, 1:])
    false = missed[:, beside]
    above = false if np.array_equal(before, beside) else (missed[:, before] + false) / 2
    true = found if last[0] == 0 and (np.diff(last) == 1).all() else found[:, last]
    with np.errstate(divide="ignore", invalid="ignore"):
        area = 1 - np.einsum("bn,bn->b", gained, above) / (found[:, -1] * missed[:, -1])
        average = np.einsum("bn,bn->b", gained, ratio(true, true + false)) / found[:, -1]
    return np.asarray(area, np.float64), np.asarray(average, np.float64)


def ranking_of_few(
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    weights: Weights,
    of_image: tuple[NDArray[np.float64], Weights],
) -> tuple[Values, Values]:
    """`ranking` where few of very many images are positive, by one product for each of those.

    Args:
        positive: bool ``(n,)``.
        scores: float64 ``(n,)``.
        weights: float64 ``(b, n)``.
        of_image: Scores ``(m,)`` and summed weights ``(b, m)`` of images that occur repeatedly.
    """
    hits = np.flatnonzero(positive)
    if not len(hits):
        undefined = np.full(len(weights), np.nan)
        return undefined, undefined
    at, gained = scores[hits], weights[:, hits]
    every, summed = of_image[0][:, None], of_image[1]
    true = matmul(gained, (at[:, None] >= at).astype(np.float64))
    false = matmul(summed, (every >= at).astype(np.float64)) - true
    higher = matmul(summed, (every > at).astype(np.float64))
    higher -= matmul(gained, (at[:, None] > at).astype(np.float64))
    found = gained.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = summed.sum(axis=1) - found
        area = 1 - (gained * (false + higher) / 2).sum(axis=1) / (found * missed)
        average = (gained * ratio(true, true + false)).sum(axis=1) / found
    return np.asarray(area, np.float64), np.asarray(average, np.float64)


def calibration_error(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], weights: Weights
) -> Values:
    """Expected calibration error of the likeliest class (Guo et al., 2017), in bins of equal mass.

    Biased upwards for few images (Kumar et al., 2019).
    """
    right = probabilities.argmax(axis=1) == truth
    confidence = probabilities.max(axis=1).astype(np.float64)
    gaps = calibration_gaps(right, confidence, bin_numbers(confidence), weights)
    return np.asarray(np.abs(gaps).sum(axis=1), np.float64)


def calibration_gaps(
    right: NDArray[np.bool_], confidence: Values, bins: NDArray[np.int64], weights: Weights
) -> Values:
    """Accuracy minus confidence in each bin, times the bin's share of the weight.

    Args:
        right: bool ``(n,)``.
        confidence: float64 ``(n,)``.
        bins: int64 ``(n,)``, the bin of each image.
        weights: float64 ``(b, n)``.

    Returns:
        float64 ``(b, NUM_BINS)``; the absolute values of a row sum to its calibration error.
    """
    of_bin = np.eye(NUM_BINS)[bins] * (right - confidence)[:, None]
    return np.asarray(matmul(weights, of_bin) / weights.sum(axis=1)[:, None], np.float64)


def bin_numbers(confidence: Values) -> NDArray[np.int64]:
    """Bin of each image, int64 ``(n,)``; bins of equal mass, the least confident first.

    Images of equal confidence share the bin that the middle one of them falls into, so that their
    order does not matter. Bins may therefore differ in size, or be empty.
    """
    _, values, num_equal = np.unique(confidence, return_inverse=True, return_counts=True)
    sizes = [len(part) for part in np.array_split(np.arange(len(confidence)), NUM_BINS)]
    middle = np.cumsum(num_equal) - (num_equal + 1) // 2
    return np.asarray(np.repeat(np.arange(NUM_BINS), sizes)[middle][values], np.int64)


def reliability_bins(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], groups: NDArray[np.int64]
) -> tuple[ReliabilityBin, ...]:
    """Reliability diagram of the likeliest class, in bins of equal mass."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == truth
    found = []
    for places in _bins(confidence):
        accuracy = proportion(right[places], groups[places])
        if accuracy is not None:
            found.append(ReliabilityBin(float(confidence[places].mean()), accuracy, len(places)))
    return tuple(found)


def _bins(confidence: Values) -> list[NDArray[np.int64]]:
    """Indices of the images in the bins that are not empty, the least confident first."""
    numbers = bin_numbers(confidence)
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
