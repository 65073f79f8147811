"""Default folders of runs and audits, and refused folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from candid.errors import UsageError
from candid.runs.paths import next_folder, require_outside, require_writable


def test_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert next_folder(Path("some/data"), "audit") == Path("runs/data-audit-1")
    (tmp_path / "runs" / "data-audit-1").mkdir(parents=True)
    assert next_folder(Path("some/data"), "audit") == Path("runs/data-audit-2")
    assert next_folder(Path("some/data"), "cnn") == Path("runs/data-cnn-1")


def test_a_run_on_an_archive_has_no_suffix_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("set.v2.npz").touch()
    assert next_folder(Path("set.v2.npz"), "audit") == Path("runs/set.v2-audit-1")
    assert next_folder(Path("set.v2"), "audit") == Path("runs/set.v2-audit-1")


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
