"""An evaluation: what is measured, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.figures import Figure, macro, proportion

_BINARY_THRESHOLD = 0.5  # Keras' BinaryAccuracy, as in the tutorial

_WIDE_INTERVAL = 0.15


@dataclass(frozen=True)
class ClassFigures:
    """Precision and recall of one class; None where nothing was predicted, or is, of it."""

    name: str
    precision: Figure | None
    recall: Figure | None


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on images that it never saw, nor any copy of them.

    Attributes:
        classes: Names of the classes.
        accuracy: Share of right answers.
        precision: Of the alphabetically second of two classes; with more, the classes' mean.
        recall: Likewise.
        binary_accuracy: Two classes only: share right at the threshold 0.5.
        kfold_accuracy: From grouped cross-validation over all images, where the recipe gives it.
        per_class: Each class's own figures.
        confusion: int64 ``(k, k)``; a row a true class, a column a predicted one.
    """

    classes: tuple[str, ...]
    accuracy: Figure | None
    precision: Figure | None
    recall: Figure | None
    binary_accuracy: Figure | None
    kfold_accuracy: Figure | None
    per_class: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]

    def with_kfold(self, kfold_accuracy: Figure | None) -> Evaluation:
        """The same, with the cross-validated estimate beside it."""
        return replace(self, kfold_accuracy=kfold_accuracy)

    def to_json(self) -> dict[str, object]:
        """The figures as JSON values; null where a figure does not apply."""
        return {
            **{name: _json(figure) for name, figure in self._named_figures()},
            "per_class": {
                c.name: {"precision": _json(c.precision), "recall": _json(c.recall)}
                for c in self.per_class
            },
            "confusion": {
                truth: dict(zip(self.classes, map(int, row), strict=True))
                for truth, row in zip(self.classes, self.confusion, strict=True)
            },
        }

    def to_text(self, of: str = "Test part") -> str:
        """The figures for a terminal, in the order of the tutorial.

        Args:
            of: What was measured.
        """
        n = int(self.confusion.sum())
        lines = [f"{of}: {n} images that the model never saw, nor any copy of them", ""]
        lines += [f"  {title:<26} {figure}" for title, figure in self.titled()[:-1] if figure]
        if len(self.classes) > 2:
            lines += ["", *self._per_class_lines()]
        lines += ["", *self._confusion_lines()]
        return "\n".join([*lines, *self._advice()])

    def _named_figures(self) -> list[tuple[str, Figure | None]]:
        return [
            ("accuracy", self.accuracy),
            ("precision", self.precision),
            ("recall", self.recall),
            ("binary_accuracy", self.binary_accuracy),
            ("kfold_accuracy", self.kfold_accuracy),
        ]

    def titled(self) -> list[tuple[str, Figure | None]]:
        """The figures with the titles that a person reads; the cross-validated one is last."""
        kfold = ("Accuracy, grouped k-fold", self.kfold_accuracy)
        if len(self.classes) == 2:
            of = f" of {self.classes[1]!r}"
            return [
                (f"Precision{of}", self.precision),
                (f"Recall{of}", self.recall),
                ("Binary accuracy", self.binary_accuracy),
                *([("Accuracy", self.accuracy)] if self.accuracy != self.binary_accuracy else []),
                kfold,
            ]
        return [
            ("Precision, mean of classes", self.precision),
            ("Recall, mean of classes", self.recall),
            ("Accuracy", self.accuracy),
            kfold,
        ]

    def _per_class_lines(self) -> list[str]:
        width = max(len(c.name) for c in self.per_class)
        return [
            f"  {c.name:<{width}}  precision {c.precision or 'none predicted'}"
            f"   recall {c.recall or 'none there'}"
            for c in self.per_class
        ]

    def _confusion_lines(self) -> list[str]:
        width = max(5, *(len(name) for name in self.classes))
        head = " ".join(f"{name:>{width}}" for name in self.classes)
        lines = [f"  {'true, then predicted':<{width}}", f"  {'':<{width}} {head}"]
        for name, row in zip(self.classes, self.confusion, strict=True):
            lines.append(f"  {name:<{width}} " + " ".join(f"{count:>{width}}" for count in row))
        return lines

    def _advice(self) -> list[str]:
        if self.kfold_accuracy is None:
            return self._small_test_advice()
        n = self.kfold_accuracy.n
        return [
            "",
            f"Grouped 5-fold over all {n} images: accuracy {self.kfold_accuracy}",
            "Believe this one: every image was predicted by a model that saw no copy of it, and "
            f"there are {n} of them instead of {int(self.confusion.sum())}.",
        ]

    def _small_test_advice(self) -> list[str]:
        if self.accuracy is None or self.accuracy.high - self.accuracy.low < _WIDE_INTERVAL:
            return []
        return [
            "",
            f"{self.accuracy.n} images say little: the truth is anywhere in the interval. Measure "
            "on more photos with `candid evaluate RUN DATA`, or see the cross-validated figure "
            "that the recipe transfer gives.",
        ]


def evaluate(
    classes: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    threshold: float = _BINARY_THRESHOLD,
) -> Evaluation:
    """Measure predictions against the truth.

    Args:
        classes: Names of the k classes.
        truth: int64 ``(n,)``.
        probabilities: float32 ``(n, k)``.
        groups: int64 ``(n,)``; images of one group count as one for the intervals.
        threshold: Two classes only: above it the second class is predicted.

    Returns:
        The figures; None where there is nothing to measure one on.
    """
    num_classes = len(classes)
    predicted = decide(probabilities, threshold)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    per_class = tuple(
        _class_figures(name, place, truth, predicted, groups) for place, name in enumerate(classes)
    )
    binary = None
    if num_classes == 2:
        precision, recall = per_class[1].precision, per_class[1].recall
        binary = proportion(decide(probabilities, _BINARY_THRESHOLD) == truth, groups)
    else:
        precision, recall = (
            macro(truth, predicted, groups, num_classes=num_classes, axis=axis) for axis in (0, 1)
        )
    accuracy = proportion(predicted == truth, groups)
    return Evaluation(
        tuple(classes), accuracy, precision, recall, binary, None, per_class, confusion
    )


def decide(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """The predicted class, int64 ``(n,)``; of two, the second where it is above the threshold."""
    if probabilities.shape[1] == 2:
        # As Python compares: against float32, NumPy would round the threshold first.
        return (probabilities[:, 1].astype(np.float64) > threshold).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def _class_figures(
    name: str,
    place: int,
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> ClassFigures:
    claimed, real = predicted == place, truth == place
    return ClassFigures(
        name,
        precision=proportion(real[claimed], groups[claimed]),
        recall=proportion(claimed[real], groups[real]),
    )


def _json(figure: Figure | None) -> dict[str, object] | None:
    return None if figure is None else asdict(figure)
