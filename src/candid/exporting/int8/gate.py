"""Compare an int8 export with its run, and refuse it where it is measurably worse."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from timeit import timeit
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.core.text import columns, plural
from candid.errors import ParityError
from candid.evaluation.estimate import Estimate, paired_difference, proportion, wilson
from candid.exporting.format import Format, Runner
from candid.exporting.int8.calibration import LabelledImages
from candid.runs.classifier import Classifier

_MIN_AGREEMENT: Final = 0.95
#: From this many images on, the agreement is compared; below, the upper end of its interval.
_ENOUGH_IMAGES: Final = 100
_NUM_TIMED: Final = 25
_NUM_UNTIMED: Final = 3


@dataclass(frozen=True)
class PairedPredictions:
    """Predictions of a run and an export for the same images.

    Attributes:
        labels: int64 ``(n,)``, true classes; -1 where unknown.
        groups: int64 ``(n,)``; images of one group show the same picture.
        is_test: bool ``(n,)``, whether they belong to the test part.
        run: int64 ``(n,)``, the run's classes.
        export: int64 ``(n,)``, the export's classes; -1 where a probability is not a number.
        run_unknown: bool ``(n,)``, what the run calls unknown; None if it never abstains.
        export_unknown: bool ``(n,)``, the same of the export.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    is_test: NDArray[np.bool_]
    run: NDArray[np.int64]
    export: NDArray[np.int64]
    run_unknown: NDArray[np.bool_] | None = None
    export_unknown: NDArray[np.bool_] | None = None


def predict_both(
    classifier: Classifier,
    export: Runner,
    images: Iterable[LabelledImages],
    advance: Advance = lambda _: None,
) -> PairedPredictions:
    """Predict the same images, one batch at least, with a run and with its export."""
    rule, classes, abstention = classifier.rule, classifier.classes, classifier.abstention
    parts: list[tuple[NDArray[Any], ...]] = []
    for batch in images:
        expected, found = classifier.model.run(batch.pixels), export(batch.pixels)
        chosen = rule.decide(found["probabilities"], classes)
        columns = [
            batch.labels,
            batch.groups,
            batch.is_test,
            rule.decide(expected.probabilities, classes),
            np.where(np.isfinite(found["probabilities"]).all(axis=1), chosen, -1),
        ]
        if abstention is not None:
            columns += [
                np.zeros(len(chosen), np.bool_)
                if novelty is None
                else abstention.familiarity(novelty) <= abstention.false_alarms
                for novelty in (expected.novelty, found.get("novelty"))
            ]
        parts.append(tuple(columns))
        advance(len(chosen))
    return PairedPredictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True)
class EstimatePair:
    """A share for the run and for the export, each with its 95 % interval."""

    run: Estimate
    int8: Estimate

    @classmethod
    def of(
        cls, run: NDArray[np.bool_], export: NDArray[np.bool_], groups: NDArray[np.int64]
    ) -> EstimatePair | None:
        """The shares of hits among n images; None if n is 0."""
        first, second = proportion(run, groups), proportion(export, groups)
        return None if first is None or second is None else cls(first, second)


@dataclass(frozen=True)
class ModelComparison:
    """An export's accuracy and answers compared with its run's.

    Attributes:
        accuracy: On the test part; None if none of its photos is there.
        difference: The export's accuracy minus the run's, paired.
        agreement: Share of images with the same label: of the test and val parts and of the images
            that the run keeps.
        num_same_label: Number of those images.
        unknown: Shares of the test part called unknown; None if the run never abstains.
    """

    accuracy: EstimatePair | None
    difference: Estimate | None
    agreement: Estimate
    num_same_label: int
    unknown: EstimatePair | None

    @property
    def holds(self) -> bool:
        """Whether the export is not measurably worse."""
        if self.difference is not None and self.difference.high < 0:
            return False
        share = self.agreement
        return (share.value if share.n >= _ENOUGH_IMAGES else share.high) >= _MIN_AGREEMENT


def compare_predictions(predictions: PairedPredictions) -> ModelComparison:
    """Compute accuracies, their difference and the agreement, of one image at least."""
    is_test = predictions.is_test
    labels, groups = predictions.labels[is_test], predictions.groups[is_test]
    run, export = predictions.run[is_test] == labels, predictions.export[is_test] == labels
    same = predictions.run == predictions.export
    agreement = wilson(float(same.sum()), len(same))
    if agreement is None:
        raise ValueError("there is no prediction to compare")
    unknown = None
    if predictions.run_unknown is not None and predictions.export_unknown is not None:
        unknown = EstimatePair.of(
            predictions.run_unknown[is_test], predictions.export_unknown[is_test], groups
        )
    return ModelComparison(
        EstimatePair.of(run, export, groups),
        paired_difference(export, run, groups),
        agreement,
        int(same.sum()),
        unknown,
    )


@dataclass(frozen=True)
class Speed:
    """Images per second, one image per call."""

    run: float  # the run's
    int8: float  # the export's
    ratio: float  # the export's divided by the run's: the median over pairs of calls


def measure_speed(
    run: Callable[[NDArray[np.uint8]], Any],
    export: Callable[[NDArray[np.uint8]], Any],
    pixels: NDArray[np.uint8],
) -> Speed:
    """Time two models alternately, so that a machine that slows down slows both.

    They are given ``pixels``, uint8 ``(n, s, s, 3)`` RGB, one image at a time.
    """
    times: list[tuple[float, float]] = []
    for number in range(_NUM_UNTIMED + _NUM_TIMED):
        place = number % len(pixels)
        image = pixels[place : place + 1]
        first, second = (timeit(partial(model, image), number=1) for model in (run, export))
        times.append((first, second))
    of_run, of_export = zip(*times[_NUM_UNTIMED:], strict=True)
    ratio = statistics.median(a / b for a, b in zip(of_run, of_export, strict=True))
    return Speed(1 / statistics.median(of_run), 1 / statistics.median(of_export), ratio)


@dataclass(frozen=True)
class Int8Report:
    """What is reported on an int8 export."""

    runtime: str  # the runtime and its version
    num_calibration_photos: int  # number of training photos it was calibrated with
    comparison: ModelComparison  # its accuracy and answers compared with the run's
    num_bytes: tuple[int, int]  # the size of the run's model, and of the export's
    speed: Speed | None  # images per second of both; None if they could not be compared
    notes: tuple[str, ...] = ()  # notes for the user

    def to_text(self) -> str:
        """A table of the run and the export for a terminal."""
        rows = [("", "run", "int8")]
        for name, pair in (
            ("accuracy, test part", self.comparison.accuracy),
            ("called unknown, test part", self.comparison.unknown),
        ):
            if pair is not None:
                rows.append((name, str(pair.run), str(pair.int8)))
        before, after = (f"{size / 1e6:.1f} MB" for size in self.num_bytes)
        rows.append(("size", before, after))
        if self.speed is not None:
            speed = f"{self.speed.int8:.1f} ({self.speed.ratio:.2f} times)"
            rows.append(("images per second", f"{self.speed.run:.1f}", speed))
        agreement = self.comparison.agreement
        share = f"{self.comparison.num_same_label} of {plural(agreement.n, 'image')}"
        ending = [f"Same label on {share} ({agreement.value:.1%})."]
        if self.comparison.difference is not None:
            ending.append(f"Difference of accuracy: {_signed(self.comparison.difference)}.")
        if self.speed is not None and self.speed.ratio < 1:
            ending.append("It is slower than the run on this machine, only smaller.")
        title = f"Quantised to int8 and compared with the run, in {self.runtime}:"
        return "\n".join([title, "", *columns(rows), "", *ending])

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        comparison = asdict(self.comparison)
        values = {
            "runtime": self.runtime,
            "num_calibration_photos": self.num_calibration_photos,
            "accuracy": comparison["accuracy"],
            "accuracy_difference": comparison["difference"],
            "label_agreement": self.comparison.agreement.value,
            "num_images": self.comparison.agreement.n,
            "num_same_label": self.comparison.num_same_label,
            "called_unknown": comparison["unknown"],
            "bytes": {"run": self.num_bytes[0], "int8": self.num_bytes[1]},
            "images_per_s": None if self.speed is None else asdict(self.speed),
        }
        return values | ({"notes": list(self.notes)} if self.notes else {})


def require_not_worse(form: Format, comparison: ModelComparison) -> None:
    """Refuse an export that is measurably worse than its run.

    Raises:
        ParityError: It is.
    """
    if comparison.holds:
        return
    share = f"{comparison.num_same_label} of {plural(comparison.agreement.n, 'label')}"
    received = [f"{share} agree (expected: {_MIN_AGREEMENT:.0%} or more)"]
    if comparison.accuracy is not None and comparison.difference is not None:
        accuracy = comparison.accuracy
        received.append(
            f"the accuracy on the test part is {accuracy.int8.value:.3f}, the run's "
            f"{accuracy.run.value:.3f}; difference {_signed(comparison.difference)}"
        )
    raise ParityError(
        f"the int8 export to {form.title} is measurably worse than the run: "
        f"{'; '.join(received)}. It was removed; export without --int8."
    )


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f}, n = {estimate.n})"
