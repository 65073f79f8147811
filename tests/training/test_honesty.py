"""Nothing of a run is chosen on its test part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from candid.cli.demo import SampleSet
from candid.runs.artifact import read_manifest
from candid.splits.prepare import SplitOptions
from candid.splits.split import read_csv
from candid.training import Run, TrainOptions, train

CHOSEN = ("classes", "pixels", "rule", "calibration", "abstention", "settings")


@pytest.fixture(scope="module")
def shuffled(
    trained: Run, faces: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, int]:
    """The run again, half of the test photos in the other class's folder; and how many."""
    folder = tmp_path_factory.mktemp("shuffled")
    data = Path(shutil.copytree(faces.folder, folder / "faces"))
    split = trained.folder / "split.csv"
    rows = read_csv(split).rows
    tested = [row for row in rows if row.part == "test"]
    # whole groups: a picture that sits in two classes would be in no part
    groups = sorted({row.group for row in tested})
    moved = set(np.random.default_rng(0).permutation(groups)[: len(groups) // 2].tolist())
    wrong = [row for row in tested if row.group in moved]
    for number, row in enumerate(wrong):
        other = "sad" if row.label == "happy" else "happy"
        (data / row.path).rename(data / other / f"moved-{number}-{Path(row.path).name}")
    options = TrainOptions(backbone="efficientnet-lite0", split=SplitOptions(previous=split))
    return train(data, run=folder / "run", options=options), len(wrong)


def test_shuffling_the_test_labels_changes_no_byte_of_the_model(
    trained: Run, shuffled: tuple[Run, int]
) -> None:
    run, num_moved = shuffled
    assert num_moved > 2
    for name in ("model.onnx", "neighbours.npz", "history.csv"):
        before, after = ((each.folder / name).read_bytes() for each in (trained, run))
        assert before == after, name
    before, after = read_manifest(trained.folder), read_manifest(run.folder)
    for key in CHOSEN:
        assert getattr(before, key) == getattr(after, key), key


def test_it_does_change_the_figures(trained: Run, shuffled: tuple[Run, int]) -> None:
    run, num_moved = shuffled
    before, after = (
        json.loads((each.folder / "metrics.json").read_text())["accuracy"]
        for each in (trained, run)
    )
    assert before["n"] == after["n"]
    assert before["value"] != after["value"]
    assert num_moved < before["n"]


def test_the_test_photos_themselves_change_no_byte_of_the_model(
    trained: Run, faces: SampleSet, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    split = trained.folder / "split.csv"
    tested = [row for row in read_csv(split).rows if row.part == "test"]
    for row in tested[: len(tested) // 2]:
        (data / row.path).unlink()
    options = TrainOptions(backbone="efficientnet-lite0", split=SplitOptions(previous=split))
    run = train(data, run=tmp_path / "run", options=options)
    assert (run.folder / "model.onnx").read_bytes() == (trained.folder / "model.onnx").read_bytes()
    known = read_manifest(trained.folder).abstention
    assert read_manifest(run.folder).abstention == known
