"""Checks for shortcuts: can the class be predicted without what the photos show?

Traits of the file (its size in bytes, pixel size, aspect ratio, JPEG quality, format and camera)
are no part of the picture. Where they predict the class, a model can learn them instead (Geirhos et
al., 2020, "Shortcut learning in deep neural networks"). Brightness and colour are the picture: a
sunrise is red. Where they predict the class, that may be the class itself or how its photos were
taken, which only a person can tell.

All traits of a kind together are given to extremely randomised trees, each alone to a single tree
of a few leaves (`candid.auditing.trees`), in five-fold cross-validation grouped by picture. The
accuracy is compared with the share of the largest class and with the model of the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import NOT_TRAINABLE, Evidence
from candid.auditing.finding import Bar, Chart, Check, Finding, Outcome, Severity
from candid.auditing.trees import cross_predict
from candid.data.decisions import KEEP, about_all
from candid.evaluation.estimate import Estimate, proportion
from candid.features.properties import PixelProperties, Properties
from candid.splits.grouped_split import NUM_FOLDS, Labelled, random_ranks, sample_groups
from candid.splits.split import in_two_classes

_MIN_PHOTOS = 40
_MAX_PHOTOS = 5_000  # a random sample of these gives the accuracy within 1.4 points
_MISSING = -1.0
_MIN_SHARE_OF_GAIN = 0.25  # of what the model of pictures gains over the largest class


class _Property(NamedTuple):
    name: str
    values: Callable[[Properties, PixelProperties], Sequence[float]]
    low: str  # description of a class whose first value is low
    high: str


def _log(value: float) -> float:
    return float(np.log(max(value, 1)))


FILE_TRAITS: Final = (
    _Property("file size", lambda p, _: [_log(p.num_bytes)], "smaller files", "larger files"),
    _Property(
        "pixel size", lambda p, _: [_log(p.width_px * p.height_px)], "fewer pixels", "more pixels"
    ),
    _Property(
        "aspect ratio", lambda p, _: [_log(p.width_px) - _log(p.height_px)], "narrower", "wider"
    ),
    _Property(
        "JPEG quality",
        lambda p, _: [_MISSING if p.jpeg_quality is None else p.jpeg_quality],
        "stronger compression",
        "weaker compression",
    ),
)
LOOKS: Final = (
    _Property("brightness", lambda _, x: [x.brightness], "darker", "brighter"),
    _Property(
        "colour",
        lambda _, x: [x.saturation, x.red - x.green, x.blue - x.green],
        "less colourful",
        "more colourful",
    ),
)
_FORMAT_AND_CAMERA = "format and camera"
SEVERAL: Final = "several together"


@dataclass(frozen=True)
class _Kind:
    """Properties of one kind, whose accuracy together counts."""

    properties: tuple[_Property, ...]
    source: str  # in the summary
    suggestion: str = ""  # of the decision column
    has_categories: bool = False  # whether format and camera belong to it


_FILE: Final = _Kind(FILE_TRAITS, "the file alone", has_categories=True)
_LOOK: Final = _Kind(LOOKS, "brightness and colour alone", KEEP)


def _predict(evidence: Evidence, kind: _Kind) -> Outcome:
    """Predict the class from some properties, and compare with the model of the pictures."""
    subset = evidence.trainable
    if subset is None:
        return Outcome.not_applicable(NOT_TRAINABLE)
    # Pictures in two classes have no right answer.
    agreed = np.flatnonzero(~in_two_classes(subset.data.labels, subset.data.groups))
    if len(agreed) < _MIN_PHOTOS:
        return Outcome.not_applicable(f"there are fewer than {_MIN_PHOTOS} photos to fit a model")
    ranks = random_ranks(subset.data.group_keys, seed=evidence.seed)
    agreed = sample_groups(agreed, subset.data.groups, ranks, most=_MAX_PHOTOS)
    data = subset.data.take(agreed)
    columns = _feature_columns(evidence, subset.indices[agreed], kind)
    folds = data.folds(NUM_FOLDS, seed=evidence.seed)  # a rare class may have fewer photos
    together = _accuracy(data, np.concatenate(list(columns.values()), axis=1), folds, alone=False)
    alone = {name: _accuracy(data, rows, folds, alone=True) for name, rows in columns.items()}
    majority = float(np.bincount(data.labels).max() / len(data.labels))
    image = _image_accuracy(evidence, agreed, data)
    ranked = sorted(alone.items(), key=lambda pair: -pair[1].value)
    chart = _accuracy_chart(majority, ranked, together, image)
    summary = (
        f"accuracy {_with_interval(together)} from {kind.source}, {majority:.2f} by always "
        "predicting the largest class"
    )
    summary += "" if image is None else f", {_with_interval(image)} from the pictures"
    if not _is_shortcut(majority, together, image):
        return Outcome.clean(summary, chart=chart)
    lines = {
        name: f"{name} alone: {_with_interval(figure)}"
        + _extremes(kind, name, columns[name], data.labels, subset.classes)
        for name, figure in ranked
        if _is_shortcut(majority, figure, image)
    }
    return Outcome.from_findings(summary, _findings(kind, lines), chart=chart)


def _findings(kind: _Kind, lines: Mapping[str, str]) -> list[Finding]:
    """A finding for each property that tells the class alone, by name; one where none does."""
    several = "no property alone predicts the class well enough, only several together"
    return [
        Finding(line, about=about_all(name), suggestion=kind.suggestion)
        for name, line in (lines or {SEVERAL: several}).items()
    ]


def _is_shortcut(majority: float, figure: Estimate, image: Estimate | None) -> bool:
    if figure.low <= majority:
        return False
    gain = figure.value - majority
    return image is None or gain >= _MIN_SHARE_OF_GAIN * (image.value - majority)


_UNKNOWN_PIXELS = PixelProperties(*[_MISSING] * 9)
_UNKNOWN = Properties("", 1, 1, "", 1, 1, "", None, 1, 1.0, None)


def _feature_columns(
    evidence: Evidence, indices: NDArray[np.int64], kind: _Kind
) -> dict[str, NDArray[np.float32]]:
    """Values of each property for some photos, float32 ``(m, values)``."""
    known = [evidence.properties_of(evidence.photos[index]) or _UNKNOWN for index in indices]
    columns = {
        row.name: np.array([row.values(p, p.pixels or _UNKNOWN_PIXELS) for p in known], np.float32)
        for row in kind.properties
    }
    if not kind.has_categories:
        return columns
    categories = [(f"{p.format} {p.mode}", p.camera, str(p.orientation)) for p in known]
    columns[_FORMAT_AND_CAMERA] = np.stack(
        [_rank_by_frequency(list(names)) for names in zip(*categories, strict=True)], axis=1
    )
    return columns


def _rank_by_frequency(names: list[str]) -> NDArray[np.float32]:
    """Names as numbers, the most frequent 0, so that a few splits separate the frequent ones."""
    _, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.float32)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[numbers]


def _accuracy(
    data: Labelled, rows: NDArray[np.float32], folds: NDArray[np.int64], *, alone: bool
) -> Estimate:
    """Cross-validated accuracy of properties, float32 ``(m, values)``."""
    predicted = cross_predict(rows, data.labels, folds, num_classes=data.num_classes, alone=alone)
    figure = proportion(predicted == data.labels, data.groups)
    if figure is None:
        raise ValueError("there are no photos")
    return figure


def _image_accuracy(
    evidence: Evidence, agreed: NDArray[np.int64], data: Labelled
) -> Estimate | None:
    """Cross-validated accuracy as `candid train` shows it, if labels could be checked."""
    errors = evidence.label_errors
    if errors is None:
        return None
    return proportion(errors.first_round[agreed].argmax(axis=1) == data.labels, data.groups)


def _extremes(
    kind: _Kind,
    name: str,
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: Sequence[str],
) -> str:
    """The classes of lowest and highest median: ``; sad: darker, happy: brighter``."""
    row = next((row for row in kind.properties if row.name == name), None)
    if row is None:
        return ""
    medians = [float(np.median(rows[labels == number, 0])) for number in range(len(classes))]
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    if medians[low] == medians[high]:
        return ""
    return f"; {classes[low]}: {row.low}, {classes[high]}: {row.high}"


def _accuracy_chart(
    majority: float, ranked: list[tuple[str, Estimate]], together: Estimate, image: Estimate | None
) -> Chart:
    bars = [Bar("always the largest class", majority)]
    bars += [Bar(f"{name} alone", f.value, f.low, f.high) for name, f in ranked]
    bars.append(Bar("all these together", together.value, together.low, together.high, True))
    if image is not None:
        bars.append(Bar("the picture itself", image.value, image.low, image.high))
    return Chart("Accuracy without the picture", tuple(bars), "share")


def _with_interval(figure: Estimate) -> str:
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


# Functions with names, so that an audit can be pickled.
def _predict_by_file(evidence: Evidence) -> Outcome:
    return _predict(evidence, _FILE)


def _predict_by_look(evidence: Evidence) -> Outcome:
    return _predict(evidence, _LOOK)


SHORTCUTS = Check(
    code="shortcuts",
    title="Class predictable from the file, not the picture",
    severity=Severity.warning,
    remedy="A model can learn this instead of what the photos show: save and take the photos of "
    "all classes in the same way (every camera and every size for every class), and measure on "
    "photos from elsewhere. If it is what the class is, keep it.",
    run=_predict_by_file,
    learns=True,
)

BRIGHTNESS_AND_COLOUR = Check(
    code="brightness-and-colour",
    title="Brightness or colour goes with the class",
    severity=Severity.info,
    remedy="This may be the class itself: a sunrise is red. Then nothing is wrong; keep "
    "it. If it comes from how the photos were taken, add photos of each "
    "class without it, such as dark ones of every class.",
    run=_predict_by_look,
    learns=True,
)
