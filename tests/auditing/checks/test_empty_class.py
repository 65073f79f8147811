"""Folders of classes without a photo that can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from candid.auditing.checks.classes import EMPTY_CLASS as CHECK
from tests.auditing.conftest import Gather

WritePicture = Callable[..., Path]


def test_it_finds_an_empty_folder(gather: Gather, folder: Path) -> None:
    (folder / "fox").mkdir()
    outcome = CHECK.run(gather(folder))
    assert outcome.summary == "1 class has no photo that can be read"
    assert [finding.summary for finding in outcome.findings] == ["fox is empty"]


def test_it_says_what_is_there_where_none_of_it_is_a_photo(gather: Gather, folder: Path) -> None:
    for name in ("fox/broken.jpg", "wolf/broken.png", "wolf/deep/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"nothing")
    outcome = CHECK.run(gather(folder))
    assert outcome.summary == "2 classes have no photo that can be read"
    assert [finding.summary for finding in outcome.findings] == [
        "fox has one file, which is no photo that can be read",
        "wolf has 2 files, none of which is a photo that can be read",
    ]


def test_it_stays_quiet_where_every_class_has_a_photo(gather: Gather, folder: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(b"nothing")
    assert CHECK.run(gather(folder)).status == "clean"


def test_the_classes_of_a_folder_with_parts_lie_below_these(
    gather: Gather, tmp_path: Path, write_picture: WritePicture
) -> None:
    names = ("train/cat/a.png", "train/dog/a.png", "val/val/cat/a.png", "val/val/dog/a.png")
    for number, name in enumerate(names):
        write_picture(tmp_path / name, seed=number)
    (tmp_path / "val" / "val" / "fox").mkdir()
    (tmp_path / "val" / "val" / "fox" / "broken.jpg").write_bytes(b"nothing")
    outcome = CHECK.run(gather(tmp_path))
    assert [finding.summary for finding in outcome.findings] == [
        "fox has one file, which is no photo that can be read"
    ]


def test_a_hidden_folder_is_no_file_of_a_class(gather: Gather, folder: Path) -> None:
    (folder / "fox" / ".thumbs").mkdir(parents=True)
    outcome = CHECK.run(gather(folder))
    assert [finding.summary for finding in outcome.findings] == ["fox is empty"]


def test_it_finds_what_some_parts_lack(
    gather: Gather, tmp_path: Path, write_picture: WritePicture
) -> None:
    names = [f"{part}/{name}/a.png" for part in ("train", "test", "val") for name in ("cat", "dog")]
    for number, name in enumerate((*names, "train/cow/a.png", "train/cow/b.png", "test/elk/a.png")):
        write_picture(tmp_path / name, seed=number)
    (tmp_path / "val" / "cow").mkdir()
    (tmp_path / "val" / "fox").mkdir()
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == (
        "1 class has no photo that can be read; 2 classes are in some of the parts only"
    )
    assert [finding.summary for finding in outcome.findings] == [
        "fox is empty",
        "cow has no photo in test and val",
        "elk has no photo in train and val",
    ]


def test_a_part_without_any_class_is_told_once(
    gather: Gather, tmp_path: Path, write_picture: WritePicture
) -> None:
    for number, name in enumerate(("train/cat/a.png", "train/dog/a.png", "test/1.png")):
        write_picture(tmp_path / name, seed=number)
    outcome = CHECK.run(gather(tmp_path))
    assert outcome.summary == "1 part without a photo of any class"
    assert [finding.summary for finding in outcome.findings] == ["test has no photo of any class"]


def test_it_stays_quiet_where_every_part_has_every_class(
    gather: Gather, tmp_path: Path, write_picture: WritePicture
) -> None:
    names = [f"{part}/{name}/a.png" for part in ("train", "test") for name in ("cat", "dog")]
    for number, name in enumerate(names):
        write_picture(tmp_path / name, seed=number)
    assert CHECK.run(gather(tmp_path)).status == "clean"
