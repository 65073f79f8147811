"""How far probabilities can be taken at their word, before and after they were calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from candid.evaluation.figures import Figure
from candid.evaluation.measures import Measures, measure
from candid.evaluation.predictions import Predictions
from candid.evaluation.scores import ReliabilityBin


@dataclass(frozen=True)
class Calibration:
    """Calibration on images that neither the model nor its calibration saw.

    Attributes:
        temperature: What scores are divided by; 1 changes nothing.
        before: Expected calibration error of the raw probabilities.
        after: Of the calibrated ones.
        bins_before: The reliability diagram of the raw ones.
        bins_after: Of the calibrated ones.
    """

    temperature: float
    before: Figure
    after: Figure
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)


def measure_calibration(
    classes: Sequence[str], predictions: Predictions, calibrated: Measures, temperature: float
) -> Calibration | None:
    """Measure the raw probabilities beside the calibrated ones.

    Args:
        classes: Names of the classes.
        predictions: By models and temperatures that saw none of these images.
        calibrated: What was measured of the calibrated probabilities.
        temperature: The final model's.
    """
    before = calibrated
    if not np.array_equal(predictions.raw, predictions.probabilities):
        before = measure(
            classes,
            predictions.truth,
            predictions.raw,
            predictions.groups,
            predicted=predictions.predicted,
        )
    if before.calibration_error is None or calibrated.calibration_error is None:
        return None
    return Calibration(
        temperature,
        before.calibration_error,
        calibrated.calibration_error,
        before.reliability,
        calibrated.reliability,
    )
