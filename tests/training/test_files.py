"""Names of classes and files that are not UTF-8 pass through all files of a run."""

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
OPTIONS = TrainOptions(backbone="efficientnet-lite0")


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
    return train(data, run=tmp_path_factory.mktemp("odd") / "run", options=OPTIONS)


def test_the_class_name_is_read_back_from_every_data_file(run: Run) -> None:
    assert read_manifest(run.folder).classes == tuple(CLASSES)
    assert CLASS in json.loads((run.folder / "metrics.json").read_text())["per_class"]
    assert {row.label for row in read_csv(run.folder / "split.csv").rows} == set(CLASSES)
    with (run.folder / "predictions.csv").open(
        newline="", encoding="utf-8", errors="surrogateescape"
    ) as lines:
        rows = list(csv.DictReader(lines))
    assert {row["class"] for row in rows} == set(CLASSES)
    assert all(0 <= float(row[f"p({CLASS})"]) <= 1 for row in rows)


def test_report_and_model_card_are_utf8_with_the_name_escaped(run: Run) -> None:
    for name in ("report.html", "MODEL_CARD.md"):
        assert "\\xff" in (run.folder / name).read_text(encoding="utf-8"), name


def test_tensorboard_reads_the_figures_of_the_class(run: Run) -> None:
    [file] = (run.folder / "tensorboard" / "candid").iterdir()
    reader = PyRecordReader_New(str(file))
    tags = []
    with suppress(OutOfRangeError):
        while True:
            reader.GetNext()
            tags += [value.tag for value in Event.FromString(reader.record()).summary.value]
    assert "test_per_class/recall/∖xff" in tags
    assert "settings" in tags


def test_a_second_training_decodes_nothing_for_the_same_page(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("training.report.feature_maps", "reporting.pages.thumbnails.preview"):
        monkeypatch.setattr(f"candid.{name}", forbidden)
    again = train(data, run=tmp_path / "run", options=OPTIONS)
    assert again.contents.heat_maps
    page, same = (each.folder / "report.html" for each in (run, again))
    text = page.read_text().replace(str(run.folder), str(again.folder))
    assert text.count("data:image/jpeg") >= len(again.contents.heat_maps)
    assert same.read_text() == text


def forbidden(*_: object, **__: object) -> None:
    raise AssertionError


def test_the_run_is_loaded_predicts_and_is_evaluated_again(run: Run, data: Path) -> None:
    prediction = load(run.folder).predict(data / CLASS / "0.png")
    assert prediction.reason is None
    assert tuple(prediction.probabilities) == CLASSES
    again = evaluate(run.folder).evaluation.to_json()
    assert list(differences(run.evaluation.to_json(), again)) == []


def test_the_command_prints_the_class(run: Run, data: Path, candid: Callable[..., object]) -> None:
    for form in ("--json", "--csv", "--table"):
        flags = [] if form == "--table" else [form]
        done = candid("predict", data / CLASS / "0.png", "--run", run.folder, *flags)
        assert done.returncode == 0, done.stderr
    done = candid("evaluate", run.folder)
    assert done.returncode == 0, done.stderr


def test_file_names_that_are_not_utf8_are_kept(
    tmp_path: Path, write_picture: Callable[..., Path]
) -> None:
    for name in ("cat", "dog"):
        for number in range(12):
            path = write_picture(
                tmp_path / "data" / name / f"{number}.png", seed=100 * ord(name[0]) + number
            )
            path.rename(path.with_name(os.fsdecode(b"%d\xff.png" % number)))
    (tmp_path / "data" / "cat" / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"no picture")
    run = train(
        tmp_path / "data", run=tmp_path / "run", options=TrainOptions(backbone="efficientnet-lite0")
    )
    rows = read_csv(run.folder / "split.csv").rows
    assert all((tmp_path / "data" / row.path).is_file() for row in rows)
    assert any("bad\udcff.jpg is left out" in note for note in run.notes)
    again = evaluate(run.folder).evaluation
    assert again.test.accuracy == run.evaluation.test.accuracy
