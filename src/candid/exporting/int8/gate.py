"""Whether a quantised export is as good as its run: measured, and refused where it is worse.

How many images a second a run and an export answer, asked in turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.core.text import plural
from candid.errors import ParityError
from candid.evaluation.estimate import Estimate, paired_difference, proportion, wilson
from candid.exporting.format import Format, Runner
from candid.exporting.int8.calibration import Asked
from candid.models.conformal import Abstention
from candid.runs.classifier import Classifier

_NUM_ROUNDS: Final = 25
_NUM_UNTIMED: Final = 3


@dataclass(frozen=True)
class Speed:
    """Images a second, of a single image a call.

    Attributes:
        run: The run's.
        export: The export's.
        ratio: How many times as fast the export is: the median over pairs of calls.
    """

    run: float
    export: float
    ratio: float

    def to_json(self) -> dict[str, float]:
        """JSON values."""
        return {"run": self.run, "int8": self.export, "ratio": self.ratio}


def measure_speed(
    run: Callable[[NDArray[np.uint8]], Any],
    export: Callable[[NDArray[np.uint8]], Any],
    pixels: NDArray[np.uint8],
) -> Speed:
    """Time two models alternately, so that a machine that slows down slows both.

    Args:
        run: A model.
        export: Another.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1; they are asked about one at a time.
    """
    times: list[tuple[float, float]] = []
    for number in range(_NUM_UNTIMED + _NUM_ROUNDS):
        place = number % len(pixels)
        picture = pixels[place : place + 1]
        times.append((_time(run, picture), _time(export, picture)))
    first, second = zip(*times[_NUM_UNTIMED:], strict=True)
    ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
    return Speed(1 / statistics.median(first), 1 / statistics.median(second), ratio)


def _time(ask: Callable[[NDArray[np.uint8]], Any], pixels: NDArray[np.uint8]) -> float:
    began = time.perf_counter()
    ask(pixels)
    return time.perf_counter() - began


#: What share of the labels has to be the run's.
LEAST_AGREEMENT: Final = 0.95
#: From so many images on, the share itself has to be; of fewer, its interval must not lie below.
_ENOUGH: Final = 100
#: A test part of fewer tells little of an accuracy.
FEW: Final = 30


@dataclass(frozen=True)
class Answered:
    """What a run and an export said of the same images.

    Attributes:
        labels: int64 ``(n,)``, what the images are; -1 where that is not told.
        groups: int64 ``(n,)``; images of one group show the same picture.
        tested: bool ``(n,)``, whether they are of the test part.
        run: int64 ``(n,)``, the classes that the run chose.
        export: int64 ``(n,)``, the classes that the export chose; -1 for what is no number.
        run_unknown: bool ``(n,)``, what the run calls unknown; None where it can't tell.
        export_unknown: bool ``(n,)``, likewise.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    tested: NDArray[np.bool_]
    run: NDArray[np.int64]
    export: NDArray[np.int64]
    run_unknown: NDArray[np.bool_] | None = None
    export_unknown: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Pair:
    """A figure of the run and the same of the export, each with its 95 % interval."""

    run: Estimate
    int8: Estimate

    @classmethod
    def of(
        cls, run: NDArray[np.bool_], export: NDArray[np.bool_], groups: NDArray[np.int64]
    ) -> Pair | None:
        """The shares of hits among n images; None where n is 0."""
        first, second = proportion(run, groups), proportion(export, groups)
        return None if first is None or second is None else cls(first, second)


@dataclass(frozen=True)
class Fidelity:
    """How good an export is beside its run.

    Attributes:
        accuracy: On the test part; None where there is no photo of it.
        difference: The export's accuracy less the run's, paired.
        agreement: The share of images on which both chose the same class: of the test and the val
            part and of those that the run keeps.
        num_same_label: On how many that is.
        unknown: The shares of the test part called unknown; None where that can't be told.
    """

    accuracy: Pair | None
    difference: Estimate | None
    agreement: Estimate
    num_same_label: int
    unknown: Pair | None

    @property
    def holds(self) -> bool:
        """Whether it is not measurably worse."""
        worse = self.difference is not None and self.difference.high < 0
        share = self.agreement
        other = share.high < LEAST_AGREEMENT
        return not (worse or other or (share.n >= _ENOUGH and share.value < LEAST_AGREEMENT))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "accuracy": None if self.accuracy is None else asdict(self.accuracy),
            "accuracy_difference": None if self.difference is None else asdict(self.difference),
            "label_agreement": self.agreement.value,
            "num_images": self.agreement.n,
            "num_same_label": self.num_same_label,
            "called_unknown": None if self.unknown is None else asdict(self.unknown),
        }


def ask_both(
    classifier: Classifier,
    export: Runner,
    images: Iterable[Asked],
    advance: Advance = lambda _: None,
) -> Answered:
    """Ask a run and an export about the same images.

    Args:
        classifier: The run.
        export: The export, loaded by its own runtime.
        images: What they are asked about; one batch at least.
        advance: Called with the number of images just asked about.
    """
    parts: list[tuple[NDArray[Any], ...]] = []
    for asked in images:
        expected, found = classifier.model.run(asked.pixels), export(asked.pixels)
        chosen = classifier.rule.decide(expected.probabilities, classifier.classes)
        own = classifier.rule.decide(found["probabilities"], classifier.classes)
        own = np.where(np.isfinite(found["probabilities"]).all(axis=1), own, -1)
        unknown = [
            _is_unknown(classifier.abstention, novelty, len(own))
            for novelty in (expected.novelty, found.get("novelty"))
        ]
        parts.append((asked.labels, asked.groups, asked.tested, chosen, own, *unknown))
        advance(len(own))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if classifier.abstention is None:
        return Answered(*columns[:5])
    return Answered(*columns)


def _is_unknown(
    usual: Abstention | None, novelty: NDArray[np.float32] | None, num_images: int
) -> NDArray[np.bool_]:
    if usual is None or novelty is None:
        return np.zeros(num_images, np.bool_)
    return np.asarray(usual.familiarity(novelty) <= usual.false_alarms, np.bool_)


def judge(answered: Answered) -> Fidelity:
    """Sum up what a run and an export said.

    Args:
        answered: Of one image at least.
    """
    tested = answered.tested
    labels, groups = answered.labels[tested], answered.groups[tested]
    run, export = answered.run[tested] == labels, answered.export[tested] == labels
    same = answered.run == answered.export
    agreement = wilson(float(same.sum()), len(same))
    if agreement is None:
        raise ValueError("nothing was asked")
    unknown = None
    if answered.run_unknown is not None and answered.export_unknown is not None:
        unknown = Pair.of(answered.run_unknown[tested], answered.export_unknown[tested], groups)
    return Fidelity(
        Pair.of(run, export, groups),
        paired_difference(export, run, groups),
        agreement,
        int(same.sum()),
        unknown,
    )


@dataclass(frozen=True)
class Int8:
    """What is told of an export that was rounded to eight bits.

    Attributes:
        runtime: What ran it, with its version.
        num_calibrated: With how many training photos it was calibrated.
        fidelity: How good it is beside its run.
        num_bytes: The size of the run's model, and of the export's.
        speed: Images a second of both; None where they could not be compared.
        notes: What a person should know.
    """

    runtime: str
    num_calibrated: int
    fidelity: Fidelity
    num_bytes: tuple[int, int]
    speed: Speed | None
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """For a terminal: the run beside the export."""
        rows = [("", "the run", "eight bits")]
        for name, pair in (
            ("accuracy, test part", self.fidelity.accuracy),
            ("called unknown, test part", self.fidelity.unknown),
        ):
            if pair is not None:
                rows.append((name, _told(pair.run), _told(pair.int8)))
        before, after = (f"{size / 1e6:.1f} MB" for size in self.num_bytes)
        rows.append(("size", before, after))
        if self.speed is not None:
            speed = f"{self.speed.export:.1f} ({self.speed.ratio:.2f} times)"
            rows.append(("images a second", f"{self.speed.run:.1f}", speed))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        share = f"{self.fidelity.num_same_label} of {plural(self.fidelity.agreement.n, 'image')}"
        ending = [f"The same label on {share} ({self.fidelity.agreement.value:.1%})."]
        if self.fidelity.difference is not None:
            ending.append(f"Difference of accuracy: {_signed(self.fidelity.difference)}.")
        if self.speed is not None and self.speed.ratio < 1:
            ending.append("It is slower than the run here: what it saves is bytes.")
        title = f"Rounded to eight bits, beside the run, in {self.runtime}:"
        return "\n".join([title, "", *(f"  {line}" for line in lines), "", *ending])

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        values = {
            "runtime": self.runtime,
            "num_calibration_photos": self.num_calibrated,
            **self.fidelity.to_json(),
            "bytes": {"run": self.num_bytes[0], "int8": self.num_bytes[1]},
            "images_per_s": None if self.speed is None else self.speed.to_json(),
        }
        return values | ({"notes": list(self.notes)} if self.notes else {})


def require_fidelity(form: Format, int8: Int8) -> None:
    """Refuse an export that is measurably worse than its run.

    Raises:
        ParityError: It is.
    """
    fidelity = int8.fidelity
    if fidelity.holds:
        return
    share = f"{fidelity.num_same_label} of {plural(fidelity.agreement.n, 'label')}"
    told = [f"{share} agree ({LEAST_AGREEMENT:.0%} have to)"]
    if fidelity.accuracy is not None and fidelity.difference is not None:
        told.append(
            f"the accuracy on the test part is {_told(fidelity.accuracy.int8)}, the run's "
            f"{_told(fidelity.accuracy.run)}; difference {_signed(fidelity.difference)}"
        )
    raise ParityError(
        f"the export to {form.title} in eight bits is measurably worse than the run: "
        f"{'; '.join(told)}. It was removed; export without --int8."
    )


def _told(figure: Estimate) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n = {figure.n})"


def _signed(figure: Estimate) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f}, n = {figure.n})"
