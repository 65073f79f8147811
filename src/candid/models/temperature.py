"""Temperature scaling (Guo et al., 2017, "On calibration of modern neural networks").

Scores are divided by one number, fitted to held-out labels. The ranking of the classes does not
change. Two things keep it from claiming more than the labels show, however few there are:

- Smoothed labels (Platt, 1999, "Probabilistic outputs for support vector machines"): n right
  answers are evidence of n + 1 right ones in n + 2, so no confidence beyond that is fitted.
- A Laplace prior of the temperature's logarithm. Its peak at 0 keeps the temperature at 1 unless
  the labels show otherwise. It is steeper below: making scores more confident takes more evidence
  than making them less so.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.models.recipes.logistic import softmax

# The prior's scales below and above 1. Chosen on other draws of photos than those reported in
# benchmarks/README.md.
_SCALE_BELOW: Final = 0.05
_SCALE_ABOVE: Final = 0.5
_MOST = 20.0  # of the temperature, and 1 / of it
_NUM_TRIED = 21  # temperatures from 1 / 20 to 20, then between the neighbours of the best
_NUM_ROUNDS = 3
_FLOOR = np.finfo(np.float32).tiny


def fit_temperature(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> float:
    """Fit the most probable temperature, given held-out labels.

    Args:
        probabilities: float32 ``(n, k)``, of models that were not fitted on these images.
        labels: int64 ``(n,)``.
        groups: int64 ``(n,)``, from 0; images of one group show the same picture.

    Returns:
        The temperature, 0.05 to 20; 1 without images, and at least 1 if all answers are right.
    """
    if not len(labels):
        return 1.0
    scores = np.log(np.maximum(probabilities, _FLOOR)).astype(np.float64)
    num_pictures = count_pictures(groups)

    def cost(log_temperature: float) -> float:
        scale = _SCALE_BELOW if log_temperature < 0 else _SCALE_ABOVE
        losses = smoothed_losses(scores / math.exp(log_temperature), labels, num_pictures)
        return num_pictures * float(losses.mean()) + abs(log_temperature) / scale

    # Without errors, any confidence looks too low.
    all_right = bool((probabilities.argmax(axis=1) == labels).all())
    highest = math.log(_MOST)
    lowest = 0.0 if all_right else -highest
    for _ in range(_NUM_ROUNDS):
        tried = np.linspace(lowest, highest, _NUM_TRIED).tolist()
        best = int(np.argmin([cost(value) for value in tried]))
        lowest, highest = tried[max(0, best - 1)], tried[min(best + 1, _NUM_TRIED - 1)]
    return math.exp(tried[best])


def count_pictures(groups: NDArray[np.int64]) -> float:
    """Effective number of independent images (Kish, 1965): few large groups count for little."""
    sizes = np.bincount(groups).astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def smoothed_losses(
    scores: NDArray[np.floating], labels: NDArray[np.int64], num_pictures: float
) -> NDArray[np.float64]:
    """Log loss of each image with smoothed labels.

    With weight 1 / (n + 2), the true class is taken to be any of the others.

    Args:
        scores: ``(n, k)``, log probabilities up to a constant of each image.
        labels: int64 ``(n,)``.
        num_pictures: The effective number of images held out.

    Returns:
        float64 ``(n,)``, in nats.
    """
    places = np.arange(len(labels))
    others = scores.astype(np.float64)
    total, of_truth = _log_sum_exp(others), others[places, labels]
    others[places, labels] = -np.inf
    doubt = 1 / (num_pictures + 2)
    return total - (1 - doubt) * of_truth - doubt * _log_sum_exp(others)


def _log_sum_exp(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    top = scores.max(axis=1)
    return np.asarray(np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top, np.float64)


def with_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities, float32 ``(n, k)``, with their scores divided by a temperature."""
    return softmax(np.log(np.maximum(probabilities, _FLOOR)) / np.float32(temperature))
