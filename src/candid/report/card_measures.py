"""Names and meanings of the measures in a model card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from candid.evaluation.figures import Figure
from candid.showable import show_text

if TYPE_CHECKING:
    from candid.evaluation.measures import ClassMeasures, Measures

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
    figure: Figure


def name_figures(measures: Measures) -> dict[str, NamedFigure]:
    """All figures of an estimate that were measured, by name, in the order of `Measures`."""
    classes = measures.classes
    of = f' of "{show_text(classes[1])}"' if len(classes) == 2 else ", mean of classes"
    return {
        name: NamedFigure(
            name, title(name) + (of if name in _BY_CLASS else ""), _MEANINGS.get(name, ""), figure
        )
        for name, figure in figures_of(measures)
    }


def figures_of(value: Measures | ClassMeasures) -> Iterator[tuple[str, Figure]]:
    """Name and figure of every field that holds one, so that none is forgotten."""
    for field in fields(value):
        if isinstance(figure := getattr(value, field.name), Figure):
            yield field.name, figure


def title(name: str) -> str:
    """``balanced_accuracy`` as a person writes it."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())
