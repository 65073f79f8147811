"""An evaluation for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from candid.evaluation.evaluation import Evaluation
from candid.evaluation.figures import Figure
from candid.evaluation.measures import Measures

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


def titled(measures: Measures) -> list[tuple[str, Figure | None]]:
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


def _points(gain: Figure) -> str:
    value, low, high = (100 * share for share in (gain.value, gain.low, gain.high))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
