"""Every figure of an evaluation, on TensorBoard's page "Scalars"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.evaluation.figures import Figure
from candid.tracking.names import tag_names
from candid.tracking.scalars import write_scalars

if TYPE_CHECKING:
    from candid.evaluation.abstained import Abstained
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.calibration import Calibration
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.measures import Measures
    from candid.evaluation.scores import ReliabilityBin

_OF_BASELINE: Final = ("accuracy", "gain")
_OF_LEAK_TAX: Final = ("naive", "honest", "tax")

# A step, a tag, and what is to be shown there.
_Point = tuple[int, str, Figure | float | None]


def write_figures(folder: Path, evaluation: Evaluation) -> None:
    """Write every figure: its value under its tag, and its interval under ``…/low``, ``…/high``.

    Figures of an estimate are at step 0: ``test/accuracy``, and ``test_per_class/recall/sad`` of a
    class. What TensorBoard is to draw as a curve has steps: numbers of photos for the learning
    curve, numbers of photos more for a forecast, and bins from the least sure to the surest for
    reliability. What was not measured is left out.

    Args:
        folder: Where the event file is made.
        evaluation: The figures.
    """
    names = dict(zip(evaluation.classes, tag_names(evaluation.classes), strict=True))
    rows: dict[int, dict[str, float]] = {}
    for step, tag, figure in _points(evaluation, names):
        row = rows.setdefault(step, {})
        row.update((t, v) for t, v in _spread(tag, figure).items() if math.isfinite(v))
    write_scalars(folder, rows.items())


def _spread(tag: str, figure: Figure | float | None) -> dict[str, float]:
    if isinstance(figure, Figure):
        return {tag: figure.value, f"{tag}/low": figure.low, f"{tag}/high": figure.high}
    return {} if figure is None else {tag: figure}


def _points(evaluation: Evaluation, names: Mapping[str, str]) -> Iterator[_Point]:
    yield from _estimate("test", evaluation.test, names)
    if evaluation.kfold is not None:
        yield from _estimate("kfold", evaluation.kfold, names)
    yield from _baselines("baselines", evaluation.baselines)
    yield from _baselines("baselines_on_test", evaluation.baselines_on_test)
    if evaluation.leak_tax is not None:
        tax = evaluation.leak_tax
        yield from ((0, f"leak_tax/{of}", getattr(tax, of)) for of in _OF_LEAK_TAX)
    if evaluation.calibration is not None:
        yield from _calibration(evaluation.calibration)
    if evaluation.abstained is not None:
        yield from _abstained(evaluation.abstained, names)
    if evaluation.learning_curve is not None:
        yield from _learning_curve(evaluation.learning_curve, names)


def _estimate(estimate: str, measures: Measures, names: Mapping[str, str]) -> Iterator[_Point]:
    yield 0, f"{estimate}/num_images", measures.n
    for name, figure in _figures_of(measures):
        yield 0, f"{estimate}/{name}", figure
    for of_class in measures.per_class:
        for name, figure in _figures_of(of_class):
            yield 0, f"{estimate}_per_class/{name}/{names[of_class.name]}", figure
    yield from _reliability(f"{estimate}_reliability", measures.reliability)


def _reliability(group: str, bins: Iterable[ReliabilityBin]) -> Iterator[_Point]:
    for number, row in enumerate(bins, 1):
        yield number, f"{group}/confidence", row.confidence
        yield number, f"{group}/accuracy", row.accuracy
        yield number, f"{group}/num_images", row.count


def _figures_of(value: object) -> Iterator[tuple[str, Figure]]:
    """Fields of a dataclass that hold a figure, so that none is forgotten."""
    for field in fields(value):  # type: ignore[arg-type]
        if isinstance(figure := getattr(value, field.name), Figure):
            yield field.name, figure


def _baselines(group: str, baselines: Iterable[Baseline]) -> Iterator[_Point]:
    for rule in baselines:
        yield from ((0, f"{group}/{rule.name}/{of}", getattr(rule, of)) for of in _OF_BASELINE)


def _calibration(calibration: Calibration) -> Iterator[_Point]:
    yield 0, "calibration/temperature", calibration.temperature
    yield 0, "calibration/error_before", calibration.before
    yield 0, "calibration/error_after", calibration.after
    yield from _reliability("calibration_before", calibration.bins_before)
    yield from _reliability("calibration_after", calibration.bins_after)


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
        step, tag = round(num_photos), "learning_curve/fitted"
        yield from ((step, tag, value), (step, f"{tag}/low", low), (step, f"{tag}/high", high))
    for forecast in curve.forecasts:
        of_class = "" if forecast.label is None else f"_per_class/{names[forecast.label]}"
        yield forecast.num_more, f"forecast{of_class}/gain", forecast.gain
