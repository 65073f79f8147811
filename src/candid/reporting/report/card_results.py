"""The results in a model card: every figure of ``metrics.json``, and what follows from it.

Names and meanings of the measures in a model card.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from candid.core.text import escape_markdown, sanitize, table
from candid.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.leak_tax import LeakTax
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.measures import ClassMeasures, Measures
    from candid.evaluation.reliability import Abstained, Calibration
    from candid.evaluation.scores import ReliabilityBin

#: What the estimates are called.
ESTIMATES: Final = {"test": "test part", "kfold": "grouped cross-validation"}

# Whether a measure is of one class where there are two, and of the mean of classes beyond.
_BY_CLASS: Final = {"precision", "recall", "f1", "roc_auc", "average_precision"}
_TITLES: Final = {
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "brier_score": "Brier score",
    "calibration_error": "Expected calibration error",
}
_MEANINGS: Final = {
    "accuracy": "the share of images that are answered right",
    "balanced_accuracy": "the mean over the classes of the share of each that is answered right, "
    "so that a large class does not outvote a small one",
    "precision": "of the images that were answered so, the share that is so",
    "recall": "of the images that are so, the share that was answered so",
    "f1": "the harmonic mean of precision and recall",
    "binary_accuracy": "accuracy where the second class is answered above a probability of 0.5",
    "roc_auc": "how often an image of the class scores higher than one that is not; 0.5 is chance",
    "average_precision": "the area under precision against recall",
    "log_loss": "the mean surprise at the truth, in nats; lower is better",
    "brier_score": "the mean squared error of the probabilities, summed over the classes where "
    "there are more than two; lower is better",
    "calibration_error": "how far the probability of the answer is from the share that is right; "
    "lower is better",
}


@dataclass(frozen=True)
class NamedFigure:
    """A figure with what a reader needs to understand it.

    Attributes:
        name: As in ``metrics.json``: ``roc_auc``.
        title: ``ROC AUC of "sad"``, with other people's text in it that is not escaped.
        meaning: What it says, in half a sentence; empty where there is nothing to add.
        figure: The figure.
    """

    name: str
    title: str
    meaning: str
    figure: Estimate


def name_figures(measures: Measures) -> dict[str, NamedFigure]:
    """All figures of an estimate that were measured, by name, in the order of `Measures`."""
    classes = measures.classes
    of = f' of "{sanitize(classes[1])}"' if len(classes) == 2 else ", mean of classes"
    return {
        name: NamedFigure(
            name, title(name) + (of if name in _BY_CLASS else ""), _MEANINGS.get(name, ""), figure
        )
        for name, figure in figures_of(measures)
    }


def figures_of(value: Measures | ClassMeasures) -> Iterator[tuple[str, Estimate]]:
    """Name and figure of every field that holds one, so that none is forgotten."""
    for field in fields(value):
        if isinstance(figure := getattr(value, field.name), Estimate):
            yield field.name, figure


def title(name: str) -> str:
    """``balanced_accuracy`` as a person writes it."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


_NOT_MEASURED: Final = "not measured"
_MOST_IN_MATRIX: Final = 20  # classes; a wider table can't be read


def write_results(evaluation: Evaluation) -> str:
    """Write the sections from ``### Results`` on, and what was not measured."""
    return "\n\n".join(
        [
            "### Results",
            _which_to_believe(evaluation),
            *_figures(evaluation),
            *_estimate("test", evaluation.test),
            *(_estimate("kfold", evaluation.kfold) if evaluation.kfold else ()),
            "#### Against simple rules",
            _baselines(evaluation.baselines),
            *_baselines_on_test(evaluation.baselines_on_test),
            "#### Against a random split",
            _leak_tax(evaluation.leak_tax),
            "#### Calibration",
            _calibration(evaluation.calibration),
            "#### Saying that it does not know",
            _abstained(evaluation.abstained),
            "#### What more photos would bring",
            _learning_curve(evaluation.learning_curve),
        ]
    )


def with_interval(figure: Estimate | None, *, signed: bool = False) -> str:
    """A figure with its interval: ``0.860 (0.800 to 0.900)``."""
    if figure is None:
        return _NOT_MEASURED
    form = "+.3f" if signed else ".3f"
    return f"{figure.value:{form}} ({figure.low:{form}} to {figure.high:{form}})"


def _which_to_believe(evaluation: Evaluation) -> str:
    if evaluation.believed.accuracy is None:
        return "There was no image to measure on."
    return f"**{ESTIMATES[evaluation.believe].capitalize()}.** {evaluation.why}"


def _figures(evaluation: Evaluation) -> list[str]:
    """Both estimates side by side; what neither measured is left out."""
    named = [name_figures(m) for m in (evaluation.test, evaluation.kfold) if m is not None]
    titles = {name: row.title for estimate in named for name, row in estimate.items()}
    head = ["Figure, with its 95 % interval"]
    for estimate in list(ESTIMATES.values())[: len(named)]:
        head += [estimate.capitalize(), "n"]
    rows = []
    for name, text in titles.items():
        row = [escape_markdown(text)]
        for estimate_figures in named:
            figure = estimate_figures[name].figure if name in estimate_figures else None
            row += [with_interval(figure), "" if figure is None else str(figure.n)]
        rows.append(row)
    return [table(head, rows)] if rows else []


def _estimate(estimate: str, measures: Measures) -> Iterator[str]:
    if not measures.n:
        return
    yield f"#### By class, {ESTIMATES[estimate]}"
    yield _by_class(measures)
    if len(measures.classes) <= _MOST_IN_MATRIX:
        names = [escape_markdown(name) for name in measures.classes]
        rows = [[name, *map(str, row)] for name, row in zip(names, measures.confusion, strict=True)]
        yield "Number of images, by their true class (rows) and the class that was answered:"
        yield table(["true class", *names], rows)
    if measures.reliability:
        yield "How often an answer is right, from the least sure images to the surest:"
        yield _reliability(measures.reliability)


def _reliability(bins: Sequence[ReliabilityBin]) -> str:
    rows = [[f"{row.confidence:.3f}", with_interval(row.accuracy), str(row.count)] for row in bins]
    return table(["Mean probability of the answer", "Right", "n"], rows, num_text_columns=0)


def _by_class(measures: Measures) -> str:
    by_class = [dict(figures_of(of_class)) for of_class in measures.per_class]
    columns = list(dict.fromkeys(name for figures in by_class for name in figures))
    rows = [
        [escape_markdown(of_class.name), *(_with_n(figures.get(column)) for column in columns)]
        for of_class, figures in zip(measures.per_class, by_class, strict=True)
    ]
    return table(["Class", *map(title, columns)], rows)


def _with_n(figure: Estimate | None) -> str:
    return with_interval(figure) + ("" if figure is None else f", n = {figure.n}")


def _baselines(baselines: Sequence[Baseline]) -> str:
    if not baselines:
        return "Not measured."
    rows = [
        [
            escape_markdown(rule.name),
            with_interval(rule.accuracy),
            with_interval(rule.gain, signed=True),
            str(rule.gain.n),
            "yes" if rule.beaten else "**no**",
        ]
        for rule in baselines
    ]
    head = ["Simple rule", "Its accuracy", "The model's accuracy beyond it", "n", "Beaten"]
    return f"{table(head, rows)}\n\nA rule counts as beaten where chance does not explain the gain."


def _baselines_on_test(baselines: Sequence[Baseline]) -> list[str]:
    return ["On the test part alone:", _baselines(baselines)] if baselines else []


def _leak_tax(tax: LeakTax | None) -> str:
    if tax is None:
        return "What a random split would have claimed was not measured."
    return (
        "A random split puts copies of a picture on both sides, and so tests on what was learnt by "
        f"heart. By {escape_markdown(tax.estimate)} it would have claimed an accuracy of "
        f"{with_interval(tax.naive)}. With copies kept together it is {with_interval(tax.honest)}. "
        f"The difference is {with_interval(tax.tax, signed=True)}, n = {tax.tax.n}."
    )


def _calibration(calibration: Calibration | None) -> str:
    if calibration is None:
        return "Probabilities were not calibrated."
    return (
        f"Scores are divided by a temperature of {calibration.temperature:.3f}. The expected "
        f"calibration error was {with_interval(calibration.before)} before and is "
        f"{with_interval(calibration.after)} after, n = {calibration.after.n}."
    )


def _abstained(abstained: Abstained | None) -> str:
    if abstained is None:
        return "The model can't abstain: it answers one of its classes for every photo."
    wanted = f"at least {_percent(abstained.wanted_coverage)}"
    rare = f"at most {_percent(abstained.wanted_false_alarms)}"
    rows = [
        ("The possible classes hold the true one", wanted, abstained.coverage),
        *(
            (f"The same for photos of {escape_markdown(name)}", wanted, figure)
            for name, figure in abstained.coverage_by_class.items()
        ),
        ("A photo of a known kind is called unknown", rare, abstained.false_alarms),
        ("One class is given without a doubt", "", abstained.sure),
        ("That one is right", "", abstained.accuracy_when_sure),
    ]
    cells = [
        [what, aim, with_interval(figure), "" if figure is None else str(figure.n)]
        for what, aim, figure in rows
    ]
    return (
        f"{table(['How often', 'Wanted', 'Measured', 'n'], cells)}\n\n"
        f"On average {abstained.num_classes:.2f} classes are possible."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _learning_curve(curve: LearningCurve | None) -> str:
    if curve is None:
        return "Not measured, or there are too few photos to tell."
    rows = [
        [f"{point.num_photos:.0f}", with_interval(point.accuracy), str(point.accuracy.n)]
        for point in curve.points
    ]
    parts = [table(["Photos learnt from", "Accuracy", "n"], rows, num_text_columns=0)]
    if curve.forecasts:
        parts.append("\n".join(f"- {escape_markdown(row.to_text())}" for row in curve.forecasts))
    return "\n\n".join(parts)
