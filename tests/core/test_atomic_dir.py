"""A folder is whole or absent, whatever happens on the way."""

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


def test_it_is_written_with_its_parents(tmp_path: Path) -> None:
    written = write_atomic_dir(tmp_path / "deep" / "run", fill, require_free=anything)
    assert written == tmp_path / "deep" / "run"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run"]
    assert (written / "a.txt").read_text() == "new"
    assert written.stat().st_mode & 0o777 == 0o755


def test_an_earlier_one_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    write_atomic_dir(tmp_path / "run", fill, require_free=anything)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "a.txt"]


def test_an_error_on_the_way_leaves_what_was_there(tmp_path: Path) -> None:
    def break_off(folder: Path) -> None:
        fill(folder)
        raise RuntimeError

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    with pytest.raises(RuntimeError):
        write_atomic_dir(tmp_path / "run", break_off, require_free=anything)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old.txt", "run"]


def test_it_is_asked_again_whether_the_place_is_free(tmp_path: Path) -> None:
    def require_absent(folder: Path) -> None:
        if folder.exists():
            raise UsageError("taken")

    def take_meanwhile(folder: Path) -> None:
        fill(folder)
        (tmp_path / "run").mkdir()

    with pytest.raises(UsageError, match="taken"):
        write_atomic_dir(tmp_path / "run", take_meanwhile, require_free=require_absent)
    assert not any((tmp_path / "run").iterdir())


def test_a_place_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"can't be written.*Choose another --run"):
        write_atomic_dir(tmp_path / "file" / "run", fill, require_free=anything)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"No space left on device\. Free some space"):
        write_atomic_dir(tmp_path / "run", fail, require_free=anything)
    assert not any(tmp_path.iterdir())


def test_a_killed_process_leaves_nothing_under_the_name(tmp_path: Path) -> None:
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


def test_what_another_process_has_set_aside_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an exchange a second writer must not undo the first one's first step."""
    monkeypatch.setattr(atomic_dir, "_exchange", lambda *_: False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    replace = Path.replace

    def look_between(path: Path, target: Path) -> Path:
        if path.name.startswith(".run.partial-"):
            assert not (tmp_path / "run").exists()
            atomic_dir._restore_backup(tmp_path / "run")
            assert not (tmp_path / "run").exists()
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look_between)
    write_atomic_dir(tmp_path / "run", fill, require_free=anything)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "a.txt"]


def test_what_was_set_aside_comes_back_where_nothing_can_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> int:
        raise OSError

    monkeypatch.setattr("candid.core.temp_dir.hold", refuse)
    (tmp_path / ".run.old-1" / "run").mkdir(parents=True)
    (tmp_path / ".run.old-1" / "run" / "old.txt").write_text("old")
    atomic_dir._restore_backup(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old.txt", "run"]
