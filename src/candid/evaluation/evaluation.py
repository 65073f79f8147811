"""An evaluation for a terminal.

An evaluation: every figure of a run, in one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import LearningCurve
from candid.evaluation.measures import FIGURES, Measures
from candid.evaluation.reliability import Abstained, Calibration

EstimateSource = Literal["test", "kfold"]


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on images that it never saw, nor any copy of them.

    Attributes:
        test: On the test part.
        kfold: By grouped cross-validation over all images, where the recipe gives it.
        baselines: What simple rules score on the images of the estimate to believe.
        leak_tax: What a random split would have claimed; None where it was not asked for.
        learning_curve: What more photos would bring; None where there are too few to tell.
        calibration: How far probabilities can be taken at their word, on the estimate to believe.
        abstained: What came of saying "uncertain" and "unknown", on the estimate to believe.
        baselines_on_test: What simple rules score on the test part, where that is not the estimate
            to believe.
    """

    test: Measures
    kfold: Measures | None = None
    baselines: tuple[Baseline, ...] = ()
    leak_tax: LeakTax | None = None
    learning_curve: LearningCurve | None = None
    calibration: Calibration | None = None
    abstained: Abstained | None = None
    baselines_on_test: tuple[Baseline, ...] = ()

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
    def beats_all(self) -> bool:
        """Whether every simple rule is beaten by more than chance explains."""
        return bool(self.baselines) and all(baseline.beaten for baseline in self.baselines)

    @property
    def why(self) -> str:
        """Which estimate to believe and why, in a sentence."""
        if self.kfold is None:
            return (
                "There is only the test part: believe it within its interval, and measure on more "
                "photos with `candid evaluate RUN DATA`."
            )
        return (
            "Believe the cross-validated figures: every image was predicted by a model that saw no "
            f"copy of it, and there are {self.kfold.n} of them instead of {self.test.n}. Those "
            "models learnt from four fifths of the images, so the model itself is hardly worse."
        )

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values, the test part's on top; null where one does not apply."""
        kfold = None if self.kfold is None else self.kfold.to_json()
        values = {
            **self.test.to_json(),
            "kfold_accuracy": None if kfold is None else kfold["accuracy"],
            "kfold": kfold,
            "believe": self.believe,
            "baselines": [row.to_json() for row in self.baselines],
            "baselines_on_test": [row.to_json() for row in self.baselines_on_test],
            **{
                name: None if value is None else value.to_json()
                for name, value in (
                    ("leak_tax", self.leak_tax),
                    ("learning_curve", self.learning_curve),
                    ("calibration", self.calibration),
                    ("abstained", self.abstained),
                )
            },
        }
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON reads them back."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of a manifest wants to know, of what `Evaluation.to_json` gave."""
    names = ("kfold_accuracy", "believe")
    kfold = metrics.get("kfold")
    return {
        **{name: metrics.get(name) for name in (*FIGURES, *names)},
        "kfold": {name: kfold.get(name) for name in FIGURES} if isinstance(kfold, dict) else None,
    }


_WIDE_INTERVAL = 0.15


def write_text(evaluation: Evaluation, of: str = "Test part") -> str:
    """The figures in the order of the tutorial, then what to make of them.

    Args:
        evaluation: What was measured.
        of: What the first figures were measured on.
    """
    test = evaluation.test
    lines = [f"{of}: {test.n} images that the model never saw, nor any copy of them", ""]
    lines += _measures_lines(test)
    if evaluation.kfold is not None:
        kfold = evaluation.kfold
        lines += ["", f"Grouped cross-validation: all {kfold.n} images, each as unseen", ""]
        lines += _measures_lines(kfold)
    lines += ["", *_around(evaluation)]
    return "\n".join(lines)


def titled(measures: Measures) -> list[tuple[str, Estimate | None]]:
    """The figures with the titles that a person reads, the tutorial's three first."""
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
    figures = [(title, figure) for title, figure in titled(measures) if figure is not None]
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
        precision, recall = row.precision or "none predicted", row.recall or "none there"
        yield f"  {row.name:<{width}}  precision {precision}   recall {recall}"


def _confusion_lines(measures: Measures) -> Iterator[str]:
    width = max(5, *(len(name) for name in measures.classes))
    head = " ".join(f"{name:>{width}}" for name in measures.classes)
    yield f"  {'true, then predicted':<{width}}"
    yield f"  {'':<{width}} {head}"
    for name, row in zip(measures.classes, measures.confusion, strict=True):
        yield f"  {name:<{width}} " + " ".join(f"{count:>{width}}" for count in row)


def _around(evaluation: Evaluation) -> Iterator[str]:
    """What to believe, what was beaten, what a random split would have said, what comes next."""
    yield from _believe(evaluation)
    for baseline in evaluation.baselines:
        rule, gain = f"{baseline.name} ({baseline.accuracy.value:.3f})", _points(baseline.gain)
        if baseline.beaten:
            yield f"It beats {rule} by {gain} points."
        else:
            yield f"It DOES NOT BEAT {rule}: it scores {gain} points more."
    if evaluation.leak_tax is not None:
        yield evaluation.leak_tax.to_text()
    yield from _abstained(evaluation)
    if evaluation.learning_curve is not None:
        for forecast in evaluation.learning_curve.forecasts:
            yield f"{forecast.to_text()}."


def _believe(evaluation: Evaluation) -> Iterator[str]:
    accuracy = evaluation.test.accuracy
    if evaluation.kfold is not None:
        yield evaluation.why
    elif accuracy is not None and accuracy.high - accuracy.low >= _WIDE_INTERVAL:
        yield (
            f"{accuracy.n} images say little: the truth is anywhere in the interval. Measure on "
            "more photos with `candid evaluate RUN DATA`; of more photos, the recipe transfer "
            "gives cross-validated figures too."
        )


def _abstained(evaluation: Evaluation) -> Iterator[str]:
    abstained = evaluation.abstained
    if abstained is None:
        return
    right = abstained.accuracy_when_sure
    told = "" if right is None else f", and right about {right.value:.0%} of those"
    yield (
        f"It is sure about {abstained.sure.value:.0%} of the photos{told}; "
        f"{abstained.false_alarms.value:.0%} of them it calls unknown by mistake."
    )


def _points(gain: Estimate) -> str:
    value, low, high = (100 * share for share in (gain.value, gain.low, gain.high))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
