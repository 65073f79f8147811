"""What a model said of photos that it never saw, beside the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Predictions:
    """Predictions of n photos of one estimate: the test part, or grouped cross-validation.

    Attributes:
        paths: Relative to the data folder, with forward slashes.
        truth: int64 ``(n,)``, the number of each photo's class.
        groups: int64 ``(n,)``; photos of one group show the same picture.
        predicted: int64 ``(n,)``, the class that was answered.
        probabilities: float32 ``(n, k)``, calibrated.
        raw: float32 ``(n, k)``, before calibration.
        possible: bool ``(n, k)``, the classes that can't be ruled out; None where the model can't
            abstain.
        familiarity: float32 ``(n,)``, 0 to 1: the share of photos of a known kind that are at least
            as unusual as this one; None where the model can't tell.
    """

    paths: tuple[str, ...]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    raw: NDArray[np.float32]
    possible: NDArray[np.bool_] | None = None
    familiarity: NDArray[np.float32] | None = None
