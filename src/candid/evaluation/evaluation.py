"""Every figure of a run as one value, as JSON, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate, EstimateSource, percentage_points
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import LearningCurve
from candid.evaluation.measures import FIGURES, Measures
from candid.evaluation.rare_class import RareClass
from candid.evaluation.reliability import Abstained, Calibration

_WIDE_INTERVAL = 0.15


@dataclass(frozen=True)
class Evaluation:
    """Figures of a classifier on images that it was not trained on, nor on copies of them.

    Attributes:
        test: On the test part.
        kfold: By grouped cross-validation over all images, if the recipe has it.
        baselines: Simple rules on the images of the estimate to believe.
        leak_tax: Accuracy with a random split; None if not asked for.
        learning_curve: Accuracy by number of photos; None if there are too few.
        calibration: Calibration error before and after, on the estimate to believe.
        abstained: The answers "uncertain" and "unknown", on the estimate to believe.
        baselines_on_test: Simple rules on the test part, if that is not the estimate to believe.
        rare: The rarest class, on the estimate to believe; None if the classes are balanced.
    """

    test: Measures
    kfold: Measures | None = None
    baselines: tuple[Baseline, ...] = ()
    leak_tax: LeakTax | None = None
    learning_curve: LearningCurve | None = None
    calibration: Calibration | None = None
    abstained: Abstained | None = None
    baselines_on_test: tuple[Baseline, ...] = ()
    rare: RareClass | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in alphabetical order."""
        return self.test.classes

    @property
    def believe(self) -> EstimateSource:
        """Which estimate to believe."""
        return "test" if self.kfold is None else "kfold"

    @property
    def believed(self) -> Measures:
        """The figures of the estimate to believe."""
        return self.test if self.kfold is None else self.kfold

    @property
    def why(self) -> str:
        """Which estimate to believe and why, in a sentence."""
        if self.kfold is None:
            return (
                "Only the test part was measured: believe it within its interval, and measure on "
                "more photos with `candid evaluate RUN DATA`."
            )
        return (
            f"Believe the cross-validated figures: they are of {self.kfold.n} images instead of "
            f"{self.test.n}, each predicted by a model that was not trained on it or a copy of it. "
            "Those models were trained on four fifths of the images, so the final model is hardly "
            "worse."
        )

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values, the test part's at the top level; null if not measured."""
        kfold = None if self.kfold is None else self.kfold.to_json()
        values = {
            **self.test.to_json(),
            "kfold_accuracy": None if kfold is None else kfold["accuracy"],
            "kfold": kfold,
            "believe": self.believe,
            "baselines": [row.to_json() for row in self.baselines],
            "baselines_on_test": [row.to_json() for row in self.baselines_on_test],
        }
        for name in ("leak_tax", "learning_curve", "calibration", "abstained"):
            value = getattr(self, name)
            values[name] = None if value is None else asdict(value)
        if self.rare is not None:
            values["rare"] = asdict(self.rare)
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Replace tuples by lists, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `Evaluation.to_json` that the manifest repeats."""
    names = ("kfold_accuracy", "believe")
    kfold = metrics.get("kfold")
    return {
        **{name: metrics.get(name) for name in (*FIGURES, *names)},
        "kfold": {name: kfold.get(name) for name in FIGURES} if isinstance(kfold, dict) else None,
    }


def write_text(evaluation: Evaluation, of: str = "Test part") -> str:
    """Tables of the figures, then what they mean; ``of`` is what the first were measured on."""
    lines = [f"{of}: {evaluation.test.n} images; the model saw none of them, nor copies of them"]
    lines += ["", *_measures_lines(evaluation.test)]
    if evaluation.kfold is not None:
        lines += ["", f"Grouped cross-validation: all {evaluation.kfold.n} images"]
        lines += ["", *_measures_lines(evaluation.kfold)]
    return "\n".join([*rare_class_lines(evaluation), *lines, "", *_sentences(evaluation)])


def rare_class_lines(evaluation: Evaluation) -> list[str]:
    """Where classes are unbalanced, one line: how many photos of the rarest class are found."""
    return [] if evaluation.rare is None else [evaluation.rare.to_text()]


def _titled(measures: Measures) -> list[tuple[str, Estimate | None]]:
    """The figures with their titles; those of the Keras tutorial come first."""
    two = len(measures.classes) == 2
    of = f" of {measures.classes[1]!r}" if two else ", mean of classes"
    accuracy = ("Accuracy", measures.accuracy)
    first = [("Binary accuracy", measures.binary_accuracy)] if two else []
    if measures.accuracy != measures.binary_accuracy:
        first.append(accuracy)
    return [
        (f"Precision{of}", measures.precision),
        (f"Recall{of}", measures.recall),
        *first,
        ("Balanced accuracy", measures.balanced_accuracy),
        (f"F1{of}", measures.f1),
        ("ROC AUC" + ("" if two else of), measures.roc_auc),
        ("Average precision" + ("" if two else of), measures.average_precision),
        ("Log loss", measures.log_loss),
        ("Brier score", measures.brier_score),
        ("Calibration error", measures.calibration_error),
    ]


def _measures_lines(measures: Measures) -> Iterator[str]:
    figures = [(title, figure) for title, figure in _titled(measures) if figure is not None]
    width = max((len(title) for title, _ in figures), default=0)
    for title, figure in figures:
        yield f"  {title:<{width}}  {figure}"
    if len(measures.classes) > 2:
        yield ""
        yield from _per_class_lines(measures)
    yield ""
    yield from _confusion_lines(measures)


def _per_class_lines(measures: Measures) -> Iterator[str]:
    width = max(len(row.name) for row in measures.per_class)
    for row in measures.per_class:
        precision, recall = row.precision or "none predicted", row.recall or "no images"
        yield f"  {row.name:<{width}}  precision {precision}   recall {recall}"


def _confusion_lines(measures: Measures) -> Iterator[str]:
    width = max(5, *(len(name) for name in measures.classes))
    head = " ".join(f"{name:>{width}}" for name in measures.classes)
    yield f"  {'true, then predicted':<{width}}"
    yield f"  {'':<{width}} {head}"
    for name, row in zip(measures.classes, measures.confusion, strict=True):
        yield f"  {name:<{width}} " + " ".join(f"{count:>{width}}" for count in row)


def _sentences(evaluation: Evaluation) -> Iterator[str]:
    accuracy = evaluation.test.accuracy
    if evaluation.kfold is not None:
        yield evaluation.why
    elif accuracy is not None and accuracy.high - accuracy.low >= _WIDE_INTERVAL:
        yield (
            f"{accuracy.n} images are few: the accuracy may be anywhere in its interval. Measure "
            "on more photos with `candid evaluate RUN DATA`. With more photos, the recipe transfer "
            "also gives cross-validated figures."
        )
    for baseline in evaluation.baselines:
        rule = f"the baseline {baseline.name!r} ({baseline.accuracy.value:.3f})"
        gain = baseline.gain
        value, low, high = map(percentage_points, (gain.value, gain.low, gain.high))
        if baseline.beaten:
            yield f"It beats {rule} by {value} points ({low} to {high})."
        else:
            yield f"It does not beat {rule}: the gain is {value} points ({low} to {high})."
    if evaluation.leak_tax is not None:
        yield evaluation.leak_tax.to_text()
    if evaluation.abstained is not None:
        yield _abstained_sentence(evaluation.abstained)
    if evaluation.learning_curve is not None:
        yield from (f"{row.to_text()}." for row in evaluation.learning_curve.forecasts)


def _abstained_sentence(abstained: Abstained) -> str:
    right = abstained.accuracy_when_sure
    accuracy = "" if right is None else f" and right about {right.value:.0%} of those"
    return (
        f"It is sure about {abstained.sure.value:.0%} of the photos{accuracy}; "
        f"it wrongly calls {abstained.false_alarms.value:.0%} of the photos unknown."
    )
