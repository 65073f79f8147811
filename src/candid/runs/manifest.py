"""The manifest of a run, ``candid.json``: a field's name is the key in the file, in its order."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from candid.core.safe_json import Range, read_as, to_json
from candid.data.images.contract import ResizeMode
from candid.errors import ArtifactError

#: The version that is written. Others that can be read are in `READERS`.
FORMAT_VERSION: Final = 2
#: The largest side of the model's input, in pixels.
MAX_SIZE_PX: Final = 2048

Amount = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, with_ends=False)]
Share = Annotated[float, Range(0, 1, with_ends=False)]


@dataclass(frozen=True)
class PixelSettings:
    """How an image becomes pixels.

    Attributes:
        size_px: Both sides of the model's input, in pixels.
        fit: How a photo is made square.
        key: The pixels' id for caches. Nothing reads it here, so it may be missing.
    """

    size_px: Annotated[int, Range(1, MAX_SIZE_PX)]
    fit: ResizeMode
    key: str = ""


@dataclass(frozen=True)
class MistakeCost:
    """What it costs to answer one class where another is true."""

    true: str
    predicted: str
    cost: Annotated[float, Range(0)]


@dataclass(frozen=True)
class RuleSettings:
    """How a class is chosen; `candid.models.decision_rule` says what the values mean."""

    threshold: Annotated[float, Range(0, 1)]
    costs: tuple[MistakeCost, ...]


@dataclass(frozen=True)
class CalibrationSettings:
    """What scores are divided by, within the graph."""

    temperature: Positive


@dataclass(frozen=True)
class AbstentionSettings:
    """When to abstain; `candid.models.conformal` says what the values mean.

    Attributes:
        coverage: How often the possible classes hold the true one.
        false_alarms: How often a photo of a known kind may be called unknown.
        nonconformity: A list a class; of one that an earlier class has too, that class's number.
        novelty: Novelty of held-out photos, ascending.
    """

    coverage: Share
    false_alarms: Share
    nonconformity: tuple[int | tuple[float, ...], ...]
    novelty: tuple[float, ...]


@dataclass(frozen=True)
class TransferSettings:
    """What the recipe transfer chose."""

    backbone: str
    strength: Positive
    temperature: Positive
    fitted_on: tuple[str, ...]
    num_images: Amount
    seed: int


@dataclass(frozen=True)
class CnnSettings:
    """What the recipe cnn chose."""

    epochs: Amount
    batch_size: Amount
    seed: int
    dtype: str
    num_parameters: Amount
    temperature: Positive


@dataclass(frozen=True)
class Preparation:
    """The backbone that found the copies, and how photos were made square for it."""

    backbone: str
    fit: ResizeMode


@dataclass(frozen=True)
class DataSummary:
    """What was trained on.

    Attributes:
        folder: Absolute, on the machine that trained.
        fingerprint: SHA-256 of contents and labels.
        num_photos: The photos that can be read.
        num_pictures: How many different pictures they show.
        notes: What a person should know of the data.
    """

    folder: str
    fingerprint: str
    num_photos: Amount
    num_pictures: Amount
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DecisionsSummary:
    """What a person decided about the photos; ``decisions.csv`` has it in full."""

    sha256: str
    num_dropped: Amount
    num_relabelled: Amount
    num_kept: Amount


@dataclass(frozen=True)
class MeasuredFigure:
    """A figure with its 95 % interval, and the number of images that it was measured on."""

    value: float
    low: float
    high: float
    n: Amount


@dataclass(frozen=True)
class Figures:
    """Figures of one estimate, as `candid.evaluation.measures.FIGURES`; null does not apply."""

    accuracy: MeasuredFigure | None = None
    balanced_accuracy: MeasuredFigure | None = None
    precision: MeasuredFigure | None = None
    recall: MeasuredFigure | None = None
    f1: MeasuredFigure | None = None
    roc_auc: MeasuredFigure | None = None
    average_precision: MeasuredFigure | None = None
    log_loss: MeasuredFigure | None = None
    brier_score: MeasuredFigure | None = None
    calibration_error: MeasuredFigure | None = None
    binary_accuracy: MeasuredFigure | None = None


@dataclass(frozen=True)
class Metrics(Figures):
    """The main figures of ``metrics.json``: of the test part, and of cross-validation.

    Attributes:
        kfold_accuracy: The accuracy of ``kfold`` once more.
        believe: Which estimate to believe.
        kfold: Figures by cross-validation.
    """

    kfold_accuracy: MeasuredFigure | None = None
    believe: Literal["test", "kfold"] | None = None
    kfold: Figures | None = None

    @property
    def believed(self) -> Figures | None:
        """The figures of the estimate to believe."""
        return self.kfold if self.believe == "kfold" else self


@dataclass(frozen=True)
class Manifest:
    """What ``candid.json`` says of a run.

    Attributes:
        format_version: Which version of these fields it is.
        candid_version: The version of Candid that trained.
        recipe: How it was trained.
        complete: Whether the training reached its end.
        classes: Names of the classes, in alphabetical order.
        pixels: How an image becomes pixels.
        rule: How a class is chosen.
        calibration: How probabilities were calibrated.
        abstention: When the answer is that it does not know; null where it can't tell.
        settings: What the recipe chose.
        prepared_with: How copies were found.
        data: What was trained on.
        decisions: What a person decided about the photos; null where nobody did. Runs of before
            there were decisions lack it.
        metrics: How good it is; null where that was not measured.
        libraries: Versions of the libraries that it was made with.
        files: SHA-256 of each file of the run, hexadecimal.
    """

    format_version: Literal[2] = field(default=FORMAT_VERSION, kw_only=True)
    candid_version: str
    recipe: Literal["transfer", "cnn"]
    complete: bool
    classes: tuple[str, ...]
    pixels: PixelSettings
    rule: RuleSettings
    calibration: CalibrationSettings
    abstention: AbstentionSettings | None
    settings: TransferSettings | CnnSettings
    prepared_with: Preparation
    data: DataSummary
    decisions: DecisionsSummary | None = field(default=None, kw_only=True)
    metrics: Metrics | None
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def backbone(self) -> str | None:
        """The recipe transfer's backbone; None where there is none."""
        return getattr(self.settings, "backbone", None)

    @property
    def strength(self) -> float | None:
        """Of the head's regularisation; None where the head is not linear."""
        return getattr(self.settings, "strength", None)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], file: Path) -> Manifest:
        """Read the values of a manifest, by the reader of their format version.

        Args:
            values: JSON values, from anybody.
            file: Where they are from, for the message.

        Raises:
            ArtifactError: They are of another version, or not what that version holds.
        """
        return find_reader(values.get("format_version"), file.parent)(values, file)

    def to_json(self) -> dict[str, Any]:
        """JSON values, in the order of the file."""
        return dict(to_json(self))

    def to_bytes(self) -> bytes:
        """The file ``candid.json``.

        Raises:
            ValueError: A number is none that JSON has, such as NaN.
        """
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        # What of a file name is not UTF-8 becomes an escape, which JSON reads as what it was.
        return f"{text}\n".encode(errors="backslashreplace")


def _read_2(values: Mapping[str, Any], file: Path) -> Manifest:
    """Read format 2, which is frozen: other fields are another format, with a reader of its own."""
    try:
        read_as(Metrics | None, values.get("metrics"), "figures.test")
    except ValueError as error:
        # By the names of the server's answer, where the test part's figures are not on top.
        why = str(error).replace("figures.test.kfold", "figures.kfold")
        raise ArtifactError(f"{file} does not say how good it is ({why}); train again.") from error
    try:
        _require_classes(values.get("classes"))
        manifest: Manifest = read_as(Manifest, values, "")
        if (manifest.recipe == "cnn") != isinstance(manifest.settings, CnnSettings):
            raise ValueError(f"settings: those of the recipe {manifest.recipe} are expected")
    except ValueError as error:
        raise ArtifactError(f"{file} is incomplete: {error}; restore it or train again.") from error
    return manifest


def _require_classes(names: object) -> None:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its classes are no list of names")
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError("its classes are not two different names or more")


Reader = Callable[[Mapping[str, Any], Path], Manifest]
#: Reads the values of each format version that can be read. A later format adds its own.
READERS: Final[Mapping[int, Reader]] = {2: _read_2}


def find_reader(version: object, run: Path) -> Reader:
    """What reads a format version.

    Args:
        version: What the manifest says, from anybody.
        run: The run's folder, for the message.

    Raises:
        ArtifactError: There is no reader of that version.
    """
    # 2.0 and true would be found, too.
    reader = READERS.get(version) if type(version) is int else None
    if reader is None:
        raise ArtifactError(
            f"{run} has format version {reprlib.repr(version)}, expected {FORMAT_VERSION}. "
            "Use the version of Candid that wrote it, or train again."
        )
    return reader
