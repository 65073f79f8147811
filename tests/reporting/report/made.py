"""Synthetic report contents with everything that a page can show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate, wilson
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import CurvePoint, Forecast, LearningCurve
from candid.evaluation.measures import ClassMeasures, Measures
from candid.evaluation.reliability import Abstained, Calibration
from candid.evaluation.scores import Predictions, ReliabilityBin
from candid.reporting.report.contents import Contents, Shortcut

CLASSES = ("happy", "sad")
SHORTCUT = Shortcut(
    "Nothing beside what is in the pictures tells the classes apart.",
    (),
    False,
    "runs/faces-audit-1",
)


def draw(paths: Iterable[str]) -> dict[str, bytes]:
    """Previews: a JPEG per path, none for broken files."""
    return {path: _draw(len(path)) for path in paths if "broken" not in path}


def _draw(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", cv2.resize(pixels, (160, 120)))[1])


def share(value: float, n: int) -> Estimate:
    """A share with its interval."""
    figure = wilson(value * n, n)
    assert figure is not None
    return figure


def make_predictions(
    classes: Sequence[str] = CLASSES,
    num_images: int = 300,
    *,
    seed: int = 0,
    paths: Sequence[str] | None = None,
    strength: float = 2.2,
) -> Predictions:
    """Predictions that are mostly correct, with some pairs of copies."""
    rng = np.random.default_rng(seed)
    k = len(classes)
    truth = np.arange(num_images) * k // max(num_images, 1)
    scores = rng.normal(0, 1.2, (num_images, k))
    scores[np.arange(num_images), truth] += strength
    probabilities = _softmax(scores)
    names = paths or [f"{classes[c]}/photo-{i:04d}.jpg" for i, c in enumerate(truth)]
    return Predictions(
        tuple(names),
        truth,
        np.arange(num_images) - (np.arange(num_images) % 7 == 1),
        probabilities.argmax(axis=1),
        probabilities,
        _softmax(1.6 * scores),
        probabilities > 0.1,
        rng.uniform(0, 1, num_images).astype(np.float32),
    )


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    exponentials = np.exp(scores)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


def make_measures(predictions: Predictions, classes: Sequence[str] = CLASSES) -> Measures:
    """Measures consistent with predictions, as far as the page shows them."""
    n, k = len(predictions.truth), len(classes)
    confusion = np.zeros((k, k), np.int64)
    np.add.at(confusion, (predictions.truth, predictions.predicted), 1)
    right = float((predictions.truth == predictions.predicted).mean()) if n else 0.0

    def made(value: float) -> Estimate | None:
        return share(value, n) if n else None

    return Measures(
        classes=tuple(classes),
        n=n,
        accuracy=made(right),
        balanced_accuracy=made(right - 0.002),
        precision=made(right - 0.01),
        recall=made(right - 0.004),
        f1=made(right - 0.007),
        roc_auc=made(min(1.0, right + 0.06)),
        average_precision=made(min(1.0, right + 0.05)),
        log_loss=made(0.345),
        brier_score=made(0.204),
        calibration_error=made(0.034),
        binary_accuracy=made(right) if k == 2 else None,
        per_class=tuple(_of_class(name, i, confusion) for i, name in enumerate(classes)),
        confusion=confusion,
        reliability=make_bins(n) if n else (),
    )


def _of_class(name: str, place: int, confusion: NDArray[np.int64]) -> ClassMeasures:
    real, claimed = int(confusion[place].sum()), int(confusion[:, place].sum())
    hits = int(confusion[place, place])
    recall, precision = wilson(hits, real), wilson(hits, claimed)
    f1 = share(2 * hits / (real + claimed), real) if real + claimed and real else None
    more = None if recall is None else share(min(1.0, recall.value + 0.05), real)
    return ClassMeasures(name, precision, recall, f1, more, more)


def make_bins(n: int, *, off: float = 0.0) -> tuple[ReliabilityBin, ...]:
    """Five bins, more photos in the confident ones; ``off`` is the overconfidence."""
    counts = [max(2, round(n * part)) for part in (0.04, 0.07, 0.11, 0.2, 0.58)]
    confidences = (0.55, 0.65, 0.75, 0.86, 0.96)
    wobble = (0.03, -0.05, 0.02, -0.01, 0.0)
    return tuple(
        ReliabilityBin(confidence, share(min(1.0, confidence - off + w), count), count)
        for confidence, count, w in zip(confidences, counts, wobble, strict=True)
    )


def make_curve(classes: Sequence[str], n: int, accuracy: float) -> LearningCurve:
    """A learning curve that still rises a little."""
    numbers = [n * part for part in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)]
    law = lambda number: accuracy + 0.03 - 0.03 * (n / number) ** 0.9  # noqa: E731
    points = tuple(
        CurvePoint(number, share(law(number) + shift, n))
        for number, shift in zip(numbers, (0.01, -0.012, 0.006, 0.002, -0.004, 0.0), strict=True)
    )
    drawn = np.linspace(n * 0.1, n * 2, 40)
    curve = tuple(
        (float(x), law(x), law(x) - 0.012 - 0.012 * x / n, min(1.0, law(x) + 0.012 + 0.01 * x / n))
        for x in drawn
    )
    forecasts = [Forecast(None, 50, Estimate(0.007, -0.002, 0.016, n))]
    forecasts += [
        Forecast(name, 50, Estimate(0.012 - 0.002 * i, -0.004, 0.028, n))
        for i, name in enumerate(classes[:5])
    ]
    return LearningCurve(points, curve, tuple(forecasts))


def make_contents(
    classes: Sequence[str] = CLASSES,
    num_images: int = 300,
    *,
    paths: Sequence[str] | None = None,
    name: str = "faces-transfer-1",
) -> Contents:
    """A report with every section."""
    predictions = make_predictions(classes, num_images, paths=paths)
    kfold = make_measures(predictions, classes)
    assert kfold.accuracy is not None
    accuracy, n = kfold.accuracy.value, num_images
    test = make_measures(make_predictions(classes, max(len(classes), n // 10), seed=1), classes)
    evaluation = Evaluation(
        test=test,
        kfold=kfold,
        baselines=make_baselines(accuracy, n, len(classes)),
        leak_tax=LeakTax(
            share(min(1, accuracy + 0.037), n),
            kfold.accuracy,
            Estimate(0.037, 0.012, 0.061, n),
            "5-fold",
            n // 3,
        ),
        learning_curve=make_curve(classes, n, accuracy),
        calibration=Calibration(
            1.6, share(0.081, n), share(0.024, n), make_bins(n, off=0.09), make_bins(n)
        ),
        abstained=Abstained(
            0.9,
            share(0.913, n),
            {
                each: share(0.9 + 0.02 * (-1) ** i, n // len(classes))
                for i, each in enumerate(classes)
            },
            1.07,
            share(0.87, n),
            share(0.94, round(0.87 * n)),
            0.05,
            share(0.047, n),
        ),
    )
    return Contents(
        name=name,
        run=f"runs/{name}",
        evaluation=evaluation,
        predictions=predictions,
        heat_maps=make_heat_maps(predictions),
        counts={each: (n // len(classes), n // len(classes) * 2 // 3) for each in classes},
        folder="data/faces",
        recipe="transfer",
        trained_on=n - n // 10,
        settings={"backbone": "efficientnet-lite2", "fit": "squash", "seed": "0", "folds": "5"},
        fingerprints={"data": "3f1c" * 16, "split": "90ab" * 16, "model": "77de" * 16},
        notes=("5 files are left out: they can't be read as photos.",),
        shortcut=SHORTCUT,
        created="2026-11-24",
    )


def make_baselines(accuracy: float, n: int, num_classes: int) -> tuple[Baseline, ...]:
    """Three baselines that are clearly worse."""
    values = {
        "always the largest class": 1.06 / num_classes,
        "brightness and colour alone": 0.6 * accuracy,
        "nearest neighbour": 0.88 * accuracy,
    }
    return tuple(
        Baseline(
            name,
            share(value, n),
            Estimate(accuracy - value, accuracy - value - 0.05, accuracy - value + 0.05, n),
        )
        for name, value in values.items()
    )


def make_heat_maps(predictions: Predictions) -> dict[str, NDArray[np.float32]]:
    """For every mistake, evidence for it in the upper left, against it in the lower right."""
    rows, columns = np.mgrid[0:9, 0:9]
    heat = np.exp(-((rows - 2) ** 2 + (columns - 2) ** 2) / 5)
    heat = heat - 0.7 * np.exp(-((rows - 6) ** 2 + (columns - 6) ** 2) / 4)
    wrong = np.flatnonzero(predictions.truth != predictions.predicted)
    return {predictions.paths[place]: heat.astype(np.float32) for place in wrong}


def bare_contents(num_images: int = 40) -> Contents:
    """A report with test figures only."""
    full = make_contents(num_images=num_images)
    measures = make_measures(full.predictions)
    return replace(
        full,
        evaluation=Evaluation(test=measures),
        heat_maps={},
        counts={},
        settings={},
        fingerprints={},
        notes=(),
        shortcut=None,
        recipe="cnn",
    )


def empty_contents() -> Contents:
    """A report without any test photo."""
    none = make_predictions(num_images=0)
    return replace(
        bare_contents(), evaluation=Evaluation(test=make_measures(none)), predictions=none
    )


#: Malicious names: markup, templates, changes of writing direction, line breaks, invalid UTF-8.
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)> {{ 7 * 7 }}",
    "\"' onmouseover=alert(1) x='",
    "</style></title></script><h1>owned",
    "\u202egpj.exe\n\udcff",
    "w" * 251,
)


def hostile_contents() -> Contents:
    """Malicious text in every field that can hold untrusted text."""
    paths = [
        f"{HOSTILE[i % len(HOSTILE)]}/{HOSTILE[-1 - i % len(HOSTILE)]}-{i}" for i in range(120)
    ]
    contents = make_contents(HOSTILE, 120, paths=paths, name=HOSTILE[0])
    return replace(
        contents,
        folder=HOSTILE[2],
        recipe=HOSTILE[3],
        settings={HOSTILE[0]: HOSTILE[1]},
        fingerprints={HOSTILE[0]: HOSTILE[1]},
        notes=HOSTILE,
        shortcut=Shortcut(HOSTILE[0], HOSTILE, True, HOSTILE[3]),
        created=HOSTILE[0],
    )
