"""Walking a folder: links end without loops, hidden folders are not entered."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.data.walk import is_folder, is_hidden, nested, visible_folders, walk
from candid.errors import DataError


def names(paths: list[Path], folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def test_hidden_folders_are_listed_but_not_entered(tmp_path: Path) -> None:
    for name in ("a/x", "a/.git/x", "__MACOSX/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(list(walk(tmp_path)), tmp_path) == ["__MACOSX", "a/.git", "a/x"]
    assert names(visible_folders(tmp_path), tmp_path) == ["a"]


@pytest.mark.parametrize(
    "name",
    [
        "#recycle",
        "@eaDir",
        "$RECYCLE.BIN",
        "lost+found",
        ".Trash-1",
        "_gsdata_",
        "THUMBS.DB",
        "@SynoResource",
        "RECYCLER",
        "found.001",
        "Temporary Items",
    ],
)
def test_what_systems_keep_beside_the_files_is_hidden(name: str) -> None:
    assert is_hidden(name)
    assert is_hidden("System Volume Information")


@pytest.mark.parametrize("name", ["recycled", "#1", "@home", "lost and found", "$5 notes"])
def test_a_class_of_a_similar_name_is_not(name: str) -> None:
    assert not is_hidden(name)


def test_folders_are_nested_while_the_only_one_has_a_fitting_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "a" / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / ".hidden").mkdir()
    chain = nested(tmp_path / "a", lambda name: name == "a")
    assert names(chain, tmp_path) == ["a", "a/a", "a/a/a"]
    (tmp_path / "a" / "a" / "c").mkdir()
    assert len(nested(tmp_path / "a", lambda name: name == "a")) == 2


def test_nesting_ends_at_a_link_to_a_folder_above(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a").symlink_to(tmp_path / "a")
    assert nested(tmp_path / "a", lambda _: True) == [tmp_path / "a"]


def test_a_dead_link_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "dead").symlink_to("nowhere", target_is_directory=True)
    (tmp_path / "loop").symlink_to("loop")
    assert not is_folder(tmp_path / "dead")
    assert not is_folder(tmp_path / "loop")


def test_a_file_can_not_be_opened_as_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere can't be opened: No such file"):
        visible_folders(tmp_path / "nowhere")
