"""Temperature scaling (Guo et al., 2017, "On calibration of modern neural networks").

Scores are divided by one number, fitted to minimise the log loss of held-out labels. The ranking
of the classes does not change.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.models.recipes.logistic import minimise, softmax

#: With fewer held-out images, scores are not changed.
LEAST_IMAGES: Final = 20
_FLOOR = 1e-7
_MOST = 20.0  # of the temperature, and 1 / of it
_MIN_STANDARD_ERRORS = 2.6  # by which the log loss must fall


def fit_temperature(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> float:
    """Fit the temperature that minimises the log loss.

    Args:
        probabilities: float32 ``(n, k)``, of models that were not fitted on these images.
        labels: int64 ``(n,)``.
        groups: int64 ``(n,)``, from 0; images of one group show the same picture.

    Returns:
        The temperature, 0.05 to 20; 1 for fewer than 20 images, or if it does not lower the log
        loss by 2.6 standard errors (1 in 200 by chance).
    """
    if len(labels) < LEAST_IMAGES:
        return 1.0
    scores = np.log(np.maximum(probabilities, _FLOOR)).astype(np.float64)
    of_truth = scores[np.arange(len(labels)), labels]

    def loss(parameter: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        # The loss is convex in the inverse temperature, so that is fitted.
        inverse = parameter[0]
        scaled = scores * inverse
        top = scaled.max(axis=1, keepdims=True)
        exponentials = np.exp(scaled - top)
        total = exponentials.sum(axis=1)
        value = float((np.log(total) + top[:, 0] - inverse * of_truth).mean())
        expected = (exponentials * scores).sum(axis=1) / total
        return value, np.array([float((expected - of_truth).mean())])

    inverse = minimise(loss, np.ones(1), scale=np.ones(1), tolerance=1e-6)[0]
    temperature = float(1 / np.clip(inverse, 1 / _MOST, _MOST))
    gains = _log_losses(probabilities, labels) - _log_losses(
        with_temperature(probabilities, temperature), labels
    )
    by_group = np.bincount(groups, weights=gains)
    error = float(np.sqrt(np.square(by_group - by_group.mean()).sum()))
    return temperature if gains.sum() > _MIN_STANDARD_ERRORS * error else 1.0


def _log_losses(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.maximum(of_truth, _FLOOR)), np.float64)


def with_temperature(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities, float32 ``(n, k)``, with their scores divided by a temperature."""
    return softmax(np.log(np.maximum(probabilities, np.float32(1e-30))) / np.float32(temperature))
