"""Can the class be guessed without looking at what is in the picture?

Sizes, JPEG quality, camera, brightness and mean colour of a file say nothing about what it shows.
Where they tell the class, a model may learn them instead of what is in the picture (Geirhos et al.,
2020, "Shortcut learning in deep neural networks").

All properties together are given to extremely randomised trees (Geurts, Ernst and Wehenkel, 2006),
each alone to a single tree of a few leaves, both scikit-learn's; copies of a picture stay in one of
five folds. What that reaches is held against the share of the largest class and against the model
that looks at the pictures.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import NOTHING_TO_LEARN, Evidence
from candid.auditing.finding import Bar, Chart, Check, Finding, Outcome, Severity
from candid.auditing.properties import PixelProperties, Properties
from candid.errors import DependencyError
from candid.evaluation.estimate import Estimate, proportion
from candid.splits.grouped_split import Labelled, grouped_folds
from candid.splits.split import in_two_classes

_LEAST_PHOTOS = 40
_MISSING = -1.0
_NUM_TREES = 100
_LEAST_IN_LEAF = 3
_LEAST_IN_LEAF_ALONE = 10
# Of what the model of pictures gains over the largest class; less is no worry.
_LEAST_SHARE = 0.25

Values = Callable[[Properties, PixelProperties], Sequence[float]]


class _Property(NamedTuple):
    name: str
    values: Values
    low: str  # how a class is called whose first value is low
    high: str


def _log(value: float) -> float:
    return float(np.log(max(value, 1)))


PROPERTIES: Final = (
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
    _Property(
        "brightness",
        lambda _, x: [x.brightness],
        "darker",
        "brighter",
    ),
    _Property(
        "colour",
        lambda _, x: [x.saturation, x.red - x.green, x.blue - x.green],
        "less colourful",
        "more colourful",
    ),
)
_KIND = "format and camera"


def _run(evidence: Evidence) -> Outcome:
    """Guess the class from the properties alone, and hold that against the image model."""
    learnable = evidence.learnable
    if learnable is None:
        return Outcome.not_applicable(NOTHING_TO_LEARN)
    # A picture in two classes has no right answer.
    agreed = np.flatnonzero(~in_two_classes(learnable.data.labels, learnable.data.groups))
    if len(agreed) < _LEAST_PHOTOS:
        return Outcome.not_applicable(f"there are fewer than {_LEAST_PHOTOS} photos to learn from")
    data = learnable.data.take(agreed)
    columns = _columns(evidence, learnable.places[agreed])
    folds = grouped_folds(
        data.labels, data.groups, data.group_keys, num_folds=data.num_folds(), seed=evidence.seed
    )
    together = _accuracy(data, np.concatenate(list(columns.values()), axis=1), folds, alone=False)
    alone = {name: _accuracy(data, rows, folds, alone=True) for name, rows in columns.items()}
    majority = float(np.bincount(data.labels).max() / len(data.labels))
    image = _image_accuracy(evidence, agreed, data)
    ranked = sorted(alone.items(), key=lambda pair: -pair[1].value)
    chart = _chart(majority, ranked, together, image)
    told = f"{_brief(together)} of the photos are guessed right from the file alone"
    against = f"{majority:.2f} by always saying the largest class"
    against += "" if image is None else f", {_brief(image)} by looking at the pictures"
    if not _worth_telling(majority, together, image):
        return Outcome.clean(f"{told}, {against}", chart=chart)
    carriers = [pair for pair in ranked if _worth_telling(majority, pair[1], image)]
    findings = [
        Finding(
            f"{name} alone: {_brief(figure)}"
            + _direction(columns[name], data.labels, learnable.classes, name)
        )
        for name, figure in carriers
    ]
    none = Finding("no property alone tells enough; it takes several together")
    return Outcome.found(f"{told}, {against}", findings or [none], chart=chart)


def _worth_telling(majority: float, together: Estimate, image: Estimate | None) -> bool:
    if together.low <= majority:
        return False
    gain = together.value - majority
    return image is None or gain >= _LEAST_SHARE * (image.value - majority)


def _columns(evidence: Evidence, places: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """What each property says of some photos, float32 ``(m, values)``."""
    known = [_pixels_of(evidence, place) for place in places]
    columns = {
        row.name: np.array([row.values(*both) for both in known], np.float32) for row in PROPERTIES
    }
    kinds = [(f"{p.format} {p.mode}", p.camera, str(p.orientation)) for p, _ in known]
    columns[_KIND] = np.stack(
        [_by_frequency(list(names)) for names in zip(*kinds, strict=True)], axis=1
    )
    return columns


_UNKNOWN_PIXELS = PixelProperties(*[_MISSING] * 10)
_UNKNOWN = Properties("", 1, 1, 1, "", 1, 1, "", None, 1.0, None)


def _pixels_of(evidence: Evidence, place: int) -> tuple[Properties, PixelProperties]:
    known = evidence.properties_of(evidence.photos[place]) or _UNKNOWN
    return known, known.pixels or _UNKNOWN_PIXELS


def _by_frequency(names: list[str]) -> NDArray[np.float32]:
    """Names as numbers, the most frequent 0, so that a few cuts single the frequent ones out."""
    _, numbers, counts = np.unique(names, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.float32)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return rank[numbers]


def _accuracy(
    data: Labelled, rows: NDArray[np.float32], folds: NDArray[np.int64], *, alone: bool
) -> Estimate:
    """The cross-validated accuracy of properties, float32 ``(m, values)``."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.tree import DecisionTreeClassifier

    told = np.empty_like(data.labels)
    for fold in range(int(folds.max()) + 1):
        if alone:
            model = DecisionTreeClassifier(
                max_leaf_nodes=2 * data.num_classes,
                min_samples_leaf=_LEAST_IN_LEAF_ALONE,
                random_state=0,
            )
        else:
            model = ExtraTreesClassifier(
                _NUM_TREES, min_samples_leaf=_LEAST_IN_LEAF, random_state=0
            )
        with warnings.catch_warnings():  # it takes many classes of few photos for a regression
            warnings.filterwarnings("ignore", "The number of unique classes is greater")
            model.fit(rows[folds != fold], data.labels[folds != fold])
        told[folds == fold] = model.predict(rows[folds == fold])
    figure = proportion(told == data.labels, data.groups)
    if figure is None:
        raise ValueError("there are no photos")
    return figure


def _image_accuracy(
    evidence: Evidence, agreed: NDArray[np.int64], data: Labelled
) -> Estimate | None:
    """The cross-validated accuracy that `candid train` shows, if labels could be checked."""
    try:
        suspicion = evidence.suspicion
    except DependencyError:
        return None
    if suspicion is None:
        return None
    return proportion(suspicion.first[agreed].argmax(axis=1) == data.labels, data.groups)


def _direction(
    rows: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str], name: str
) -> str:
    """Which classes are at the ends, by the median: ``; sad: darker, happy: brighter``."""
    for row in PROPERTIES:
        if row.name == name:
            medians = [
                float(np.median(rows[labels == number, 0])) for number in range(len(classes))
            ]
            low, high = int(np.argmin(medians)), int(np.argmax(medians))
            if medians[low] == medians[high]:
                return ""
            return f"; {classes[low]}: {row.low}, {classes[high]}: {row.high}"
    return ""


def _chart(
    majority: float, ranked: list[tuple[str, Estimate]], together: Estimate, image: Estimate | None
) -> Chart:
    bars = [Bar("always the largest class", majority)]
    bars += [Bar(f"{name} alone", f.value, f.low, f.high) for name, f in ranked]
    bars.append(Bar("all these together", together.value, together.low, together.high, True))
    if image is not None:
        bars.append(Bar("the picture itself", image.value, image.low, image.high))
    return Chart("Share of photos whose class is guessed right", tuple(bars), "share")


def _brief(figure: Estimate) -> str:
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


SHORTCUTS = Check(
    code="shortcuts",
    title="Class told by the file, not by the picture",
    severity=Severity.warning,
    remedy="If this property is not what the classes are about, a model learns it instead: add "
    "photos of each class that lack it (dark ones of every class, every camera for every class), "
    "and measure on photos from elsewhere. If it is (a sunrise is red), nothing is wrong.",
    run=_run,
)
