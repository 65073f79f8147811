"""Explanations are drawn into a folder of their own, and described in words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import pytest

from candid import load
from candid.cli.demo import SampleSet
from candid.cli.pictures import PictureFolder, draw_each
from candid.errors import UsageError
from candid.runs.artifact import SPLIT
from candid.splits.split import read_csv
from candid.training import Run


@pytest.fixture
def photo(faces: SampleSet, tmp_path: Path) -> Path:
    return Path(shutil.copy(sorted((faces.folder / "sad").glob("face-*"))[0], tmp_path / "me.img"))


def explained(run: Path, paths: list[str], folder: Path) -> list[str]:
    classifier, said = load(run), list[str]()
    predictions = classifier.stream(paths, explain=True)
    pictures = PictureFolder(folder, paths)
    given = [p.source for p in draw_each(predictions, classifier, pictures, say=said.append)]
    assert given == paths
    return said


def test_a_photo_has_a_picture_and_its_most_similar_training_photos(
    trained: Run, photo: Path, tmp_path: Path
) -> None:
    before = photo.read_bytes()
    first, second = explained(trained.folder, [str(photo)], tmp_path / "drawn")[:2]
    written = tmp_path / "drawn" / "me-explained.png"
    assert f"written to {written}" in first
    assert "evidence: " in first
    assert second.count(".") >= 3
    assert second.startswith("  most similar: ")
    drawn = cv2.imread(str(written))
    assert drawn is not None
    assert drawn.shape[1] == 1170
    assert photo.read_bytes() == before


def test_a_photo_that_was_learnt_from_is_told_to_prove_little(
    trained: Run, faces: SampleSet, tmp_path: Path
) -> None:
    rows = read_csv(trained.folder / SPLIT).rows
    said = {}
    for part in ("train", "test"):
        paths = [str(faces.folder / row.path) for row in rows if row.part == part][:4]
        lines = explained(trained.folder, paths, tmp_path / part)
        said[part] = sum("was used for training" in line for line in lines)
    assert said == {"train": 4, "test": 0}


def test_nothing_that_is_there_is_written_over(trained: Run, photo: Path, tmp_path: Path) -> None:
    mine = tmp_path / "drawn" / "me-explained.png"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert "me-explained-2.png" in explained(trained.folder, [str(photo)], mine.parent)[0]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("kind", ["predicted", "explained"])
def test_a_photo_may_have_a_name_as_long_as_file_systems_allow(tmp_path: Path, kind: str) -> None:
    for name in ("ä" * 123 + ".jpg", "信" * 82 + ".jpg", "\udcff" * 246 + ".jpg"):
        assert len(os.fsencode(name)) == 250
        pictures = PictureFolder(tmp_path / "drawn", [])  # which takes its own pictures as such
        written = {pictures.write(b"png", name, kind) for _ in range(2)}
        assert len(written) == 2
        assert {path.read_bytes() for path in written} == {b"png"}
        assert all(path.name.startswith(name[:60]) for path in written)


def test_a_window_that_can_not_be_opened_is_a_file_instead(
    trained: Run, photo: Path, tmp_path: Path
) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")  # to which Matplotlib falls back where the display does not answer
    classifier, said = load(trained.folder), list[str]()
    pictures = PictureFolder(tmp_path / "drawn", [str(photo)])
    predictions = classifier.stream([str(photo)])
    for _ in draw_each(
        predictions, classifier, pictures, say=said.append, show=True, in_window=True
    ):
        pass
    written = tmp_path / "drawn" / "me-predicted.png"
    assert said == [f"written to {written}"]
    assert cv2.imread(str(written)) is not None


def test_pictures_lie_neither_among_photos_nor_among_other_files(
    faces: SampleSet, photo: Path, tmp_path: Path
) -> None:
    for folder, photos in (
        (faces.folder / "happy", faces.folder),
        (faces.folder / "happy" / "new", faces.folder),
        (photo.parent, photo),
    ):
        with pytest.raises(UsageError, match=r"among the photos of .* Choose a folder elsewhere"):
            PictureFolder(folder, [str(photos)])
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "holiday.jpg").write_text("mine")
    with pytest.raises(UsageError, match="has other files than pictures of predictions"):
        PictureFolder(tmp_path / "drawn", [str(photo)])
    PictureFolder(photo.parent / "drawn by candid", [str(photo)])


def test_a_folder_is_made_only_for_pictures(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    paths = [str(tmp_path / "broken.jpg")]
    assert explained(trained.folder, paths, tmp_path / "drawn") == []
    assert not (tmp_path / "drawn").exists()


def test_the_training_photos_may_be_gone(copied_run: Path, photo: Path, tmp_path: Path) -> None:
    manifest = (copied_run / "candid.json").read_text()
    data = load(copied_run).require_manifest().data.folder
    (copied_run / "candid.json").write_text(manifest.replace(data, str(tmp_path / "gone")))
    assert "written to" in explained(copied_run, [str(photo)], tmp_path / "drawn")[0]


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
