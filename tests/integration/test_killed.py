"""Writing a run is atomic: after a kill or an error at any step it is whole or absent.

Python's audit hooks kill the process before each file operation; `test_killed_commands` kills whole
commands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from candid.core import atomic_dir
from candid.errors import UsageError
from candid.runs.artifact import GOLDEN, MANIFEST, point_latest, read_manifest, write_run
from candid.runs.classifier import load
from candid.runs.manifest import Manifest
from candid.runs.manifest_formats import find_reader
from candid.training import Run

# Writes a run and the link to it in a child process that is killed before its n-th file operation,
# for every n until it succeeds.
KILL_EVERYWHERE = """
import itertools, os, pathlib, shutil, signal, sys, json
from candid.core import atomic_dir
from candid.runs.artifact import MANIFEST, point_latest, read_manifest, write_run
from candid.runs.manifest_formats import find_reader

source, runs, mode = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
if mode == "two-steps":
    atomic_dir._exchange = lambda *_: False
WRITES = os.O_WRONLY | os.O_RDWR
TO_FILES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod",
            "shutil.rmtree", "ctypes.dlopen", "ctypes.dlsym")

def write():
    def fill(folder):
        shutil.copytree(source, folder, dirs_exist_ok=True)
        values = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).unlink()
        return find_reader(values["format_version"], folder)(values, folder / MANIFEST)
    point_latest(write_run(runs / "one", fill, overwrite=True))

def write_until(last):
    done = 0
    def step(event):
        nonlocal done
        done += 1
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, arguments):
        if event in TO_FILES or event == "open" and isinstance(arguments[2], int) \\
                and arguments[2] & WRITES:
            step(event)
    sys.addaudithook(hook)
    sync = os.fsync
    os.fsync = lambda file: (step("os.fsync"), sync(file))
    write()

def is_whole(run):
    read_manifest(run)
    return True

def in_child(action):
    child = os.fork()
    if child == 0:
        action()
        os._exit(0)
    return os.waitpid(child, 0)[1]

if mode != "new":
    write()
for last in itertools.count(1):
    if mode == "new" and runs.exists():
        shutil.rmtree(runs)
    status = in_child(lambda: write_until(last))
    run, latest = runs / "one", runs / "latest"
    present = run.exists() and is_whole(run)
    pointed = not latest.is_symlink() or (present and is_whole(latest))
    left = sorted(path.name for path in runs.glob(".*"))
    again = in_child(write)
    clean = sorted(path.name for path in runs.iterdir()) == ["latest", "one"]
    print(json.dumps([last, status, present, pointed, left, again == 0 and clean]))
    if status == 0:
        break
    if status != signal.SIGKILL:
        sys.exit(f"ended with {status}")
"""

Candid = Callable[..., subprocess.CompletedProcess[str]]
Killed = list[tuple[int, int, bool, bool, list[str], bool]]


def kill_everywhere(run: Path, runs: Path, mode: str) -> Killed:
    command = [sys.executable, "-c", KILL_EVERYWHERE, str(run), str(runs), mode]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout[-500:], done.stderr)
    killed = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert len(killed) > 15
    assert all(row[-1] for row in killed)  # the next one succeeds, and sweeps what was left
    return killed


def copy_into(source: Path) -> Callable[[Path], Manifest]:
    """Fill a run with the files of another."""

    def fill(folder: Path) -> Manifest:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        values = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).unlink()
        return find_reader(values["format_version"], folder)(values, folder / MANIFEST)

    return fill


@pytest.fixture(scope="module")
def small_run(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a run that loading needs, so that there are few moments."""
    names = {"model.onnx", "golden.npz", "split.csv", "neighbours.npz"}
    manifest = json.loads((trained.folder / MANIFEST).read_text())
    folder = tmp_path_factory.mktemp("small") / "run"
    folder.mkdir()
    for name in names:
        shutil.copy(trained.folder / name, folder)
    manifest["files"] = {name: manifest["files"][name] for name in names}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def require_whole(run: Path) -> None:
    load(run).check_golden(run / GOLDEN)


class TestWritingARun:
    def test_a_new_one_is_absent_or_whole_before_every_step(
        self, small_run: Path, tmp_path: Path
    ) -> None:
        killed = kill_everywhere(small_run, tmp_path / "runs", "new")
        present = [row[2] for row in killed]
        assert present == sorted(present)  # once there, it stays
        assert not present[0]
        assert present[-1]
        assert all(row[3] for row in killed)
        assert any(row[4] for row in killed)
        require_whole(tmp_path / "runs" / "one")

    def test_one_that_is_replaced_is_whole_before_every_step(
        self, small_run: Path, tmp_path: Path
    ) -> None:
        killed = kill_everywhere(small_run, tmp_path / "runs", "exchange")
        assert all(row[2] and row[3] for row in killed)
        require_whole(tmp_path / "runs" / "one")

    def test_where_folders_can_not_be_exchanged_the_next_process_brings_it_back(
        self, small_run: Path, tmp_path: Path
    ) -> None:
        runs = tmp_path / "runs"
        killed = kill_everywhere(small_run, runs, "two-steps")
        absent = [row for row in killed if not row[2]]
        assert len(absent) == 1  # between the two steps
        assert any(".old-" in name for name in absent[0][4])
        require_whole(runs / "one")

    @pytest.mark.parametrize("exchange", [True, False])
    @pytest.mark.parametrize("persistent", [True, False])
    def test_an_error_at_any_step_is_one_line_and_the_old_run_stays(
        self,
        small_run: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        exchange: bool,
        persistent: bool,
    ) -> None:
        if not exchange:
            monkeypatch.setattr(atomic_dir, "_exchange", lambda *_: False)
        runs = tmp_path / "runs"
        run = write_run(runs / "one", copy_into(small_run))
        for failing in range(1, 100):
            raised = fail_at(monkeypatch, failing, persistent=persistent)
            said = ""
            try:
                write_run(run, copy_into(small_run), overwrite=True)
            except UsageError as error:
                said = str(error)
            assert not raised or "No space left on device" in said
            assert "\n" not in said
            monkeypatch.undo()
            if not exchange:
                monkeypatch.setattr(atomic_dir, "_exchange", lambda *_: False)
            aside = list(runs.glob(".one.old-*/run"))
            # Where not even the way back is open, it lies aside until the next process.
            assert run.exists() != bool(aside)
            assert run.exists() or persistent
            read_manifest(run if run.exists() else aside[0])
            assert not list(runs.glob(".one.partial-*"))
            if not raised:
                break
            write_run(run, copy_into(small_run), overwrite=True)
            assert [path.name for path in runs.iterdir()] == ["one"]
        assert failing > 6

    def test_a_link_means_what_it_points_to(self, small_run: Path, tmp_path: Path) -> None:
        run = write_run(tmp_path / "one", copy_into(small_run))
        point_latest(run)
        write_run(tmp_path / "latest", copy_into(small_run), overwrite=True)
        assert (tmp_path / "latest").is_symlink()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "one"]


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, *, persistent: bool) -> list[str]:
    """Let the n-th replace, rename or fsync raise, or all from it on; gives those that did."""
    raised: list[str] = []
    calls = 0

    def wrap(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number or (persistent and calls > number):
                raised.append(name)
                raise OSError(28, "No space left on device")
            return original(*arguments, **named)

        return call

    for name in ("replace", "rename", "fsync"):
        monkeypatch.setattr(os, name, wrap(name))
    return raised
