"""Default folders of runs and audits, and refused folders."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from candid.errors import UsageError
from candid.runs.paths import output_folder, require_outside, require_writable


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that need not exist, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return Path("some/data")


def claimed(data: Path, kind: str = "audit") -> str:
    with output_folder(None, data, kind) as folder:
        return folder.as_posix()


def test_folders_are_numbered_by_kind(data: Path) -> None:
    with output_folder(None, data, "audit") as folder:
        assert folder == Path("runs/data-audit-1")
        (folder / "file").touch()
    assert claimed(data) == "runs/data-audit-2"
    assert claimed(data, "cnn") == "runs/data-cnn-1"


def test_a_name_is_taken_once_by_threads_at_the_same_time(data: Path) -> None:
    together = threading.Barrier(8)

    def take(_: int) -> str:
        together.wait(10)
        with output_folder(None, data, "audit") as folder:
            together.wait(10)  # all have one
            return folder.name

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [f"data-audit-{n}" for n in range(1, 9)]
    assert not list(Path("runs").iterdir())  # nothing was written


def test_the_name_of_a_killed_process_is_free_again_and_that_of_a_running_one_is_not(
    data: Path,
) -> None:
    code = (
        "import sys, pathlib\n"
        "from candid.runs.paths import output_folder\n"
        "with output_folder(None, pathlib.Path('some/data'), 'audit') as folder:\n"
        "    print(folder.name, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"data-audit-1\n"
        assert claimed(data) == "runs/data-audit-2"
        process.kill()
    assert claimed(data) == "runs/data-audit-1"


def test_an_empty_folder_is_not_taken_where_folders_can_not_be_locked(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candid.runs.paths.hold_if_possible", lambda _: None)
    Path("runs/data-audit-1").mkdir(parents=True)
    assert claimed(data) == "runs/data-audit-2"


def test_nothing_is_made_among_the_photos(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="inside the data folder"):
        claimed(tmp_path)
    assert not Path("runs").exists()
    assert data == Path("some/data")


def test_a_run_on_an_archive_has_no_suffix_in_its_name(data: Path) -> None:
    archive = data.parent / "set.v2.npz"
    archive.parent.mkdir()
    archive.touch()
    assert claimed(archive) == claimed(archive.with_suffix("")) == "runs/set.v2-audit-1"


@pytest.mark.parametrize("name", ["", "audit", "happy/audit"])
def test_a_place_among_the_photos_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="taken for a class"):
        require_outside(tmp_path / name, tmp_path)


@pytest.mark.parametrize("name", ["data/.audit", "data/happy/.audit/a", "elsewhere", "data-2"])
def test_other_places_are_not(tmp_path: Path, name: str) -> None:
    require_outside(tmp_path / name, tmp_path / "data")


def test_a_place_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    require_writable(tmp_path / "new" / "deep" / "run")
    for place in (tmp_path / "file" / "run", Path("/dev/null/x")):
        with pytest.raises(UsageError, match="can't be written"):
            require_writable(place)


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="/proc is no mount point here")
def test_a_mount_point_is_refused_as_it_can_not_be_replaced() -> None:
    with pytest.raises(UsageError, match=r"is a mount point.*Choose a folder inside it: /proc/1"):
        require_writable(Path("/proc"))
