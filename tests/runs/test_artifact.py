"""Runs are written atomically and verified before they are used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from candid.core.hashing import hash_file
from candid.errors import ArtifactError, UsageError
from candid.runs.artifact import (
    MANIFEST,
    find_run,
    point_latest,
    read_manifest,
    require_free,
    write_run,
)
from candid.runs.manifest import CalibrationSettings, Manifest
from tests.manifests import change, make_manifest

FILES = {"model.onnx": b"model", "golden.npz": b"golden", "split.csv": b"split"}


def fill(folder: Path) -> Manifest:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return make_manifest()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "runs" / "one", fill)


class TestWriting:
    def test_what_was_written_is_read(self, run: Path) -> None:
        assert read_manifest(run).classes == ("happy", "sad")
        assert sorted(path.name for path in run.iterdir()) == sorted([*FILES, "candid.json"])

    def test_leaves_nothing_beside_the_run(self, run: Path) -> None:
        assert list(run.parent.iterdir()) == [run]

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_leaves_nothing_where_it_fails_on_the_way(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        def fail(folder: Path) -> Manifest:
            fill(folder)
            raise error

        with pytest.raises(error):
            write_run(tmp_path / "runs" / "one", fail)
        assert list((tmp_path / "runs").iterdir()) == []

    def test_leaves_nothing_where_the_manifest_can_not_be_written(self, tmp_path: Path) -> None:
        nan = CalibrationSettings(float("nan"))
        with pytest.raises(ValueError, match="JSON"):
            write_run(tmp_path / "one", lambda folder: replace(fill(folder), calibration=nan))
        assert list(tmp_path.iterdir()) == []

    def test_says_in_a_line_that_the_disk_is_full(self, tmp_path: Path) -> None:
        def fail(_: Path) -> Manifest:
            raise OSError(28, "No space left on device")

        with pytest.raises(UsageError, match="No space left on device"):
            write_run(tmp_path / "one", fail)
        assert list(tmp_path.iterdir()) == []

    def test_says_that_the_place_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="can't be written"):
            write_run(tmp_path / "file" / "one", fill)

    def test_may_be_read_by_others_as_any_folder(self, run: Path) -> None:
        assert run.stat().st_mode & 0o777 == 0o755

    def test_may_go_into_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        assert read_manifest(write_run(tmp_path / "one", fill))

    def test_keeps_a_file_name_that_is_not_utf8(self, tmp_path: Path) -> None:
        name = os.fsdecode(b"bad\xff.jpg")
        run = write_run(tmp_path / "one", lambda folder: replace(fill(folder), classes=("a", name)))
        assert read_manifest(run).classes == ("a", name)

    def test_killed_on_the_way_leaves_nothing_that_loads(self, tmp_path: Path) -> None:
        code = (
            "import sys, time, pathlib\n"
            "from candid.runs.artifact import write_run\n"
            "def fill(folder):\n"
            "    (folder / 'model.onnx').write_bytes(b'model')\n"
            "    print('begun', flush=True)\n"
            "    time.sleep(60)\n"
            "write_run(pathlib.Path(sys.argv[1]) / 'one', fill)\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            process.send_signal(signal.SIGKILL)
        assert not (tmp_path / "one").exists()
        with pytest.raises(ArtifactError, match="no run at"):
            find_run(tmp_path / "one")
        with pytest.raises(ArtifactError, match="no run at"):
            find_run(tmp_path / "latest")


class TestOverwriting:
    def test_a_run_is_kept_unless_it_is_asked_for(self, run: Path) -> None:
        with pytest.raises(UsageError, match="--overwrite"):
            write_run(run, fill)

    def test_a_run_is_replaced_as_a_whole(self, run: Path) -> None:
        (run / "tensorboard" / "deep").mkdir(parents=True)
        (run / "tensorboard" / "deep" / "events").write_text("old")
        (run / ".DS_Store").touch()  # left by a file manager
        write_run(run, lambda folder: replace(fill(folder), classes=("a", "new")), overwrite=True)
        assert read_manifest(run).classes == ("a", "new")
        assert not (run / "tensorboard").exists()
        assert list(run.parent.iterdir()) == [run]

    def test_the_old_run_stays_where_the_new_one_fails(self, run: Path) -> None:
        def fail(_: Path) -> Manifest:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_run(run, fail, overwrite=True)
        assert read_manifest(run).classes == ("happy", "sad")
        assert list(run.parent.iterdir()) == [run]

    def test_what_is_no_run_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.jpg").write_bytes(b"dear")
        with pytest.raises(UsageError, match="It is no run"):
            write_run(tmp_path / "photos", fill, overwrite=True)
        assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"dear"

    @pytest.mark.parametrize("name", ["notes.txt", "mine/deep/run/candid.json", "link"])
    def test_a_run_with_a_foreign_file_is_not_replaced(
        self, run: Path, name: str, state_of: Callable
    ) -> None:
        mine = run / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.symlink_to(run) if name == "link" else mine.write_text("dear")
        before = state_of(run)
        with pytest.raises(UsageError, match=f"does not name {name}, which --overwrite would del"):
            write_run(run, fill, overwrite=True)
        assert state_of(run) == before

    @pytest.mark.parametrize("text", ["{}", "no JSON", '{"files": 7}', "[" * 100_000])
    def test_a_run_whose_manifest_lists_no_files_is_not_replaced(
        self, run: Path, text: str
    ) -> None:
        (run / MANIFEST).write_text(text)
        with pytest.raises(UsageError, match=r"does not name golden\.npz, "):
            write_run(run, fill, overwrite=True)
        assert (run / "golden.npz").exists()

    def test_a_file_is_never_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("dear")
        with pytest.raises(UsageError, match="exists already"):
            require_free(tmp_path / "file", overwrite=True)

    def test_a_run_that_another_process_wrote_meanwhile_is_kept(self, tmp_path: Path) -> None:
        def fill_late(folder: Path) -> Manifest:
            write_run(tmp_path / "one", lambda f: replace(fill(f), classes=("a", "faster")))
            return fill(folder)

        with pytest.raises(UsageError, match="exists already"):
            write_run(tmp_path / "one", fill_late)
        assert read_manifest(tmp_path / "one").classes == ("a", "faster")


class TestReading:
    def test_a_flipped_byte_is_noticed(self, run: Path) -> None:
        content = bytearray((run / "model.onnx").read_bytes())
        content[2] ^= 1
        (run / "model.onnx").write_bytes(content)
        with pytest.raises(ArtifactError, match=r"model\.onnx is not as it was written"):
            read_manifest(run)

    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_noticed(self, run: Path, name: str) -> None:
        (run / name).unlink()
        with pytest.raises(ArtifactError, match=f"lacks {name}"):
            read_manifest(run)

    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_is_not_listed_is_not_trusted(self, run: Path, name: str) -> None:
        files = dict(read_manifest(run).files)
        del files[name]
        change(run, files=files)
        with pytest.raises(ArtifactError, match=f"does not list {name}"):
            read_manifest(run)

    @pytest.mark.parametrize("version", [0, 1, 4, "3", None, [], 1.5])
    def test_another_format_version_is_refused(self, run: Path, version: object) -> None:
        change(run, format_version=version)
        with pytest.raises(ArtifactError, match=r"has format version .*, expected 3"):
            read_manifest(run)

    @pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", "..", "a/b"])
    def test_a_path_out_of_the_run_is_refused(self, run: Path, name: str) -> None:
        (run.parent / "outside").write_bytes(b"secret")
        files = dict(read_manifest(run).files) | {name: hash_file(run / "split.csv")}
        change(run, files=files)
        with pytest.raises(ArtifactError, match=r"outside the run|lacks"):
            read_manifest(run)

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe{}",
            b"{}",
            b'{"format_version": 1}',
            b'{"format_version": 1, "files": 3}',
            b'{"format_version": 1, "files": [[1, 2]]}',
            b'{"format_version": 1, "files": {}}',
            b"[" * 100_000,
            b'{"format_version": 1' + b"0" * 5000 + b', "files": {}}',
        ],
        ids=range(13),
    )
    def test_a_manifest_that_is_none_is_refused(self, run: Path, text: bytes) -> None:
        (run / "candid.json").write_bytes(text)
        with pytest.raises(ArtifactError):
            read_manifest(run)

    def test_a_huge_manifest_is_refused_unread(self, run: Path) -> None:
        with (run / "candid.json").open("wb") as file:
            file.truncate(10 * 2**30)  # sparse: no disk is filled
        started = time.process_time()
        with pytest.raises(ArtifactError, match="too large"):
            read_manifest(run)
        assert time.process_time() - started < 5

    def test_a_folder_that_is_no_run_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match=r"is not a run: it has no candid\.json"):
            read_manifest(tmp_path)

    def test_a_hash_that_is_no_text_is_refused(self, run: Path) -> None:
        change(run, files=dict.fromkeys(FILES, 7))
        with pytest.raises(ArtifactError, match="not as it was written"):
            read_manifest(run)


class TestLatest:
    def test_is_the_run_that_was_pointed_at_last(self, run: Path) -> None:
        other = write_run(run.parent / "two", fill)
        for folder in (run, other, run):
            point_latest(folder)
            assert (find_run(run.parent / "latest") / "candid.json").samefile(
                folder / "candid.json"
            )
        assert not [path for path in run.parent.iterdir() if path.name.startswith(".")]

    def test_moves_with_the_folder_of_runs(self, run: Path, tmp_path: Path) -> None:
        point_latest(run)
        run.parent.rename(tmp_path / "elsewhere")
        assert read_manifest(find_run(tmp_path / "elsewhere" / "latest"))

    def test_is_found_by_its_time_where_there_is_no_link(self, run: Path) -> None:
        write_run(run.parent / "two", fill)
        os.utime(run / "candid.json", (2_000_000_000, 2_000_000_000))
        assert find_run(run.parent / "latest") == run

    def test_is_never_one_that_was_not_finished(self, run: Path) -> None:
        partial = write_run(run.parent / ".one.partial-x", fill)
        os.utime(partial / "candid.json", (2_000_000_000, 2_000_000_000))
        assert find_run(run.parent / "latest") == run

    def test_is_left_alone_where_a_user_has_a_folder_of_that_name(self, run: Path) -> None:
        (run.parent / "latest").mkdir()
        point_latest(run)
        assert not (run.parent / "latest").is_symlink()

    def test_where_there_is_none_the_way_to_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="candid train DATA"):
            find_run(tmp_path / "latest")
