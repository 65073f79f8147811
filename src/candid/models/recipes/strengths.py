"""The strengths of a linear head's penalty: those that are tried, and what the trials say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.models.recipes.logistic import softmax

#: Inverse strengths of the regularisation to try, from strong to weak, evenly on a log scale.
STRENGTHS: Final = (1.0, 3.2, 10.0, 32.0, 100.0, 320.0, 1000.0)
_NEWTON_STEPS = 6
_MOST_SCALE = 20.0


def average_strength(losses: Sequence[float]) -> float:
    """The first strengths' geometric mean, weighted by the likelihood of the held-out labels.

    Where few labels can't tell strengths apart, it lies between them, not at the end that the last
    label happens to favour. It is rounded to two digits.
    """
    weights = np.exp(min(losses) - np.array(losses))
    mean = float(np.average(np.log(STRENGTHS[: len(losses)]), weights=weights))
    return float(f"{math.exp(mean):.2g}")


def best_scale(scores: Rows, labels: NDArray[np.int64]) -> float:
    """The factor of the scores with the least log loss, by Newton's method from 1.

    One Newton step towards a head leaves the size of its scores open.
    """
    scale, of_truth = 1.0, scores[np.arange(len(labels)), labels]
    for _ in range(_NEWTON_STEPS):
        chances = softmax(scores * np.float32(scale))
        mean = (chances * scores).sum(axis=1)
        variance = (chances * np.square(scores - mean[:, None])).sum()
        step = float((of_truth - mean).sum() / max(variance, 1e-12))
        scale = min(max(scale + step, scale / 2), 2 * scale)
    return min(max(scale, 1 / _MOST_SCALE), _MOST_SCALE)
