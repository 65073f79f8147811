"""A temporary folder is removed with its process, or by the next sweep."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from candid.core.temp_dir import hold, locked_dir, release, sweep, temp_dir

MAKE_AND_WAIT = """
import pathlib, sys, time
from candid.core.temp_dir import locked_dir
with locked_dir(pathlib.Path(sys.argv[1]), ".x-") as folder:
    (folder / "file").touch()
    print(folder.name, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_it_is_removed_at_the_end(tmp_path: Path, error: type[BaseException] | None) -> None:
    def use() -> None:
        with locked_dir(tmp_path, ".x-") as folder:
            (folder / "file").touch()
            if error:
                raise error

    if error:
        with pytest.raises(error):
            use()
    else:
        use()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_process_is_swept_only_after_its_death(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKE_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        sweep(tmp_path, ".x-")
        assert (tmp_path / name / "file").exists()
        process.kill()
    assert (tmp_path / name / "file").exists()
    sweep(tmp_path, ".x-")
    assert list(tmp_path.iterdir()) == []


def test_the_next_folder_with_the_prefix_sweeps(tmp_path: Path) -> None:
    (tmp_path / ".x-left").mkdir()
    (tmp_path / ".y-left").mkdir()
    with locked_dir(tmp_path, ".x-") as first, locked_dir(tmp_path, ".x-") as second:
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {first.name, second.name, ".y-left"}


def test_only_folders_with_the_prefix_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".x-1").mkdir()
    (tmp_path / ".x-file").touch()
    (tmp_path / ".y-1").mkdir()
    (tmp_path / "dear").mkdir()
    (tmp_path / "dear" / "photo").touch()
    (tmp_path / ".x-link").symlink_to(tmp_path / "dear")
    sweep(tmp_path, ".x-")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".x-file",
        ".x-link",
        ".y-1",
        "dear",
    ]
    assert (tmp_path / "dear" / "photo").exists()


def test_sweeping_a_missing_folder_does_nothing(tmp_path: Path) -> None:
    sweep(tmp_path / "absent", ".x-")


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    held = hold(tmp_path)
    with pytest.raises(BlockingIOError):
        hold(tmp_path)
    release(held)
    release(hold(tmp_path))


def test_a_locked_folder_may_be_moved_away(tmp_path: Path) -> None:
    with locked_dir(tmp_path, ".x-") as folder:
        folder.replace(tmp_path / "moved")
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_temporary_folders_are_swept_by_the_next_with_the_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "mine-left").mkdir()
    (tmp_path / "other-left").mkdir()
    with locked_dir(tmp_path, "mine-") as living, temp_dir("mine-") as scratch:
        found = {path.name for path in tmp_path.iterdir()}
        assert found == {"other-left", living.name, scratch.name}
    assert [path.name for path in tmp_path.iterdir()] == ["other-left"]
