"""The manifest of a run, ``candid.json``, as dataclasses.

Names and order of the fields are those of the keys in the file; docs/candid.schema.json is made
from them and from the docstrings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from candid.core.safe_json import Range, to_json
from candid.data.images.contract import MAX_PIXELS, PixelContract, ResizeMode
from candid.data.source import DataSource
from candid.features.backbones.origin import Origin
from candid.splits.own_parts import OwnParts

#: The format version that is written; `candid.runs.manifest_formats` reads these and older ones.
FORMAT_VERSION: Final = 3
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
        key: Cache key of the decoded pixels; optional, as no reader uses it.
        sample_range: The lowest and the highest sample of pictures with more than 8 bits, which
            become 0 and 255; null if there were none, or all 16 bits are used.
        page: Page of a multi-page file, from 1; null for the first.
        bands: Three bands, from 1, that become red, green and blue; null for those of the file.
        max_pixels: Pixels of the largest photo that is read; null for the usual limit.
    """

    size_px: Annotated[int, Range(1, MAX_SIZE_PX)]
    fit: ResizeMode
    key: str = ""
    sample_range: tuple[float, ...] | None = None
    page: Annotated[int, Range(1)] | None = None
    bands: tuple[Annotated[int, Range(1)], ...] | None = None
    max_pixels: Annotated[int, Range(1)] | None = None

    def contract(self) -> PixelContract:
        """The contract; raises UsageError where values do not fit each other."""
        return PixelContract(
            self.size_px,
            self.fit,
            max_pixels=self.max_pixels or MAX_PIXELS,
            sample_range=cast("tuple[float, float] | None", self.sample_range),
            page=self.page,
            bands=cast("tuple[int, int, int] | None", self.bands),
        )


@dataclass(frozen=True)
class MistakeCost:
    """The cost of predicting one class if another is true."""

    true: str
    predicted: str
    cost: Annotated[float, Range(0)]


@dataclass(frozen=True)
class RuleSettings:
    """How a class is chosen; see `candid.models.decision_rule`."""

    threshold: Annotated[float, Range(0, 1)]
    costs: tuple[MistakeCost, ...]


@dataclass(frozen=True)
class CalibrationSettings:
    """Temperature scaling, which is part of the graph."""

    temperature: Positive


@dataclass(frozen=True)
class AbstentionSettings:
    """When to abstain; see `candid.models.conformal`.

    Attributes:
        coverage: How often the prediction set holds the true class.
        false_alarms: Share of in-distribution photos that may be called unknown.
        nonconformity: One list per class, or the number of an earlier class with the same list.
        novelty: Novelty of held-out photos, ascending.
        sure_above: The familiarity above which an answer may be sure; missing in older runs.
    """

    coverage: Share
    false_alarms: Share
    nonconformity: tuple[int | tuple[float, ...], ...]
    novelty: tuple[float, ...]
    sure_above: Annotated[float, Range(0, 1)] = 0.0


@dataclass(frozen=True)
class TransferSettings:
    """Settings of the recipe transfer.

    Attributes:
        origin: Where the backbone's weights came from; null if it is bundled, missing in older
            runs.
    """

    backbone: str
    strength: Positive
    temperature: Positive
    fitted_on: tuple[str, ...]
    num_images: Amount
    seed: int
    origin: Origin | None = None


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of the recipe finetune.

    Attributes:
        backbone: Whose last blocks were trained.
        first_block: Index of the first of them.
        epochs: Passes over the photos.
        num_varied: Varied views of each photo.
        share: Of the trained layers in the scores; the rest is the frozen network's.
        strength: Inverse regularisation strength of the recipe transfer on the same photos.
        folds: Folds whose photos were held out, of ``num_folds``.
        held_out_accuracy: Accuracy on those photos.
        frozen_accuracy: That of the recipe transfer on the same photos.
    """

    backbone: str
    first_block: int
    epochs: Amount
    num_varied: int
    share: float
    strength: Positive
    folds: Amount
    num_folds: Amount
    held_out_accuracy: float
    frozen_accuracy: float
    temperature: Positive
    fitted_on: tuple[str, ...]
    num_images: Amount
    seed: int


@dataclass(frozen=True)
class CnnSettings:
    """Settings of the recipe cnn.

    Attributes:
        epochs: Passes over the photos; with ``early_stop`` at most so many.
        augment: Whether each of them showed new views of the photos; null if not.
        early_stop: Whether it stopped once the validation loss fell no more; null if not.
        best_epoch: Whether the weights of the lowest validation loss were kept; null if not.
        kept_epoch: The epoch of these weights; null if they are of the last one.
    """

    epochs: Amount
    batch_size: Amount
    seed: int
    dtype: str
    num_parameters: Amount
    temperature: Positive
    augment: bool | None = None
    early_stop: bool | None = None
    best_epoch: bool | None = None
    kept_epoch: Amount | None = None


SETTINGS: Final = {
    "transfer": TransferSettings,
    "finetune": FinetuneSettings,
    "cnn": CnnSettings,
}


@dataclass(frozen=True)
class Preparation:
    """The backbone that found the copies, and how photos were made square for it."""

    backbone: str
    fit: ResizeMode


@dataclass(frozen=True)
class DataSummary:
    """The data folder.

    Attributes:
        folder: Absolute path on the machine that trained, or the address.
        fingerprint: SHA-256 of contents and labels.
        num_photos: Number of readable photos.
        num_pictures: Number of different pictures among them.
        notes: What the user should know about the data.
        own_parts: The parts that the folder came with; null if all were drawn, missing in older
            runs.
        image_column: Of a table: the column of the photo; empty if not named, missing in
            older runs.
        label_column: Of a table: the column of the class, likewise.
    """

    folder: str
    fingerprint: str
    num_photos: Amount
    num_pictures: Amount
    notes: tuple[str, ...]
    own_parts: OwnParts | None = None
    image_column: str = ""
    label_column: str = ""

    @property
    def source(self) -> DataSource:
        """The folder or other source; it may be gone."""
        return DataSource(self.folder, self.image_column, self.label_column)

    def is_in(self, data: str | Path | DataSource) -> bool:
        """Whether a folder, or another source, is this one."""
        return str(DataSource.of(data)) == self.folder


@dataclass(frozen=True)
class DecisionsSummary:
    """Counts of the applied decisions; ``decisions.csv`` lists them."""

    sha256: str
    num_dropped: Amount
    num_relabelled: Amount
    num_kept: Amount


@dataclass(frozen=True)
class MeasuredFigure:
    """A figure with its 95 % interval and number of images."""

    value: float
    low: float
    high: float
    n: Amount


@dataclass(frozen=True)
class Figures:
    """Figures of one estimate, see `candid.evaluation.measures.FIGURES`; null if not applicable."""

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
    """The main figures of ``metrics.json``, of the test part and of cross-validation.

    Attributes:
        kfold_accuracy: The accuracy in ``kfold``.
        believe: The more reliable estimate.
        kfold: Figures of the cross-validation.
    """

    kfold_accuracy: MeasuredFigure | None = None
    believe: Literal["test", "kfold"] | None = None
    kfold: Figures | None = None

    @property
    def believed(self) -> Figures | None:
        """The figures of the more reliable estimate."""
        return self.kfold if self.believe == "kfold" else self


@dataclass(frozen=True)
class Manifest:
    """The manifest of a run.

    Attributes:
        format_version: Version of this format.
        candid_version: Version of Candid that trained the model.
        recipe: Training recipe.
        complete: False if the training was interrupted.
        classes: Names of the classes, in alphabetical order.
        pixels: How an image becomes pixels.
        rule: How a class is chosen.
        calibration: How probabilities were calibrated.
        abstention: When to abstain; null if too few photos were held out.
        settings: Settings of the recipe.
        prepared_with: How copies were found.
        data: The data folder.
        decisions: The applied decisions; null if there were none, missing in older runs.
        metrics: Main figures; null if not measured.
        libraries: Versions of the libraries used.
        files: SHA-256 of each file of the run, hexadecimal.
    """

    format_version: Literal[3] = field(default=FORMAT_VERSION, kw_only=True)
    candid_version: str
    recipe: Literal["transfer", "finetune", "cnn"]
    complete: bool
    classes: tuple[str, ...]
    pixels: PixelSettings
    rule: RuleSettings
    calibration: CalibrationSettings
    abstention: AbstentionSettings | None
    settings: TransferSettings | FinetuneSettings | CnnSettings
    prepared_with: Preparation
    data: DataSummary
    decisions: DecisionsSummary | None = field(default=None, kw_only=True)
    metrics: Metrics | None
    libraries: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def backbone(self) -> str | None:
        """Backbone of the recipes transfer and finetune, else None."""
        return getattr(self.settings, "backbone", None)

    @property
    def origin(self) -> Origin | None:
        """Where the weights of its backbone came from; None if that is bundled."""
        return getattr(self.settings, "origin", None)

    @property
    def strength(self) -> float | None:
        """Inverse regularisation strength of a linear head, else None."""
        return getattr(self.settings, "strength", None)

    def to_bytes(self) -> bytes:
        """The content of ``candid.json``; raises ValueError for NaN and infinity."""
        text = json.dumps(to_json(self), indent=2, ensure_ascii=False, allow_nan=False)
        # Bytes of a file name that are not UTF-8 become escapes, which JSON reads back.
        return f"{text}\n".encode(errors="backslashreplace")
