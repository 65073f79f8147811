"""Figures of an evaluation for TensorBoard's "Scalars", and its precision-recall curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import escape_markdown
from candid.evaluation.estimate import Estimate
from candid.evaluation.scores import Predictions
from candid.reporting.report.card_results import figures_of
from candid.reporting.tracking.event_file import append_tensors, tag_names, write_scalars

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.measures import Measures
    from candid.evaluation.reliability import Abstained
    from candid.evaluation.scores import ReliabilityBin

_NUM_THRESHOLDS: Final = 201  # the default of the plugin pr_curves
_LEAST_COUNT: Final = 1e-7  # the plugin's divisor instead of 0

# Step, tag and value.
_Point = tuple[int, str, Estimate | float | None]


def write_figures(folder: Path, evaluation: Evaluation) -> None:
    """Write every measured figure: its value under its tag, its interval under ``…/low, …/high``.

    Figures of an estimate are at step 0: ``test/accuracy``, and ``test_per_class/recall/sad`` of a
    class. Curves have steps: the number of photos in the learning curve, the number of additional
    photos in a forecast, the number of the bin, by rising confidence, in reliability.
    """
    names = dict(zip(evaluation.classes, tag_names(evaluation.classes), strict=True))
    rows: dict[int, dict[str, float]] = {}
    for step, tag, figure in _points(evaluation, names):
        row = rows.setdefault(step, {})
        if isinstance(figure, Estimate):
            values = {tag: figure.value, f"{tag}/low": figure.low, f"{tag}/high": figure.high}
        else:
            values = {} if figure is None else {tag: figure}
        row.update((t, v) for t, v in values.items() if math.isfinite(v))
    write_scalars(folder, rows.items())


def _points(evaluation: Evaluation, names: Mapping[str, str]) -> Iterator[_Point]:
    yield from _estimate("test", evaluation.test, names)
    if evaluation.kfold is not None:
        yield from _estimate("kfold", evaluation.kfold, names)
    yield from _baselines("baselines", evaluation.baselines)
    yield from _baselines("baselines_on_test", evaluation.baselines_on_test)
    if evaluation.leak_tax is not None:
        tax = evaluation.leak_tax
        for name in ("naive", "honest", "tax"):
            yield 0, f"leak_tax/{name}", getattr(tax, name)
    if (calibration := evaluation.calibration) is not None:
        yield 0, "calibration/temperature", calibration.temperature
        yield 0, "calibration/error_before", calibration.before
        yield 0, "calibration/error_after", calibration.after
        yield from _reliability("calibration_before", calibration.bins_before)
        yield from _reliability("calibration_after", calibration.bins_after)
    if evaluation.abstained is not None:
        yield from _abstained(evaluation.abstained, names)
    if evaluation.learning_curve is not None:
        yield from _learning_curve(evaluation.learning_curve, names)


def _estimate(estimate: str, measures: Measures, names: Mapping[str, str]) -> Iterator[_Point]:
    yield 0, f"{estimate}/num_images", measures.n
    for name, figure in figures_of(measures):
        yield 0, f"{estimate}/{name}", figure
    for of_class in measures.per_class:
        for name, figure in figures_of(of_class):
            yield 0, f"{estimate}_per_class/{name}/{names[of_class.name]}", figure
    yield from _reliability(f"{estimate}_reliability", measures.reliability)


def _reliability(group: str, bins: Iterable[ReliabilityBin]) -> Iterator[_Point]:
    for number, row in enumerate(bins, 1):
        yield number, f"{group}/confidence", row.confidence
        yield number, f"{group}/accuracy", row.accuracy
        yield number, f"{group}/num_images", row.count


def _baselines(group: str, baselines: Iterable[Baseline]) -> Iterator[_Point]:
    for rule in baselines:
        yield 0, f"{group}/{rule.name}/accuracy", rule.accuracy
        yield 0, f"{group}/{rule.name}/gain", rule.gain


def _abstained(abstained: Abstained, names: Mapping[str, str]) -> Iterator[_Point]:
    for field in fields(abstained):
        value = getattr(abstained, field.name)
        if not isinstance(value, Mapping):
            yield 0, f"abstention/{field.name}", value
    for label, coverage in abstained.coverage_by_class.items():
        yield 0, f"abstention_per_class/coverage/{names[label]}", coverage


def _learning_curve(curve: LearningCurve, names: Mapping[str, str]) -> Iterator[_Point]:
    for point in curve.points:
        yield round(point.num_photos), "learning_curve/accuracy", point.accuracy
    for num_photos, value, low, high in curve.curve:
        fitted = Estimate(value, low, high, 0)
        yield round(num_photos), "learning_curve/fitted", fitted
    for forecast in curve.forecasts:
        of_class = "" if forecast.label is None else f"_per_class/{names[forecast.label]}"
        yield forecast.num_more, f"forecast{of_class}/gain", forecast.gain


def write_pr_curves(folder: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Write a curve per class under ``pr_curve/<class>``; of two classes, for the second only.

    Nothing is written without predictions.
    """
    from tensorboard.plugins.pr_curve.metadata import create_summary_metadata

    names, curves = tag_names(classes), []
    for number in [1] if len(classes) == 2 else range(len(classes)):
        description = (
            f"{escape_markdown(classes[number])} against all other classes: "
            f"{len(predictions.truth)} photos, {_NUM_THRESHOLDS} thresholds."
        )
        metadata = create_summary_metadata(names[number], description, _NUM_THRESHOLDS)
        counts = _counts(predictions.truth == number, predictions.probabilities[:, number])
        curves.append((f"pr_curve/{names[number]}", metadata, counts))
    if len(predictions.truth):
        append_tensors(folder, curves)


def _counts(truth: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Counts by threshold, as the plugin reads them.

    Args:
        truth: bool ``(n,)``.
        scores: float32 ``(n,)``, 0 to 1.

    Returns:
        float32 ``(6, t)``: true positives, false positives, true negatives, false negatives,
        precision and recall at the thresholds i / (t - 1).
    """
    # As in tensorboard.plugins.pr_curve.summary, whose functions import TensorFlow.
    places = np.floor(np.clip(scores, 0, 1) * (_NUM_THRESHOLDS - 1)).astype(np.int64)
    true_positives, false_positives = (
        np.bincount(places[rows], minlength=_NUM_THRESHOLDS)[::-1].cumsum()[::-1]
        for rows in (truth, ~truth)
    )
    return np.stack(
        [
            true_positives,
            false_positives,
            false_positives[0] - false_positives,
            true_positives[0] - true_positives,
            true_positives / np.maximum(true_positives + false_positives, _LEAST_COUNT),
            true_positives / max(float(true_positives[0]), _LEAST_COUNT),
        ]
    ).astype(np.float32)
