"""Cached hashes are used while size and times of a file are unchanged; other files are read."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes as content_hash
from candid.data import file_reader
from candid.data.catalog import Catalog
from candid.data.file_reader import FileReader, make_once
from candid.data.images import PixelContract, read_file
from candid.data.scan import scan
from candid.errors import ImageError
from candid.features.extract import extract_features
from candid.splits.prepare import prepare

CONTRACT = PixelContract(32)
Write = Callable[..., Path]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """All files read, in order."""
    paths: list[Path] = []
    monkeypatch.setattr(
        file_reader, "read_file", lambda path: paths.append(path) or read_file(path)
    )
    return paths


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves the clock on by an hour, so that files of the test are old."""
    monkeypatch.setattr(file_reader, "time_ns", lambda: time.time_ns() + 3600 * 10**9)


def scan_again(folder: Path, cache: Cache, *, rehash: bool = False) -> Catalog:
    return scan(folder, reader=FileReader(cache, rehash=rehash))


def rewrite(path: Path) -> None:
    """Change a byte of a file, and reset its mtime."""
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def content_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.usefixtures("settled")
class TestSettled:
    def test_a_second_scan_opens_no_file_and_finds_the_same(
        self, folder: Path, tmp_path: Path, reads: list[Path]
    ) -> None:
        (folder / "cat" / "notes.txt").write_text("no image")
        with Cache(tmp_path / "cache") as cache:
            first = scan_again(folder, cache)
        assert len(reads) == 5
        reads.clear()
        with Cache(tmp_path / "cache") as cache:
            assert scan_again(folder, cache) == first
        assert reads == []

    def test_without_a_reader_every_file_is_read(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        first = scan_again(folder, memory)
        assert scan(folder) == first
        assert len(reads) == 8

    def test_a_file_of_another_size_is_read(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        scan_again(folder, memory)
        reads.clear()
        changed = folder / "cat" / "a.png"
        with changed.open("ab") as file:
            file.write(b"x")
        assert scan_again(folder, memory).photos[0].content == content_of(changed)
        assert reads == [changed]

    def test_a_file_of_another_time_is_read(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        first = scan_again(folder, memory)
        reads.clear()
        os.utime(folder / "cat" / "a.png", ns=(10**18, 10**18))
        assert scan_again(folder, memory) == first
        assert reads == [folder / "cat" / "a.png"]

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no time of the last change of status")
    def test_a_change_is_found_though_its_time_was_set_back(
        self, folder: Path, memory: Cache
    ) -> None:
        scan_again(folder, memory)
        rewrite(folder / "cat" / "a.png")
        assert scan_again(folder, memory).photos[0].content == content_of(folder / "cat" / "a.png")

    def test_a_change_without_new_times_is_found_by_rehashing_and_cached(
        self, folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a file system without ctime."""
        monkeypatch.setattr(file_reader, "_stamp", lambda _: file_reader.Stamp(1, 2, 3))
        changed = folder / "cat" / "a.png"
        before = scan_again(folder, memory).photos[0].content
        rewrite(changed)
        assert scan_again(folder, memory).photos[0].content == before
        assert scan_again(folder, memory, rehash=True).photos[0].content == content_of(changed)
        assert scan_again(folder, memory).photos[0].content == content_of(changed)

    def test_rehashing_reads_every_file(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        scan_again(folder, memory)
        scan_again(folder, memory, rehash=True)
        assert len(reads) == 8

    @pytest.mark.parametrize("row", [b"", b"1 2 3", b"1 2 3 1 abc", b"\xff" * 90])
    def test_a_malformed_row_is_ignored(
        self, folder: Path, memory: Cache, reads: list[Path], row: bytes
    ) -> None:
        first = scan_again(folder, memory)
        reads.clear()
        keys = [file_reader._key(first.file(photo)) for photo in first.photos]
        memory.put("file:v3", [(key, row) for key in keys])
        assert scan_again(folder, memory) == first
        assert len(reads) == 4

    def test_a_folder_that_was_moved_is_read_again(
        self, folder: Path, memory: Cache, reads: list[Path], tmp_path: Path
    ) -> None:
        first = scan_again(folder, memory)
        moved = folder.rename(tmp_path / "moved")
        assert scan_again(moved, memory).photos == first.photos
        assert len(reads) == 8

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
    def test_a_file_whose_name_is_not_utf8_is_cached_too(
        self, folder: Path, memory: Cache, reads: list[Path], write_picture: Write
    ) -> None:
        path = os.fsencode(write_picture(folder / "cat" / "c.png", seed=9))
        try:
            os.rename(path, path.replace(b"c.png", b"\xff.png"))  # noqa: PTH104
        except OSError:
            pytest.skip("this file system refuses such names")
        first = scan_again(folder, memory)
        assert len(first.photos) == 5
        reads.clear()
        assert scan_again(folder, memory) == first
        assert reads == []

    def test_a_second_training_opens_no_photo(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        prepare(folder, cache=memory, backbone="efficientnet-lite0")
        assert sorted(reads) == sorted(folder.glob("*/*"))  # each once: to hash it and to look
        reads.clear()
        prepare(folder, cache=memory, backbone="efficientnet-lite0")
        assert reads == []
        prepare(folder, cache=memory, backbone="efficientnet-lite0", rehash=True)
        assert sorted(reads) == sorted(folder.glob("*/*"))


def test_a_file_changed_just_before_is_read_again(
    folder: Path, memory: Cache, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might change again within the same tick of the clock."""
    changed_ns = max((folder / "cat" / "a.png").stat().st_ctime_ns, time.time_ns())
    monkeypatch.setattr(file_reader, "time_ns", lambda: changed_ns + 10**9)
    scan_again(folder, memory)
    scan_again(folder, memory)
    assert len(reads) == 8
    monkeypatch.setattr(file_reader, "time_ns", lambda: changed_ns + 3 * 10**9)
    scan_again(folder, memory)
    assert len(reads) == 12
    scan_again(folder, memory)
    assert len(reads) == 12


class TestBuffer:
    def scan_and_extract(self, folder: Path, cache: Cache, embedder: Any) -> Any:
        reader = FileReader()
        catalog = scan(folder, reader=reader)
        return reader, extract_features(catalog, embedder, CONTRACT, cache=cache, reader=reader)

    def test_a_photo_that_was_just_hashed_is_not_read_again(
        self, folder: Path, memory: Cache, fake_embedder: Any, reads: list[Path]
    ) -> None:
        reader, features = self.scan_and_extract(folder, memory, fake_embedder)
        assert len(reads) == len(features.catalog.photos) == 4
        assert not reader._buffered

    def test_beyond_the_limit_they_are_read_again(
        self,
        folder: Path,
        memory: Cache,
        fake_embedder: Any,
        reads: list[Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(file_reader, "_MAX_BUFFERED_BYTES", 0)
        _, features = self.scan_and_extract(folder, memory, fake_embedder)
        assert len(reads) == 8
        assert len(features.catalog.photos) == 4

    @pytest.mark.usefixtures("settled")
    def test_beyond_the_limit_they_are_not_hashed_again(
        self, folder: Path, memory: Cache, fake_embedder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hashed: list[bytes] = []
        monkeypatch.setattr(
            file_reader, "hash_bytes", lambda data: hashed.append(data) or content_hash(data)
        )
        monkeypatch.setattr(file_reader, "_key", str)
        monkeypatch.setattr(file_reader, "_MAX_BUFFERED_BYTES", 0)
        self.scan_and_extract(folder, memory, fake_embedder)
        assert len(hashed) == 4

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no time of the last change of status")
    @pytest.mark.usefixtures("settled")
    def test_beyond_the_limit_a_change_in_between_is_found(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file_reader, "_MAX_BUFFERED_BYTES", 0)
        path = folder / "cat" / "a.png"
        reader = FileReader()
        content = reader.learn(path).content
        rewrite(path)
        with pytest.raises(ImageError, match="changed while"):
            reader.read(path, content)

    def test_they_are_freed(self, folder: Path) -> None:
        path = folder / "cat" / "a.png"
        reader = FileReader()
        content = reader.learn(path).content
        reader.release()
        path.write_bytes(b"another")
        with pytest.raises(ImageError, match="changed while"):
            reader.read(path, content)


class TestMakeOnce:
    def files(self, folder: Path) -> dict[str, Path]:
        return {content_of(path): path for path in sorted(folder.glob("*/*"))}

    def test_the_maker_is_started_once_and_only_if_something_is_missing(
        self, folder: Path, memory: Cache
    ) -> None:
        files, starts = self.files(folder), []

        def start() -> Callable[[bytes], bytes]:
            starts.append(threading.current_thread())
            return bytes.upper

        made = make_once(memory, "kind", files, start)
        assert made == {content: path.read_bytes().upper() for content, path in files.items()}
        assert make_once(memory, "kind", files, start) == made
        assert starts == [threading.current_thread()]

    def test_what_is_cached_but_not_valid_is_made_again(
        self, folder: Path, memory: Cache, reads: list[Path]
    ) -> None:
        files = self.files(folder)
        first = next(iter(files))
        memory.put("kind", [(content, b"good") for content in files])
        memory.put("kind", [(first, b"bad")])
        made = make_once(memory, "kind", files, lambda: lambda _: b"new", is_valid=b"good".__eq__)
        assert made == {content: b"new" if content == first else b"good" for content in files}
        assert reads == [files[first]]
        assert dict(memory.get("kind", [first])) == {first: b"new"}

    def test_what_can_not_be_made_and_files_that_changed_are_left_out(
        self, folder: Path, memory: Cache
    ) -> None:
        files = self.files(folder)
        changed, gone, refused, good = files.values()
        refused_data, good_data = refused.read_bytes(), good.read_bytes()
        changed.write_bytes(b"another")
        gone.unlink()
        made = make_once(
            memory, "kind", files, lambda: lambda data: None if data == refused_data else data
        )
        assert made == {content_of(good): good_data}
        assert dict(memory.get("kind", list(files))) == made

    def test_it_is_written_on_the_way(
        self, folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files, written, puts = self.files(folder), threading.Event(), []
        last = list(files.values())[-1].read_bytes()

        def put(_: str, rows: list[tuple[str, bytes]]) -> None:
            puts.append(rows)
            written.set()

        def make(data: bytes) -> bytes:
            assert data != last or written.wait(5)
            return b"made"

        monkeypatch.setattr(file_reader, "_STORE_EVERY", 3)
        monkeypatch.setattr(memory, "put", put)
        assert make_once(memory, "kind", files, lambda: make).keys() == files.keys()
        assert [len(rows) for rows in puts] == [3, 1]
