"""Cached rows survive kills, damage and concurrent writers; lost rows are absent, never wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from candid.core.cache import Cache, default_folder

# Writes until it is killed, and prints the number of each row that is stored.
WRITE_FOR_EVER = """
import itertools, pathlib, sys
from candid.core.cache import Cache
cache = Cache(pathlib.Path(sys.argv[1]))
for number in itertools.count():
    cache.put("kind", [(str(number), b"%d" % number * 1000)])
    print(number, flush=True)
"""
# Prints before each batch, so that the kill interrupts the writing.
WRITE_IN_BATCHES = """
import itertools, pathlib, sys
from candid.core.cache import Cache
cache = Cache(pathlib.Path(sys.argv[1]))
for batch in itertools.count():
    print(batch, flush=True)
    cache.put("kind", [(f"{batch}-{n}", b"%d" % batch * 9000) for n in range(500)])
"""
WRITE_SOME = """
import pathlib, sys
from candid.core.cache import Cache
folder, name = sys.argv[1:]
with Cache(pathlib.Path(folder)) as cache:
    assert cache.path is not None
    for number in range(100):
        cache.put("kind", [(f"{name}{number}", b"value")])
"""


def rows(cache: Cache, *contents: str, kind: str = "kind") -> dict[str, bytes]:
    return dict(cache.get(kind, contents))


def read(folder: Path, *contents: str) -> dict[str, bytes]:
    with Cache(folder) as cache:
        return rows(cache, *contents)


def fill(folder: Path, num_rows: int = 200) -> list[str]:
    contents = [f"content{number}" for number in range(num_rows)]
    with Cache(folder) as cache:
        cache.put("kind", [(content, content.encode() * 50) for content in contents])
    return contents


class TestRows:
    def test_stored_rows_are_found_and_others_absent(self, memory: Cache) -> None:
        memory.put("kind", [("a", b"1"), ("b", b"2"), ("empty", b"")])
        assert rows(memory, "a", "empty", "c") == {"a": b"1", "empty": b""}

    def test_kinds_do_not_mix(self, memory: Cache) -> None:
        memory.put("kind", [("a", b"1")])
        assert rows(memory, "a", kind="other") == {}

    def test_a_later_row_replaces_an_earlier_one(self, memory: Cache) -> None:
        memory.put("kind", [("a", b"1")])
        memory.put("kind", [("a", b"2")])
        assert rows(memory, "a") == {"a": b"2"}

    def test_more_contents_than_sqlite_takes_at_once(self, tmp_path: Path) -> None:
        contents = fill(tmp_path, 2345)
        assert len(read(tmp_path, *contents)) == 2345

    def test_rows_outlive_the_process(self, tmp_path: Path) -> None:
        subprocess.run([sys.executable, "-c", WRITE_SOME, str(tmp_path), "a"], check=True)
        assert read(tmp_path, "a99") == {"a99": b"value"}


class TestKilled:
    def test_rows_stored_before_the_kill_survive_it(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            stored = [process.stdout.readline() for _ in range(50)]
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            stored += [line for line in process.stdout if line.endswith("\n")]
        contents = [line.strip() for line in stored]
        found = read(tmp_path, *contents)
        assert found == {content: content.encode() * 1000 for content in contents}
        assert not list(tmp_path.glob("*.damaged"))

    def test_a_batch_of_rows_is_atomic(self, tmp_path: Path) -> None:
        for attempt in range(6):
            folder = tmp_path / str(attempt)
            command = [sys.executable, "-c", WRITE_IN_BATCHES, str(folder)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                for _ in range(3):
                    process.stdout.readline()
                time.sleep(0.004 * attempt)
                process.kill()
            for batch in range(3):
                contents = [f"{batch}-{n}" for n in range(500)]
                found = read(folder, *contents)
                assert len(found) in ({500} if batch < 2 else {0, 500})
                assert set(found.values()) <= {b"%d" % batch * 9000}
            assert not list(folder.glob("*.damaged"))

    def test_the_file_is_writable_after_a_kill(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        fill(tmp_path, 3)
        assert read(tmp_path, "0", "content2").keys() == {"0", "content2"}


class TestDamaged:
    @pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500])
    def test_a_file_that_is_no_database_is_replaced(self, tmp_path: Path, damage: bytes) -> None:
        (tmp_path / "cache.sqlite3").write_bytes(damage)
        contents = fill(tmp_path)
        assert len(read(tmp_path, *contents)) == len(contents)
        aside = list(tmp_path.glob("*.damaged"))
        assert [path.read_bytes() for path in aside] == ([damage] if damage else [])

    def test_a_partly_overwritten_file_is_moved_aside(self, tmp_path: Path) -> None:
        contents = fill(tmp_path)
        file = tmp_path / "cache.sqlite3"
        data = bytearray(file.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        file.write_bytes(data)
        with Cache(tmp_path) as cache:
            assert rows(cache, *contents) == {}
            cache.put("kind", [("a", b"1")])
            assert rows(cache, "a") == {"a": b"1"}
        assert (tmp_path / "cache.sqlite3.damaged").read_bytes() == data
        assert read(tmp_path, "a") == {"a": b"1"}

    def test_a_file_cut_short_gives_no_wrong_rows(self, tmp_path: Path) -> None:
        contents = fill(tmp_path)
        file = tmp_path / "cache.sqlite3"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        for content, value in read(tmp_path, *contents).items():
            assert value == content.encode() * 50
        fill(tmp_path)
        assert len(read(tmp_path, *contents)) == len(contents)

    def test_a_row_with_a_flipped_bit_is_absent_and_its_neighbours_are_not(
        self, tmp_path: Path
    ) -> None:
        contents = fill(tmp_path)
        file = tmp_path / "cache.sqlite3"
        data = bytearray(file.read_bytes())
        at = data.index(b"content7content7content7") + 12
        data[at] ^= 1
        file.write_bytes(data)
        assert read(tmp_path, *contents).keys() == set(contents) - {"content7"}

    def test_a_row_of_another_type_is_absent(self, tmp_path: Path) -> None:
        fill(tmp_path, 2)
        connection = sqlite3.connect(tmp_path / "cache.sqlite3")
        connection.execute("UPDATE rows SET value = 'text' WHERE content = 'content0'")
        connection.commit()
        connection.close()
        assert read(tmp_path, "content0", "content1").keys() == {"content1"}


class TestConcurrency:
    def test_two_processes_write_into_one_file_at_once(self, tmp_path: Path) -> None:
        processes = [
            subprocess.Popen([sys.executable, "-c", WRITE_SOME, str(tmp_path), name])
            for name in "ab"
        ]
        assert [process.wait() for process in processes] == [0, 0]
        contents = [f"{name}{number}" for name in "ab" for number in range(100)]
        assert read(tmp_path, *contents).keys() == set(contents)

    def test_one_process_reads_rows_of_another(self, tmp_path: Path) -> None:
        with Cache(tmp_path) as one, Cache(tmp_path) as other:
            one.put("kind", [("a", b"1")])
            assert rows(other, "a") == {"a": b"1"}


class TestNoDisk:
    def test_a_folder_that_can_not_be_made_leaves_the_rows_in_memory(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with Cache(tmp_path / "file" / "cache") as cache:
            cache.put("kind", [("a", b"1")])
            assert cache.path is None
            assert rows(cache, "a") == {"a": b"1"}

    def test_a_file_that_can_not_be_opened_leaves_the_rows_in_memory(self, tmp_path: Path) -> None:
        (tmp_path / "cache.sqlite3").mkdir()
        with Cache(tmp_path) as cache:
            cache.put("kind", [("a", b"1")])
            assert rows(cache, "a") == {"a": b"1"}

    def test_a_full_disk_keeps_rows_in_memory_and_warns_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        contents = fill(tmp_path)
        with Cache(tmp_path) as cache:
            cache._connection.execute("PRAGMA max_page_count = 1")
            for name in ("large", "larger"):
                cache.put("kind", [(name, bytes(10**6))])
            expected = {"large", "larger", *contents}
            assert rows(cache, "large", "larger", "large", *contents).keys() == expected
            assert rows(cache, "large", kind="other") == {}
        assert read(tmp_path, "large", *contents).keys() == set(contents)
        (warning,) = caplog.messages
        assert "can't be written (database or disk is full)" in warning

    def test_without_a_folder_nothing_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with Cache(None) as cache:
            cache.put("kind", [("a", b"1")])
        assert list(tmp_path.iterdir()) == []


def test_using_a_closed_cache_raises_and_damages_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    cache = Cache(tmp_path)
    cache.close()
    with pytest.raises(sqlite3.ProgrammingError):
        rows(cache, "content0")
    with pytest.raises(sqlite3.ProgrammingError):
        cache.put("kind", [("a", b"1")])
    assert read(tmp_path, "content0").keys() == {"content0"}


class TestDefaultFolder:
    @pytest.mark.parametrize(
        ("variables", "expected"),
        [
            ({"CANDID_CACHE": "/somewhere", "XDG_CACHE_HOME": "/xdg"}, "/somewhere"),
            ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/candid"),
            ({"XDG_CACHE_HOME": "", "HOME": "/home/ann"}, "/home/ann/.cache/candid"),
        ],
    )
    def test_the_environment_says_where(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
    ) -> None:
        for name in ("CANDID_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert default_folder() == Path(expected)
