"""The same photos in any form give the same split, the same model and the same figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from candid.cli.demo import draw_sample
from candid.data.images import SUFFIXES
from candid.evaluation.evaluate import evaluate_run
from candid.splits.split import read_csv
from candid.training import Run, TrainOptions, train
from tests.conftest import BACKBONE
from tests.data.sources.made import write_parquet, write_tar


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Drawn photos in class folders."""
    folder = tmp_path_factory.mktemp("sources") / "photos"
    draw_sample(folder, num_images=40)
    return sorted(file for file in folder.glob("*/*") if file.suffix.lower() in SUFFIXES)


@pytest.fixture(scope="module")
def on_folder(files: list[Path]) -> Run:
    """A run on the folder itself."""
    return train_on(files[0].parents[1])


def train_on(data: Path) -> Run:
    return train(
        data, options=TrainOptions(backbone=BACKBONE), run=data.parent / f"run-{data.name}"
    )


def to_tar(files: list[Path], folder: Path) -> Path:
    members = []
    for number, file in enumerate(files):
        members.append((f"{number:04}{file.suffix}", file.read_bytes()))
        members.append((f"{number:04}.json", json.dumps({"label": file.parent.name}).encode()))
    return write_tar(folder / "set.tar", members)


def to_parquet(files: list[Path], folder: Path) -> Path:
    images = [{"bytes": file.read_bytes(), "path": None} for file in files]
    names = sorted({file.parent.name for file in files}, reverse=True)
    columns = {"image": images, "label": [names.index(file.parent.name) for file in files]}
    names_of = {"label": names}
    return write_parquet(folder / "set.parquet", columns, names=names_of, row_group_size=7)


@pytest.mark.parametrize("convert", [to_tar, to_parquet])
def test_a_run_on_an_archive_is_that_on_the_folder(
    convert: Callable[[list[Path], Path], Path], files: list[Path], on_folder: Run, tmp_path: Path
) -> None:
    run = train_on(convert(files, tmp_path))
    for name in ("model.onnx", "metrics.json"):
        assert (run.folder / name).read_bytes() == (on_folder.folder / name).read_bytes()
    splits = [read_csv(one.folder / "split.csv").rows for one in (run, on_folder)]
    parts, expected = ({row.content: row.part for row in rows} for rows in splits)
    assert parts == expected
    pages = [(one.folder / "report.html").read_text() for one in (run, on_folder)]
    assert pages[0].count("data:image/jpeg") == pages[1].count("data:image/jpeg")


def test_a_run_is_measured_on_another_form(files: list[Path], on_folder: Run) -> None:
    folder = files[0].parents[2]
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = [(path.relative_to(folder), path.parent.name) for path in files]
        csv.writer(file).writerows([("path", "label"), *rows])
    assert evaluate_run(on_folder.folder, folder / "labels.csv").of.endswith("labels.csv")
