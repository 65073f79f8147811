"""A full or read-only disk gives a one-line error and no partial files; the cache is optional."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import BACKBONE, COMMAND

from candid.cli.demo import SampleSet
from candid.runs.artifact import GOLDEN
from candid.runs.classifier import load
from candid.training import Run

Candid = Callable[..., subprocess.CompletedProcess[str]]
ASKED = ("--backbone", BACKBONE)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount an in-memory file system; permissions alone would not stop root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "size=256k") as folder:
        yield folder


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "read-only", "size=256k,ro") as folder:
        yield folder


def require_one_line(done: subprocess.CompletedProcess[str], said: str) -> None:
    """The last line is the error, after any progress; there is no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("candid: ")
    assert said in lines[-1]
    assert "Traceback" not in done.stderr


class TestFull:
    def test_training_says_so_and_leaves_nothing(
        self, small_disk: Path, sample: SampleSet, candid: Candid, state_of: Callable
    ) -> None:
        before = state_of(sample.folder)
        done = candid("train", sample.folder, "--run", small_disk / "runs" / "one", *ASKED)
        require_one_line(done, "No space left on device. Free some space or choose another --run.")
        assert [path.name for path in small_disk.rglob("*")] == ["runs"]
        assert state_of(sample.folder) == before

    def test_an_export_says_so_and_leaves_nothing(
        self, small_disk: Path, trained: Run, candid: Candid, state_of: Callable
    ) -> None:
        before = state_of(trained.folder)
        done = candid("export", trained.folder, "--to", "onnx", "--output", small_disk / "x")
        require_one_line(done, "No space left on device")
        assert list(small_disk.iterdir()) == []
        assert state_of(trained.folder) == before

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
    @pytest.mark.parametrize("form", ["--csv", "--json"])
    def test_answers_that_can_not_be_printed_are_one_line_and_no_success(
        self, trained: Run, faces: SampleSet, form: str
    ) -> None:
        photo = next(faces.folder.glob("happy/face-*"))
        command = [str(COMMAND), "predict", str(photo), "--run", str(trained.folder), form]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 2
        assert done.stderr == "candid: the disk is full; the output is incomplete.\n"

    def test_a_cache_is_done_without(
        self, small_disk: Path, sample: SampleSet, candid: Candid, work: Path
    ) -> None:
        (small_disk / "filling").write_bytes(bytes(150 * 1024))
        done = candid(
            "train", sample.folder, "--run", "one", *ASKED, CANDID_CACHE=str(small_disk / "cache")
        )
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("the cache")]
        assert len(lines) == 1
        assert lines[0].endswith("so results are not stored for the next run")
        load(work / "one").check_golden(work / "one" / GOLDEN)


class TestReadOnly:
    @pytest.mark.parametrize("option", ["--show", "--explain"])
    def test_pictures_that_can_not_be_written_are_one_line(
        self, read_only_disk: Path, trained: Run, faces: SampleSet, option: str
    ) -> None:
        photo = next(faces.folder.glob("happy/face-*"))
        command = [str(COMMAND), "predict", str(photo), "--run", str(trained.folder), option]
        done = subprocess.run(
            command, cwd=read_only_disk, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert "can't be written: Read-only file system. Choose another folder" in done.stderr

    @pytest.mark.parametrize("command", ["train", "export", "audit"])
    def test_is_one_line_before_the_work_begins(
        self,
        read_only_disk: Path,
        sample: SampleSet,
        trained: Run,
        candid: Candid,
        command: str,
    ) -> None:
        to = read_only_disk / "runs" / "one"
        arguments = {
            "train": (sample.folder, "--run", to, *ASKED),
            "export": (trained.folder, "--to", "onnx", "--output", to),
            "audit": (sample.folder, "--run", to, *ASKED),
        }[command]
        done = candid(command, *arguments)
        require_one_line(done, "can't be written")
        assert len(done.stderr.splitlines()) == 1
        assert list(read_only_disk.iterdir()) == []

    def test_a_cache_is_done_without(
        self, read_only_disk: Path, sample: SampleSet, candid: Candid, work: Path
    ) -> None:
        cache = str(read_only_disk / "cache")
        done = candid("train", sample.folder, "--run", "one", *ASKED, CANDID_CACHE=cache)
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("the cache")]
        assert lines == [
            f"the cache {cache}/cache.sqlite3 can't be written (Read-only file system), "
            "so results are not stored for the next run"
        ]
        load(work / "one").check_golden(work / "one" / GOLDEN)


def test_a_place_below_a_file_is_one_line(
    sample: SampleSet, candid: Candid, work: Path, state_of: Callable
) -> None:
    (work / "file").write_text("dear")
    before = state_of(work)
    done = candid("train", sample.folder, "--run", "file/runs/one", *ASKED)
    require_one_line(done, "can't be written")
    assert state_of(work) == before


def test_a_file_may_be_no_larger_than_so_much(
    sample: SampleSet, work: Path, state_of: Callable
) -> None:
    """A quota, where nothing can be mounted: the shell's limit on the size of files, in KiB."""
    before = state_of(sample.folder)
    script = 'ulimit -f 1024; trap "" XFSZ; exec "$@"'
    command = [COMMAND, "train", sample.folder, "--run", "runs/one", *ASKED]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        env=dict(os.environ),
    )
    require_one_line(done, "File too large")
    assert [path.name for path in work.rglob("*")] == ["runs"]
    assert state_of(sample.folder) == before
