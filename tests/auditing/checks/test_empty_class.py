"""Folders of classes without a photo that can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from candid.auditing.checks.empty_class import CHECK

from ..conftest import Gather

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
    for number, name in enumerate(("train/cat/a.png", "train/dog/a.png", "val/cat/a.png")):
        write_picture(tmp_path / name, seed=number)
    (tmp_path / "val" / "fox").mkdir()
    (tmp_path / "val" / "fox" / "broken.jpg").write_bytes(b"nothing")
    outcome = CHECK.run(gather(tmp_path))
    assert [finding.summary for finding in outcome.findings] == [
        "fox has one file, which is no photo that can be read"
    ]
