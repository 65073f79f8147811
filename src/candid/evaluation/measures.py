"""Accuracy, precision, recall, AUC, loss and calibration of one set of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.core.safe_json import read_as
from candid.evaluation.bootstrap import LEAST_RESAMPLES, interval, interval_of_sizes, resample
from candid.evaluation.estimate import Estimate, proportion
from candid.evaluation.scores import (
    Predictions,
    ReliabilityBin,
    bin_numbers,
    brier_scores,
    calibration_gaps,
    counts,
    log_losses,
    ranking,
    ranking_of_few,
    ratio,
    reliability_bins,
    sum_by_number,
)

# Prior weight of mistakes, in images, chosen by the coverage in benchmarks/intervals.py.
_MISTAKEN = 0.6  # all classes together
_MISCLAIMED = 0.9  # all classes together, for mean precision
_MISRANKED = 0.6  # per class, for ranking figures
_MISRANKED_IN_ALL = 1.5  # all classes together, for the mean of ranking figures

_MANY_CLASSES = 20  # above which few images are positive for each
_MOST_RANKED = 200_000_000  # images times classes times resamples of ranking figures

# Of images with their pseudo-images, and, for many classes, of each image summed.
_Weights = tuple[NDArray[np.float64], NDArray[np.float64] | None]
#: Classes of a confusion matrix; of more, the pairs that are confused most often are told.
MOST_IN_MATRIX: Final = 20
#: Those pairs, and the classes with the lowest recall that are told of very many.
MOST_WORST: Final = 20

Losses = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class ClassMeasures:
    """Figures of one class against all others; None where undefined."""

    name: str
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    roc_auc: Estimate | None
    average_precision: Estimate | None


@dataclass(frozen=True)
class Measures:
    """Figures of a set of predictions; None where undefined.

    With two classes, precision, recall, F1, ROC AUC and average precision are those of the
    alphabetically second one; with more they are means over the classes. All means over classes,
    balanced accuracy included, are over those that occur in the truth. scikit-learn's
    ``balanced_accuracy_score`` does the same; its macro precision, recall and F1 also average over
    classes that are only predicted, each with 0.
    """

    classes: tuple[str, ...]
    n: int
    accuracy: Estimate | None
    balanced_accuracy: Estimate | None
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    roc_auc: Estimate | None
    average_precision: Estimate | None
    log_loss: Estimate | None
    brier_score: Estimate | None
    calibration_error: Estimate | None
    binary_accuracy: Estimate | None
    per_class: tuple[ClassMeasures, ...]
    confusion: NDArray[np.int64]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def worst_classes(self) -> tuple[ClassMeasures, ...]:
        """All classes, or of more than `MOST_IN_MATRIX` the `MOST_WORST` with the lowest recall."""
        if len(self.classes) <= MOST_IN_MATRIX:
            return self.per_class
        known = [row for row in self.per_class if row.recall is not None]
        return tuple(
            sorted(known, key=lambda row: row.recall.value if row.recall else 0)[:MOST_WORST]
        )

    def to_json(self) -> dict[str, object]:
        """JSON values; null where a figure is undefined.

        Of more than `MOST_IN_MATRIX` classes, ``confusion`` has the counts above 0 only.
        """
        return {
            "n": self.n,
            **{name: _json(getattr(self, name)) for name in FIGURES},
            "per_class": {
                row.name: {name: _json(getattr(row, name)) for name in _CLASS_FIGURES}
                for row in self.per_class
            },
            "confusion": {
                truth: {
                    name: int(count)
                    for name, count in zip(self.classes, row, strict=True)
                    if count or len(self.classes) <= MOST_IN_MATRIX
                }
                for truth, row in zip(self.classes, self.confusion, strict=True)
            },
            "reliability": [asdict(row) for row in self.reliability],
        }

    @classmethod
    def from_json(cls, values: Any, classes: tuple[str, ...]) -> Measures:
        """Read the values of `to_json`, which are not trusted.

        Raises:
            KeyError: They are invalid; or TypeError or ValueError.
        """
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        for i, truth in enumerate(classes):
            for name, count in values["confusion"][truth].items():
                confusion[i, classes.index(name)] = count
        per_class = values["per_class"]
        return cls(
            classes=classes,
            n=read_as(int, values["n"], "n"),
            **_estimates(FIGURES, values),
            per_class=tuple(
                ClassMeasures(name, **_estimates(_CLASS_FIGURES, per_class[name]))
                for name in classes
            ),
            confusion=confusion,
            reliability=read_as(tuple[ReliabilityBin, ...], values["reliability"], "reliability"),
        )


#: Names of the figures over all images.
FIGURES: Final = tuple(field.name for field in fields(Measures) if field.type == "Estimate | None")
_CLASS_FIGURES: Final = tuple(field.name for field in fields(ClassMeasures))[1:]


def measure(
    classes: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    predicted: NDArray[np.int64],
) -> Measures:
    """Measure predictions against the truth.

    Proportions have Wilson's interval, F1 that of the proportion that it is a function of, and all
    other figures that of `candid.evaluation.bootstrap`.

    Args:
        classes: Names of the k classes.
        truth: int64 ``(n,)``.
        probabilities: float32 ``(n, k)``.
        groups: int64 ``(n,)``; images of one group show the same picture.
        predicted: int64 ``(n,)``, the predicted class.
    """
    exact = probabilities.astype(np.float64)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    if not len(truth):
        per_class = tuple(ClassMeasures(name, None, None, None, None, None) for name in classes)
        undefined: dict[str, None] = dict.fromkeys(FIGURES)
        return Measures(
            tuple(classes), 0, **undefined, per_class=per_class, confusion=confusion, reliability=()
        )
    drawn = _Bootstrap(truth, predicted, exact, groups)
    per_class = tuple(
        ClassMeasures(
            name,
            proportion((truth == c)[predicted == c], groups[predicted == c]),
            proportion((predicted == c)[truth == c], groups[truth == c]),
            _f1(truth == c, predicted == c, groups),
            *drawn.ranking(c),
        )
        for c, name in enumerate(classes)
    )
    binary = None
    if len(classes) == 2:
        binary = proportion((exact[:, 1] > 0.5) == (truth == 1), groups)
        overall = {name: getattr(per_class[1], name) for name in _CLASS_FIGURES}
    else:
        overall = {name: drawn.mean(name) for name in _CLASS_FIGURES}
    return Measures(
        tuple(classes),
        len(truth),
        proportion(predicted == truth, groups),
        drawn.mean("recall"),
        **overall,
        log_loss=drawn.mean_of(log_losses),
        brier_score=drawn.mean_of(brier_scores),
        calibration_error=drawn.calibration_error(),
        binary_accuracy=binary,
        per_class=per_class,
        confusion=confusion,
        reliability=reliability_bins(truth, exact, groups),
    )


def worst_pairs(confusion: NDArray[np.int64], most: int = MOST_WORST) -> list[tuple[int, int]]:
    """True and predicted class of the most frequent mistakes, the most frequent first."""
    wrong = confusion * ~np.eye(len(confusion), dtype=np.bool_)
    true, predicted = np.nonzero(wrong)
    order = np.argsort(-wrong[true, predicted], kind="stable")[:most]
    return list(zip(true[order].tolist(), predicted[order].tolist(), strict=True))


def measure_predictions(classes: Sequence[str], predictions: Predictions) -> Measures:
    """Measure predictions by their calibrated probabilities."""
    return measure(
        classes,
        predictions.truth,
        predictions.probabilities,
        predictions.groups,
        predicted=predictions.predicted,
    )


def measure_calibration_error(
    predictions: Predictions, probabilities: NDArray[np.float32]
) -> tuple[Estimate | None, tuple[ReliabilityBin, ...]]:
    """Calibration error and reliability diagram, as in `measure`, of other probabilities."""
    exact, truth, groups = probabilities.astype(np.float64), predictions.truth, predictions.groups
    if not len(truth):
        return None, ()
    drawn = _Bootstrap(truth, predictions.predicted, exact, groups)
    return drawn.calibration_error(), reliability_bins(truth, exact, groups)


class _Bootstrap:
    """Figures with bootstrap intervals."""

    def __init__(
        self,
        truth: NDArray[np.int64],
        predicted: NDArray[np.int64],
        probabilities: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> None:
        self._n = len(truth)
        self._drawn = resample(truth, predicted, probabilities, groups)
        self._probabilities = probabilities[self._drawn.places]
        self._num_classes = probabilities.shape[1]
        self._present = np.unique(truth)
        self._weights = self._drawn.weights(_MISTAKEN / len(self._present))

    def ranking(self, number: int) -> tuple[Estimate | None, Estimate | None]:
        """Area under the ROC curve and average precision of a class against all others."""
        area, average = self._rank(number, *self._ranking_weights)
        return interval(area, self._n), interval(average, self._n)

    @cached_property
    def _ranking_weights(self) -> _Weights:
        return self._weights_to_rank(_MISRANKED)

    def _weights_to_rank(self, mistaken: float) -> _Weights:
        """Fewer resamples where there are very many images and classes."""
        weights, places = self._drawn.weights(mistaken), self._drawn.places
        if self._num_classes <= _MANY_CLASSES:
            return weights, None
        enough = _MOST_RANKED // (len(places) * self._num_classes)
        weights = weights[: 1 + max(LEAST_RESAMPLES, enough)]
        return weights, sum_by_number(weights, places, self._n)

    def mean(self, name: str) -> Estimate | None:
        """Mean over the classes in the truth of a figure of `ClassMeasures`."""
        columns = self._by_class(name)[:, self._present]
        known = np.isfinite(columns)
        sums = np.where(known, columns, 0).sum(axis=1)
        means = np.divide(sums, known.sum(axis=1), where=known.any(axis=1), out=sums * np.nan)
        return interval(means, self._n)

    def mean_of(self, losses: Losses) -> Estimate | None:
        """Mean over the images of a loss."""
        weights = self._weights
        each = losses(self._drawn.truth, self._probabilities)
        return interval(matmul(weights, each) / weights.sum(axis=1), self._n)

    def calibration_error(self) -> Estimate | None:
        """Calibration error without its bias (Kumar et al., 2019); see `interval_of_sizes`."""
        right = self._probabilities.argmax(axis=1) == self._drawn.truth
        confidence = self._probabilities.max(axis=1)
        bins = bin_numbers(confidence[: self._n])[self._drawn.places]
        return interval_of_sizes(calibration_gaps(right, confidence, bins, self._weights), self._n)

    def _by_class(self, name: str) -> NDArray[np.float64]:
        if name in ("roc_auc", "average_precision"):
            return self._rankings[name]
        drawn, weights = self._drawn, self._weights
        if name == "precision":  # a class may be predicted for only one or two images
            weights = drawn.weights(_MISCLAIMED / len(self._present))
        right, true, claimed = counts(drawn.truth, drawn.predicted, self._num_classes, weights)
        if name == "f1":
            return ratio(2 * right, true + claimed)
        return ratio(right, claimed if name == "precision" else true)

    @cached_property
    def _rankings(self) -> dict[str, NDArray[np.float64]]:
        weights = self._weights_to_rank(_MISRANKED_IN_ALL / len(self._present))
        rows = [self._rank(c, *weights) for c in range(self._num_classes)]
        areas, averages = (np.stack(columns, axis=1) for columns in zip(*rows, strict=True))
        return {"roc_auc": areas, "average_precision": averages}

    def _rank(
        self, number: int, weights: NDArray[np.float64], of_image: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        positive, scores = self._drawn.truth == number, self._probabilities[:, number]
        if of_image is None:
            return ranking(positive, scores, weights)
        return ranking_of_few(positive, scores, weights, (scores[: self._n], of_image))


def _f1(
    true: NDArray[np.bool_], claimed: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Estimate | None:
    """F1 of a class: 2 j / (1 + j) of its Jaccard index j."""
    either = true | claimed
    share = proportion((true & claimed)[either], groups[either])
    if share is None:
        return None
    value, low, high = (2 * j / (1 + j) for j in (share.value, share.low, share.high))
    return Estimate(value, low, high, share.n)


def _estimates(names: Sequence[str], values: Any) -> dict[str, Estimate | None]:
    """Figures by name; earlier versions lack some."""
    return {name: read_as(Estimate | None, values.get(name), name) for name in names}


def _json(value: Estimate | None) -> Mapping[str, object] | None:
    return None if value is None else asdict(value)
