"""Everything that is measured of one set of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.bootstrap import group_weights, interval
from candid.evaluation.figures import Figure, proportion
from candid.evaluation.scores import (
    ReliabilityBin,
    brier_scores,
    calibration_error,
    counts,
    log_losses,
    ranking,
    ratio,
    reliability_bins,
)


@dataclass(frozen=True)
class ClassMeasures:
    """Figures of one class against all others; None where there is nothing to measure one on."""

    name: str
    precision: Figure | None
    recall: Figure | None
    f1: Figure | None
    roc_auc: Figure | None
    average_precision: Figure | None


@dataclass(frozen=True)
class Measures:
    """Figures of a set of predictions, each with n and its 95 % interval.

    Of two classes precision, recall, F1, ROC AUC and average precision are of the alphabetically
    second one; of more they are means over the classes.
    """

    classes: tuple[str, ...]
    n: int
    accuracy: Figure | None
    balanced_accuracy: Figure | None
    precision: Figure | None
    recall: Figure | None
    f1: Figure | None
    roc_auc: Figure | None
    average_precision: Figure | None
    log_loss: Figure | None
    brier_score: Figure | None
    calibration_error: Figure | None
    binary_accuracy: Figure | None
    per_class: tuple[ClassMeasures, ...]
    confusion: NDArray[np.int64]
    reliability: tuple[ReliabilityBin, ...]

    def to_json(self) -> dict[str, object]:
        """JSON values; null where a figure does not apply."""
        names = (
            "accuracy",
            "balanced_accuracy",
            "precision",
            "recall",
            "f1",
            "roc_auc",
            "average_precision",
            "log_loss",
            "brier_score",
            "calibration_error",
            "binary_accuracy",
        )
        return {
            "n": self.n,
            **{name: _json(getattr(self, name)) for name in names},
            "per_class": {
                row.name: {name: _json(getattr(row, name)) for name in _CLASS_FIGURES}
                for row in self.per_class
            },
            "confusion": {
                truth: dict(zip(self.classes, map(int, row), strict=True))
                for truth, row in zip(self.classes, self.confusion, strict=True)
            },
            "reliability": [row.to_json() for row in self.reliability],
        }


_CLASS_FIGURES = ("precision", "recall", "f1", "roc_auc", "average_precision")


def measure(
    classes: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    predicted: NDArray[np.int64],
) -> Measures:
    """Measure predictions against the truth."""
    exact = probabilities.astype(np.float64)
    k, n = len(classes), len(truth)
    weights = np.concatenate([np.ones((1, n)), group_weights(groups)]) if n else np.ones((1, 0))
    right, true, claimed = counts(truth, predicted, k, weights)
    recall, precision = ratio(right, true), ratio(right, claimed)
    f1 = ratio(2 * right, true + claimed)
    present = true[0] > 0
    ranked = [ranking(truth == c, exact[:, c], weights) for c in range(k)] if n else []

    def figure(values: NDArray[np.float64]) -> Figure | None:
        return interval(values[1:], float(values[0]), n) if n else None

    def whole(values: NDArray[np.float64]) -> Figure | None:
        if k == 2:
            return figure(values[:, 1])
        return figure(values[:, present].mean(axis=1)) if present.any() else None

    per_class = tuple(
        ClassMeasures(
            name,
            proportion((truth == c)[predicted == c], groups[predicted == c]),
            proportion((predicted == c)[truth == c], groups[truth == c]),
            figure(f1[:, c]) if true[0, c] + claimed[0, c] > 0 else None,
            figure(ranked[c][0]) if n else None,
            figure(ranked[c][1]) if n else None,
        )
        for c, name in enumerate(classes)
    )
    confusion = np.zeros((k, k), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    areas = np.stack([a for a, _ in ranked], axis=1) if n else np.ones((1, k))
    averages = np.stack([a for _, a in ranked], axis=1) if n else np.ones((1, k))
    total = weights.sum(axis=1)
    second = per_class[1] if k == 2 else None
    return Measures(
        tuple(classes),
        n,
        proportion(predicted == truth, groups),
        figure(recall[:, present].mean(axis=1)) if present.any() else None,
        second.precision if second else whole(precision),
        second.recall if second else whole(recall),
        whole(f1),
        whole(areas),
        whole(averages),
        figure(weights @ log_losses(truth, exact) / total) if n else None,
        figure(weights @ brier_scores(truth, exact) / total) if n else None,
        figure(calibration_error(truth, exact, weights)) if n else None,
        proportion((exact[:, 1] > 0.5) == (truth == 1), groups) if k == 2 else None,
        per_class,
        confusion,
        reliability_bins(truth, exact, groups),
    )


def _json(value: Figure | None) -> Mapping[str, object] | None:
    return None if value is None else asdict(value)
