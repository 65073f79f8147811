"""A synthetic evaluation with distinct figures, and a reader of event files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.leak_tax import LeakTax
from candid.evaluation.learning_curve import CurvePoint, Forecast, LearningCurve
from candid.evaluation.measures import ClassMeasures, Measures
from candid.evaluation.reliability import Abstained, Calibration
from candid.evaluation.scores import Predictions, ReliabilityBin


class Figures:
    """Makes estimates with distinct values."""

    def __init__(self) -> None:
        self._made = 0

    def __call__(self, n: int = 40) -> Estimate:
        self._made += 1
        value = 0.3 + self._made / 400
        return Estimate(value, value - 0.1, value + 0.1, n)


def make_evaluation(classes: tuple[str, ...] = ("happy", "sad")) -> Evaluation:
    """An evaluation with every field set."""
    figure = Figures()
    return Evaluation(
        test=make_measures(classes, figure, n=40),
        kfold=make_measures(classes, figure, n=300),
        baselines=(
            Baseline("always the largest class", figure(), figure(300)),
            Baseline("nearest neighbour", figure(), Estimate(0.01, -0.05, 0.07, 300)),
        ),
        baselines_on_test=(Baseline("always the largest class", figure(), figure()),),
        leak_tax=LeakTax(figure(300), figure(300), figure(300), "5-fold"),
        learning_curve=LearningCurve(
            points=(CurvePoint(30.0, figure(300)), CurvePoint(60.4, figure(300))),
            curve=((30.0, 0.5, 0.4, 0.6), (90.0, 0.7, 0.65, 0.75)),
            forecasts=(Forecast(None, 50, figure(300)), Forecast(classes[1], 50, figure(300))),
        ),
        calibration=Calibration(1.75, figure(300), figure(300), make_bins(figure), ()),
        abstained=Abstained(
            wanted_coverage=0.9,
            coverage=figure(300),
            coverage_by_class={name: figure(150) for name in classes},
            num_classes=1.25,
            sure=figure(300),
            accuracy_when_sure=figure(200),
            wanted_false_alarms=0.05,
            false_alarms=figure(300),
        ),
    )


def make_measures(classes: tuple[str, ...], figure: Figures, *, n: int) -> Measures:
    """Measures with all figures except the ROC AUC by class; confusion counts ascend from 101."""
    k = len(classes)
    return Measures(
        classes=classes,
        n=n,
        accuracy=figure(n),
        balanced_accuracy=figure(n),
        precision=figure(n),
        recall=figure(n),
        f1=figure(n),
        roc_auc=figure(n),
        average_precision=figure(n),
        log_loss=figure(n),
        brier_score=figure(n),
        calibration_error=figure(n),
        binary_accuracy=figure(n) if k == 2 else None,
        per_class=tuple(
            ClassMeasures(name, figure(), figure(), figure(), None, figure()) for name in classes
        ),
        confusion=np.arange(101, 101 + k * k, dtype=np.int64).reshape(k, k),
        reliability=make_bins(figure),
    )


def make_bins(figure: Figures) -> tuple[ReliabilityBin, ...]:
    """Two bins of nearly equal confidence."""
    return (ReliabilityBin(0.9981, figure(20), 20), ReliabilityBin(0.9984, figure(20), 20))


def make_predictions(num_classes: int = 2, n: int = 200) -> Predictions:
    """Seeded predictions, mostly correct."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, num_classes, n)
    scores = np.exp(np.eye(num_classes)[truth] + rng.gumbel(size=(n, num_classes)))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(
        paths=tuple(f"{number}.jpg" for number in range(n)),
        truth=truth,
        groups=np.arange(n),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        raw=probabilities,
    )


def figures_in(value: Any) -> Iterator[Estimate]:
    """All estimates in nested dataclasses, mappings and tuples."""
    if isinstance(value, Estimate):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from figures_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from figures_in(tuple(value.values()))
    elif isinstance(value, tuple):
        for inner in value:
            yield from figures_in(inner)


def read_events(folder: Path) -> dict[str, dict[int, Any]]:
    """The values of an event file, by tag and step."""
    [file] = folder.iterdir()
    reader = PyRecordReader_New(str(file))
    read: dict[str, dict[int, Any]] = {}
    with suppress(OutOfRangeError):
        while True:
            reader.GetNext()
            event = Event.FromString(reader.record())
            for value in event.summary.value:
                steps = read.setdefault(value.tag, {})
                assert event.step not in steps, f"duplicate tag {value.tag}"
                steps[event.step] = value
    return read
