"""Explanations are drawn into the working directory, and described in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from candid import load
from candid.cli.demo import SampleSet
from candid.cli.pictures import draw_explanations
from candid.runs.artifact import SPLIT
from candid.splits.split import read_csv
from candid.training import Run


@pytest.fixture
def photo(faces: SampleSet, tmp_path: Path) -> Path:
    return Path(shutil.copy(sorted((faces.folder / "sad").glob("face-*"))[0], tmp_path / "me.img"))


def explained(run: Path, paths: list[str]) -> list[str]:
    classifier = load(run)
    predictions = list(classifier.stream(paths, explain=True))
    return list(draw_explanations(paths, predictions, classifier))


def test_a_photo_has_a_picture_and_its_most_similar_training_photos(
    trained: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    first, second = explained(trained.folder, [str(photo)])[:2]
    assert "written to me-explained.png" in first
    assert "evidence: " in first
    assert second.count(".") >= 3
    assert second.startswith("  most similar: ")
    drawn = cv2.imread(str(tmp_path / "me-explained.png"))
    assert drawn is not None
    assert drawn.shape[1] == 1170
    assert photo.read_bytes() == before


def test_a_photo_that_was_learnt_from_is_told_to_prove_little(
    trained: Run, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = read_csv(trained.folder / SPLIT).rows
    told = {
        part: explained(
            trained.folder, [str(faces.folder / row.path) for row in rows if row.part == part][:4]
        )
        for part in ("train", "test")
    }
    said = {part: sum("was used for training" in line for line in told[part]) for part in told}
    assert said == {"train": 4, "test": 0}


def test_nothing_that_is_there_is_written_over(
    trained: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me-explained.png").write_text("mine")
    assert "me-explained-2.png" in explained(trained.folder, [str(photo)])[0]
    assert (tmp_path / "me-explained.png").read_text() == "mine"


def test_what_can_not_be_read_is_passed_over(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    assert explained(trained.folder, ["broken.jpg"]) == []


def test_the_training_photos_may_be_gone(
    copied_run: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = (copied_run / "candid.json").read_text()
    data = load(copied_run).require_manifest().data.folder
    (copied_run / "candid.json").write_text(manifest.replace(data, str(tmp_path / "gone")))
    assert "written to" in explained(copied_run, [str(photo)])[0]


def test_the_similar_photos_are_of_three_pictures_that_were_trained_on(
    trained: Run, photo: Path
) -> None:
    prediction = trained.classifier.predict(str(photo), explain=True)
    assert prediction.explanation is not None
    similar = prediction.explanation.similar
    assert len({row.path for row in similar}) == 3
    assert [row.similarity for row in similar] == sorted(
        (row.similarity for row in similar), reverse=True
    )
    assert prediction.to_json()["explanation"]["similar"][0]["path"] == similar[0].path
