"""How well a classifier knows what it does not know, on images that it never saw.

How far probabilities can be taken at their word, before and after they were calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from candid.evaluation.estimate import Estimate, proportion
from candid.evaluation.measures import Measures, measure
from candid.evaluation.scores import Predictions, ReliabilityBin
from candid.models.conformal import Abstention


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
    before: Estimate
    after: Estimate
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


@dataclass(frozen=True)
class Abstained:
    """What came of saying "uncertain" and "unknown".

    Attributes:
        wanted_coverage: How often the set of possible classes should hold the true one.
        coverage: How often it did.
        coverage_by_class: The same for the images of each class that has any.
        num_classes: Mean size of the set.
        sure: Share of the images that got one class without a doubt.
        accuracy_when_sure: Share of those that are right; None where there are none.
        wanted_false_alarms: How often a photo of a known kind may be called unknown.
        false_alarms: How often it was.
    """

    wanted_coverage: float
    coverage: Estimate
    coverage_by_class: Mapping[str, Estimate]
    num_classes: float
    sure: Estimate
    accuracy_when_sure: Estimate | None
    wanted_false_alarms: float
    false_alarms: Estimate

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)


def measure_abstention(
    classes: Sequence[str], predictions: Predictions, abstention: Abstention
) -> Abstained | None:
    """Measure what came of it.

    Args:
        classes: Names of the classes.
        predictions: By models, and by thresholds, that saw none of these images.
        abstention: What was wanted.

    Returns:
        The figures, or None where nothing was predicted with sets.
    """
    possible, familiarity = predictions.possible, predictions.familiarity
    truth, groups = predictions.truth, predictions.groups
    if possible is None or familiarity is None:
        return None
    covered = possible[np.arange(len(truth)), truth]
    verdicts = np.array(abstention.verdicts(possible, familiarity, predictions.predicted))
    sure = verdicts == "sure"
    strange = familiarity <= abstention.false_alarms
    whole = [proportion(hits, groups) for hits in (covered, sure, strange)]
    coverage, share_sure, alarms = whole
    if coverage is None or share_sure is None or alarms is None:
        return None
    by_class = {
        name: proportion(covered[truth == number], groups[truth == number])
        for number, name in enumerate(classes)
    }
    return Abstained(
        abstention.coverage,
        coverage,
        {name: figure for name, figure in by_class.items() if figure is not None},
        float(possible.sum(axis=1).mean()),
        share_sure,
        proportion((predictions.predicted == truth)[sure], groups[sure]),
        abstention.false_alarms,
        alarms,
    )
