"""Calibration of the probabilities; coverage and false alarms of abstaining, and what it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate, proportion
from candid.evaluation.measures import Measures, measure_calibration_error
from candid.evaluation.scores import Predictions, ReliabilityBin
from candid.models.conformal import Abstention


@dataclass(frozen=True)
class Calibration:
    """Calibration on images used to fit neither the model nor its temperature.

    ``before`` and ``after`` are the expected calibration errors of the raw and the calibrated
    probabilities. The temperature divides the scores; 1 changes nothing.
    """

    temperature: float
    before: Estimate
    after: Estimate
    bins_before: tuple[ReliabilityBin, ...]
    bins_after: tuple[ReliabilityBin, ...]


def measure_calibration(
    predictions: Predictions, calibrated: Measures, temperature: float
) -> Calibration | None:
    """Compare the raw probabilities with the calibrated ones, whose figures are ``calibrated``.

    The predictions must be by models and temperatures that were not fitted on these images;
    ``temperature`` is the final model's.
    """
    before, bins_before = calibrated.calibration_error, calibrated.reliability
    if not np.array_equal(predictions.raw, predictions.probabilities):
        before, bins_before = measure_calibration_error(predictions, predictions.raw)
    if before is None or calibrated.calibration_error is None:
        return None
    return Calibration(
        temperature, before, calibrated.calibration_error, bins_before, calibrated.reliability
    )


@dataclass(frozen=True)
class Abstained:
    """Figures of the answers "uncertain" and "unknown".

    Attributes:
        wanted_coverage: Nominal share of images whose set of possible classes has the true one.
        coverage: The measured share.
        coverage_by_class: The measured share of each class that has images.
        num_classes: Mean size of the set.
        sure: Share of the images with a single possible class.
        accuracy_when_sure: Accuracy on those; None if there are none.
        wanted_false_alarms: Nominal share of known photos that are called unknown.
        false_alarms: The measured share.
    """

    wanted_coverage: float
    coverage: Estimate
    coverage_by_class: Mapping[str, Estimate]
    num_classes: float
    sure: Estimate
    accuracy_when_sure: Estimate | None
    wanted_false_alarms: float
    false_alarms: Estimate


def measure_abstention(
    classes: Sequence[str], predictions: Predictions, abstention: Abstention | None
) -> Abstained | None:
    """Measure the answers "uncertain" and "unknown"; None if the model can't abstain.

    The predictions must be by models and thresholds that were not fitted on these images.
    """
    possible, familiarity = predictions.possible, predictions.familiarity
    truth, groups = predictions.truth, predictions.groups
    if abstention is None or possible is None or familiarity is None:
        return None
    covered = possible[np.arange(len(truth)), truth]
    verdicts = np.array(abstention.verdicts(possible, familiarity, predictions.predicted))
    sure = verdicts == "sure"
    unknown = familiarity <= abstention.false_alarms
    coverage, share_sure, alarms = (proportion(hits, groups) for hits in (covered, sure, unknown))
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


_RANKS: Final[Mapping[str, int]] = {"sure": 2, "uncertain": 1, "unknown": 0, "": 0}
_LEAST_ANSWERED: Final = 0.1  # below, too few photos are left to measure on


@dataclass(frozen=True)
class Answering:
    """A model that answers only for some photos, those that it is surest of.

    Attributes:
        count: The photos that it answers for.
        coverage: Their share of all photos.
        accuracy: On them.
        verdict: On the last photo that it answers for; empty if the model can't abstain. Photos of
            a better verdict are all answered.
        least: The probability from which it answers photos of this verdict.
    """

    count: int
    coverage: Estimate
    accuracy: Estimate
    verdict: str
    least: float


def measure_answering(
    predictions: Predictions, verdicts: NDArray[np.str_], *, most_steps: int = 60
) -> tuple[NDArray[np.int64], tuple[Answering, ...]]:
    """What answering less often brings, from always to only when surest.

    The risk-coverage curve of selective classification (El-Yaniv and Wiener, 2010). Answers are
    given up in this order: unknown photos, uncertain ones, sure ones, each from the lowest
    probability.

    Args:
        predictions: Of n photos, by models that were not fitted on them.
        verdicts: ``(n,)`` text; empty if the model can't abstain.
        most_steps: How many steps are measured, besides the one that answers when it is sure.

    Returns:
        int64 ``(n,)``, the photos from the surest to the first that is given up; and the steps,
        the one that answers always first.
    """
    n = len(predictions.truth)
    probability = predictions.probabilities[np.arange(n), predictions.predicted]
    ranks = np.array([_RANKS[name] for name in verdicts.tolist()], np.int64)
    order = np.lexsort((-probability, -ranks)).astype(np.int64)
    right, groups = (predictions.predicted == predictions.truth)[order], predictions.groups[order]
    wanted = np.linspace(n, max(1, n * _LEAST_ANSWERED), most_steps).round().astype(int).tolist()
    counts = {*wanted, int((ranks == _RANKS["sure"]).sum())} - {0} if n else set()
    steps = []
    for count in sorted(counts, reverse=True):
        coverage = proportion(np.arange(n) < count, groups)
        accuracy = proportion(right[:count], groups[:count])
        last = order[count - 1]
        if coverage is not None and accuracy is not None:
            named = str(verdicts[last])
            steps.append(Answering(count, coverage, accuracy, named, float(probability[last])))
    return order, tuple(steps)
