"""A class is a folder, whose name need not be UTF-8: the whole run works all the same."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

from candid import evaluate, load
from candid.evaluation.verify import differences
from candid.runs.artifact import read_manifest
from candid.splits.split import read_csv
from candid.training import Run, TrainOptions, train

CLASS = os.fsdecode(b"\xff")
CLASSES = ("cat", CLASS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of noise in each class."""
    folder = tmp_path_factory.mktemp("odd") / "data"
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(12):
            picture = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
            (folder / name / f"{number}.png").write_bytes(cv2.imencode(".png", picture)[1])
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    options = TrainOptions(backbone="efficientnet-lite0")
    return train(data, run=tmp_path_factory.mktemp("odd") / "run", options=options)


def test_a_run_keeps_the_name_of_such_a_class_wherever_it_is_read_back(run: Run) -> None:
    assert read_manifest(run.folder).classes == tuple(CLASSES)
    assert CLASS in json.loads((run.folder / "metrics.json").read_text())["per_class"]
    assert {row.label for row in read_csv(run.folder / "split.csv").rows} == set(CLASSES)
    with (run.folder / "predictions.csv").open(
        newline="", encoding="utf-8", errors="surrogateescape"
    ) as lines:
        rows = list(csv.DictReader(lines))
    assert {row["class"] for row in rows} == set(CLASSES)
    assert all(0 <= float(row[f"p({CLASS})"]) <= 1 for row in rows)


def test_what_a_person_reads_is_utf8_and_names_such_a_class(run: Run) -> None:
    for name in ("report.html", "MODEL_CARD.md"):
        assert "\\xff" in (run.folder / name).read_text(encoding="utf-8"), name


def test_tensorboard_reads_the_figures_of_such_a_class(run: Run) -> None:
    [file] = (run.folder / "tensorboard" / "candid").iterdir()
    reader = PyRecordReader_New(str(file))
    tags = []
    with suppress(OutOfRangeError):
        while True:
            reader.GetNext()
            tags += [value.tag for value in Event.FromString(reader.record()).summary.value]
    assert "test_per_class/recall/∖xff" in tags
    assert "settings" in tags


def test_such_a_run_is_loaded_predicts_and_is_measured_again(run: Run, data: Path) -> None:
    prediction = load(run.folder).predict(data / CLASS / "0.png")
    assert prediction.reason is None
    assert tuple(prediction.probabilities) == CLASSES
    again = evaluate(run.folder).evaluation.to_json()
    assert list(differences(run.evaluation.to_json(), again)) == []


def test_the_command_prints_such_a_class(
    run: Run, data: Path, candid: Callable[..., object]
) -> None:
    for form in ("--json", "--csv", "--table"):
        flags = [] if form == "--table" else [form]
        done = candid("predict", data / CLASS / "0.png", "--run", run.folder, *flags)
        assert done.returncode == 0, done.stderr
    done = candid("evaluate", run.folder)
    assert done.returncode == 0, done.stderr
