"""A folder whose sub-folders are not its classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from candid.auditing.checks.classes import FOLDER_SHAPE as CHECK
from tests.auditing.conftest import Gather

Fill = Callable[..., Path]


@pytest.fixture
def fill(tmp_path: Path, write_picture: Callable[..., Path]) -> Fill:
    """Write different pictures under the names given, in a folder called data."""

    def fill(*names: str) -> Path:
        for number, name in enumerate(names):
            write_picture(tmp_path / "data" / name, seed=number)
        return tmp_path / "data"

    return fill


def told(gather: Gather, folder: Path) -> str:
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "the sub-folders don't look like two or more classes"
    (finding,) = outcome.findings
    assert finding.items == ()
    return finding.summary


def test_it_finds_one_class_only(gather: Gather, fill: Fill) -> None:
    folder = fill("cat/a.png", "cat/b.png")
    assert told(gather, folder) == "there is one class only, cat, so there is nothing to tell apart"


def test_it_says_where_the_classes_are_if_a_level_was_missed(gather: Gather, fill: Fill) -> None:
    folder = fill("archive/happy/a.png", "archive/sad/a.png", "archive/sad/deep/b.png")
    assert told(gather, folder) == (
        "there is one class only, archive; its sub-folders are happy and sad. "
        "Did you mean data/archive?"
    )


def test_it_says_so_if_several_levels_were_missed(gather: Gather, fill: Fill) -> None:
    folder = fill("archive/all/happy/a.png", "archive/all/sad/a.png")
    assert told(gather, folder) == (
        "there is one class only, archive; data/archive/all holds happy and sad. "
        "Did you mean data/archive/all?"
    )


def test_it_looks_below_a_part_that_the_folder_comes_with(gather: Gather, fill: Fill) -> None:
    folder = fill("train/archive/happy/a.png", "train/archive/sad/a.png")
    assert told(gather, folder).endswith("happy and sad. Did you mean data/train/archive?")


@pytest.mark.parametrize(
    "names",
    [
        ("cat/happy/a.png", "cat/sad/a.png", "cat/b.png"),
        ("cat/2024/a.png", "cat/2024/b.png"),
        ("train/cat/a.png", "test/cat/a.png"),
    ],
    ids=["a photo beside the sub-folders", "one sub-folder", "one class in two parts"],
)
def test_it_guesses_no_classes_where_the_photos_are_not_all_in_sub_folders(
    gather: Gather, fill: Fill, names: tuple[str, ...]
) -> None:
    assert told(gather, fill(*names)).endswith("only, cat, so there is nothing to tell apart")


def test_empty_sub_folders_are_no_classes_to_point_at(gather: Gather, fill: Fill) -> None:
    folder = fill("cat/a.png")
    (folder / "cat" / "happy").mkdir()
    (folder / "cat" / "sad").mkdir()
    assert told(gather, folder).endswith("nothing to tell apart")


def test_it_finds_parts_that_are_taken_for_classes(gather: Gather, fill: Fill) -> None:
    folder = fill("train/cat/a.png", "train/dog/a.png", "test/cat/a.png", "extra/a.png")
    assert told(gather, folder) == "test and train are taken for classes, beside extra"


def test_one_part_is_told_by_what_is_in_it(gather: Gather, fill: Fill) -> None:
    folder = fill("train/cat/a.png", "train/dog/a.png", "extra/a.png")
    assert told(gather, folder) == "train is taken for a class, beside extra"


def test_a_class_may_be_called_train(gather: Gather, fill: Fill) -> None:
    folder = fill("bus/a.png", "car/a.png", "train/a.png", "train/steam/b.png")
    assert CHECK.run(gather(folder)).status == "clean"


@pytest.mark.parametrize("parts", [("",), ("train/", "test/"), ("train/train/", "test/test/")])
def test_it_stays_quiet_where_there_are_classes(
    gather: Gather, fill: Fill, parts: tuple[str, ...]
) -> None:
    folder = fill(*(f"{part}{name}/a.png" for part in parts for name in ("cat", "dog")))
    assert CHECK.run(gather(folder)).status == "clean"
