"""A folder is complete or absent, whatever interrupts the writing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from candid.core import atomic_dir
from candid.core.atomic_dir import write_atomic_dir
from candid.errors import UsageError


def anything(folder: Path) -> None:
    """Replaces whatever is there."""


def fill(folder: Path) -> None:
    (folder / "a.txt").write_text("new")


def test_missing_parents_are_created(tmp_path: Path) -> None:
    written = write_atomic_dir(tmp_path / "deep" / "run", fill, require_free=anything)
    assert written == tmp_path / "deep" / "run"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run"]
    assert (written / "a.txt").read_text() == "new"
    assert written.stat().st_mode & 0o777 == 0o755


def test_an_existing_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    write_atomic_dir(tmp_path / "run", fill, require_free=anything)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "a.txt"]


def test_an_error_leaves_the_existing_folder(tmp_path: Path) -> None:
    def break_off(folder: Path) -> None:
        fill(folder)
        raise RuntimeError

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    with pytest.raises(RuntimeError):
        write_atomic_dir(tmp_path / "run", break_off, require_free=anything)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old.txt", "run"]


def test_whether_the_target_is_free_is_checked_again_after_filling(tmp_path: Path) -> None:
    def require_absent(folder: Path) -> None:
        if folder.exists():
            raise UsageError("taken")

    def take_meanwhile(folder: Path) -> None:
        fill(folder)
        (tmp_path / "run").mkdir()

    with pytest.raises(UsageError, match="taken"):
        write_atomic_dir(tmp_path / "run", take_meanwhile, require_free=require_absent)
    assert not any((tmp_path / "run").iterdir())


def test_a_target_that_can_not_be_written_is_a_known_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"can't be written.*Choose another --run"):
        write_atomic_dir(tmp_path / "file" / "run", fill, require_free=anything)


def test_a_full_disk_is_a_known_error(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"No space left on device\. Free some space"):
        write_atomic_dir(tmp_path / "run", fail, require_free=anything)
    assert not any(tmp_path.iterdir())


def test_a_killed_process_leaves_no_incomplete_folder(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from candid.core.atomic_dir import write_atomic_dir
def fill(folder):
    (folder / "a.txt").write_text("half")
    Path({str(tmp_path)!r}, "begun").touch()
    time.sleep(60)
write_atomic_dir(Path({str(tmp_path)!r}, "run"), fill, require_free=lambda folder: None)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert (tmp_path / "begun").exists()
    assert not (tmp_path / "run").exists()


def test_the_backup_of_a_running_process_is_not_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an exchange a second writer must not undo the first one's first step."""
    monkeypatch.setattr(atomic_dir, "_exchange", lambda *_: False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    replace = Path.replace

    def check_between(path: Path, target: Path) -> Path:
        if path.name.startswith(".run.partial-"):
            assert not (tmp_path / "run").exists()
            atomic_dir._restore_backup(tmp_path / "run")
            assert not (tmp_path / "run").exists()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", check_between)
    write_atomic_dir(tmp_path / "run", fill, require_free=anything)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "a.txt"]


def test_a_backup_is_restored_where_folders_can_not_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> int:
        raise OSError

    monkeypatch.setattr("candid.core.temp_dir.hold", refuse)
    (tmp_path / ".run.old-1" / "run").mkdir(parents=True)
    (tmp_path / ".run.old-1" / "run" / "old.txt").write_text("old")
    atomic_dir._restore_backup(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old.txt", "run"]
