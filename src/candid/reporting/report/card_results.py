"""The results section of the model card: every figure of ``metrics.json``, with its meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from candid.core.text import escape_markdown, sanitize, table
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import name_pairs
from candid.evaluation.measures import MOST_IN_MATRIX, MOST_WORST

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline, Verdict
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.leak_tax import LeakTax
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.measures import ClassMeasures, Measures
    from candid.evaluation.rare_class import RareClass
    from candid.evaluation.reliability import Abstained, Calibration

#: Names of the estimates.
ESTIMATES: Final = {"test": "test part", "kfold": "grouped cross-validation"}

# Measures of the second class of two, or of the mean over more classes.
_BY_CLASS: Final = {"precision", "recall", "f1", "roc_auc", "average_precision"}
_TITLES: Final = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "brier_score": "Brier score",
    "calibration_error": "Expected calibration error",
}
_MEANINGS: Final = {
    "accuracy": "the share of images that are predicted correctly",
    "balanced_accuracy": "the mean of the recalls of the classes that have images, so that large "
    "classes do not dominate",
    "precision": "of the images predicted as the class, the share that belong to it",
    "recall": "of the images of the class, the share predicted as it",
    "f1": "the harmonic mean of precision and recall",
    "binary_accuracy": "accuracy where the second class is predicted above a probability of 0.5",
    "roc_auc": "how often an image of the class scores higher than one that is not; 0.5 is chance",
    "average_precision": "the area under the curve of precision against recall",
    "log_loss": "the mean negative log-probability of the true class, in nats; lower is better",
    "brier_score": "the mean squared error of the probabilities, summed over the classes where "
    "there are more than two; lower is better",
    "calibration_error": "the mean gap between the probability of the predicted class and the "
    "share of correct predictions; lower is better",
}
_VERDICTS: Final[dict[Verdict, str]] = {
    "better": "better",
    "worse": "**worse**",
    "alike": "**as good**",
    "undecided": "too few photos to tell",
}
_NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True)
class NamedFigure:
    """A figure with its description.

    Attributes:
        name: As in ``metrics.json``: ``roc_auc``.
        title: ``ROC AUC of "sad"``; contains class names that are not escaped.
        meaning: Half a sentence; may be empty.
        figure: The figure.
    """

    name: str
    title: str
    meaning: str
    figure: Estimate


def name_figures(measures: Measures) -> dict[str, NamedFigure]:
    """All measured figures of an estimate by name, in the order of `Measures`."""
    classes = measures.classes
    of = f' of "{sanitize(classes[1])}"' if len(classes) == 2 else ", mean of classes"
    return {
        name: NamedFigure(
            name, title(name) + (of if name in _BY_CLASS else ""), _MEANINGS.get(name, ""), figure
        )
        for name, figure in figures_of(measures)
    }


def figures_of(value: Measures | ClassMeasures) -> Iterator[tuple[str, Estimate]]:
    """Name and figure of every field that holds one."""
    for field in fields(value):
        if isinstance(figure := getattr(value, field.name), Estimate):
            yield field.name, figure


def title(name: str) -> str:
    """The measure's name in text: ``Balanced accuracy`` for ``balanced_accuracy``."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def with_interval(figure: Estimate | None, *, signed: bool = False) -> str:
    """A figure with its interval: ``0.860 (0.800 to 0.900)``."""
    if figure is None:
        return _NOT_MEASURED
    form = "+.3f" if signed else ".3f"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"


def write_results(evaluation: Evaluation) -> str:
    """Write the sections from ``### Results`` on, including what was not measured."""
    on_test = evaluation.baselines_on_test
    return "\n\n".join(
        [
            "### Results",
            *_rare_class(evaluation.rare),
            "There was no image to measure on."
            if evaluation.believed.accuracy is None
            else f"**{ESTIMATES[evaluation.believe].capitalize()}.** {evaluation.why}",
            *_figures(evaluation),
            *_estimate("test", evaluation.test),
            *(_estimate("kfold", evaluation.kfold) if evaluation.kfold else ()),
            "#### Baselines",
            "The model is better or worse than a baseline if the interval of its gain leaves out "
            "0. Else they are alike within two points, or there are too few photos to tell.",
            _baselines(evaluation.baselines),
            *(["On the test part alone:", _baselines(on_test)] if on_test else []),
            "#### Leak Tax",
            *_measured_with(evaluation),
            _leak_tax(evaluation.leak_tax),
            "#### Calibration",
            _calibration(evaluation.calibration),
            "#### Abstention",
            _abstained(evaluation.abstained),
            "#### Learning Curve",
            *_measured_with(evaluation),
            _learning_curve(evaluation.learning_curve),
        ]
    )


def _rare_class(rare: RareClass | None) -> list[str]:
    """The rarest class of unbalanced ones, which the accuracy says little about."""
    if rare is None:
        return []
    counted = " Counted on folds that the option was not chosen on." if rare.offer else ""
    return [f"**Unbalanced classes.** {escape_markdown(rare.to_text())}{counted}"]


def _figures(evaluation: Evaluation) -> list[str]:
    """One table of both estimates; figures that neither measured are left out."""
    named = [name_figures(m) for m in (evaluation.test, evaluation.kfold) if m is not None]
    titles = {name: row.title for estimate in named for name, row in estimate.items()}
    head = ["Figure, with its 95 % interval"]
    for estimate in list(ESTIMATES.values())[: len(named)]:
        head += [estimate.capitalize(), "n"]
    rows = []
    for name, text in titles.items():
        row = [escape_markdown(text)]
        for figures in named:
            row += _with_n(figures[name].figure if name in figures else None)
        rows.append(row)
    return [table(head, rows)] if rows else []


def _with_n(figure: Estimate | None) -> list[str]:
    """Two cells: the figure with its interval, and n."""
    return [with_interval(figure), "" if figure is None else str(figure.n)]


def _estimate(estimate: str, measures: Measures) -> Iterator[str]:
    if not measures.n:
        return
    yield f"#### By Class, {ESTIMATES[estimate].capitalize()}"
    yield _by_class(measures)
    if len(measures.worst_classes) < len(measures.classes):
        yield (
            f"These are the {len(measures.worst_classes)} of {len(measures.classes)} classes with "
            "the lowest recall; metrics.json has all."
        )
    if len(measures.classes) <= MOST_IN_MATRIX:
        names = [escape_markdown(name) for name in measures.classes]
        rows = [[name, *map(str, row)] for name, row in zip(names, measures.confusion, strict=True)]
        yield "Confusion matrix: number of images by true class (rows) and predicted class:"
        yield table(["true class", *names], rows)
    elif pairs := list(name_pairs(measures)):
        yield "Most frequent mistakes, in images:"
        yield "\n".join(f"- {escape_markdown(line)}" for line in pairs)
    if measures.reliability:
        rows = [
            [f"{row.confidence:.3f}", with_interval(row.accuracy), str(row.count)]
            for row in measures.reliability
        ]
        head = ["Mean probability of the predicted class", "Share correct", "n"]
        yield "Reliability: share of correct predictions by probability of the predicted class:"
        yield table(head, rows, num_text_columns=0)


def _by_class(measures: Measures) -> str:
    shown = measures.worst_classes
    by_class = [dict(figures_of(of_class)) for of_class in shown]
    columns = list(dict.fromkeys(name for figures in by_class for name in figures))
    rows = [
        [
            escape_markdown(of_class.name),
            *(", n = ".join(filter(None, _with_n(figures.get(column)))) for column in columns),
        ]
        for of_class, figures in zip(shown, by_class, strict=True)
    ]
    return table(["Class", *map(title, columns)], rows)


def _baselines(baselines: Sequence[Baseline]) -> str:
    if not baselines:
        return "Not measured."
    rows = [
        [
            escape_markdown(rule.name),
            with_interval(rule.accuracy),
            with_interval(rule.gain, signed=True),
            str(rule.gain.n),
            _VERDICTS[rule.verdict],
        ]
        for rule in baselines
    ]
    head = ["Baseline", "Its accuracy", "Gain of the model", "n", "The model is"]
    return table(head, rows)


def _measured_with(evaluation: Evaluation) -> list[str]:
    """The recipe of a figure, if it is not the model's own."""
    refits = evaluation.refits
    return [] if refits is None else [f"Measured with the recipe {refits.others}."]


def _leak_tax(tax: LeakTax | None) -> str:
    if tax is None:
        return "The accuracy that a random split would give was not measured."
    copies = f"are {tax.num_copies} copies" if tax.num_copies > 1 else "is 1 copy"
    return (
        "A random split puts copies of a picture into both training and test part, which can "
        f"inflate the accuracy. Measured by {escape_markdown(tax.estimate)}, it is "
        f"{with_interval(tax.naive)} with a random split and {with_interval(tax.honest)} with "
        "copies kept together. "
        f"The difference is {with_interval(tax.tax, signed=True)}, n = {tax.tax.n}; there "
        f"{copies if tax.num_copies else 'are no copies'} among the images."
    )


def _calibration(calibration: Calibration | None) -> str:
    if calibration is None:
        return "Probabilities were not calibrated."
    return (
        f"Logits are divided by a temperature of {calibration.temperature:.3f}. The expected "
        f"calibration error was {with_interval(calibration.before)} before and is "
        f"{with_interval(calibration.after)} after, n = {calibration.after.n}."
    )


def _abstained(abstained: Abstained | None) -> str:
    if abstained is None:
        return "The model can't abstain: it predicts one of its classes for every photo."
    coverage = f"at least {100 * abstained.wanted_coverage:.0f} %"
    false_alarms = f"at most {100 * abstained.wanted_false_alarms:.0f} %"
    by_class = list(abstained.coverage_by_class.items())
    if len(by_class) > MOST_IN_MATRIX:
        by_class = sorted(by_class, key=lambda named: named[1].value)[:MOST_WORST]
    rows: list[tuple[str, str, Estimate | None]] = [
        ("The possible classes include the true one", coverage, abstained.coverage),
        *(
            (f"The same for photos of {escape_markdown(name)}", coverage, figure)
            for name, figure in by_class
        ),
        ("A photo like the training photos is unknown", false_alarms, abstained.false_alarms),
        ("The model is sure: one class is possible", "", abstained.sure),
        ("A sure prediction is correct", "", abstained.accuracy_when_sure),
    ]
    cells = [[what, target, *_with_n(figure)] for what, target, figure in rows]
    return (
        f"{table(['How often', 'Target', 'Measured', 'n'], cells)}\n\n"
        f"On average {abstained.num_classes:.2f} classes are possible."
    )


def _learning_curve(curve: LearningCurve | None) -> str:
    if curve is None:
        return "Not measured, or too few photos."
    rows = [[f"{point.num_photos:.0f}", *_with_n(point.accuracy)] for point in curve.points]
    parts = [table(["Training photos", "Accuracy", "n"], rows, num_text_columns=0)]
    if curve.forecasts:
        parts.append("\n".join(f"- {escape_markdown(row.to_text())}" for row in curve.forecasts))
    return "\n\n".join(parts)
