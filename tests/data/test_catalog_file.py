"""A catalog as a Parquet file: what it holds, and that photos are not read again for it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import candid
from candid.cli.demo import SampleSet
from candid.data import catalog_writer, file_reader
from candid.data.catalog import scan
from candid.data.file_reader import FileReader
from candid.errors import DataError, ImageError, UsageError
from tests.s3_server import S3


@pytest.fixture(autouse=True)
def no_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the photos had lain there for a while."""
    monkeypatch.setattr(catalog_writer, "RACY_NS", -(10**18))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos of two classes in two parts each, one of 16 bits, and what is left out."""
    root = tmp_path / "set"
    for seed, name in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (root / name).mkdir(parents=True)
        dtype = np.uint16 if seed == 0 else np.uint8
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype)
        assert cv2.imwrite(str(root / name / "photo.png"), pixels)
    (root / "train/a/notes.txt").write_text("no photo")
    (root / "train/b/movie.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What a `FileReader` reads."""
    read, found = file_reader.read_file, []
    monkeypatch.setattr(file_reader, "read_file", lambda path: found.append(path) or read(path))
    return found


def rows(catalog: object) -> object:
    return catalog.photos, catalog.skipped, catalog.classes, catalog.parts, catalog.notes()


def test_it_gives_the_catalog_of_the_folder_without_reading_a_photo(
    folder: Path, tmp_path: Path, reads: list[object]
) -> None:
    file = tmp_path / "set.parquet"
    written = candid.catalog(folder, file)
    reads.clear()
    reader = FileReader()
    found = scan(file, reader=reader)
    assert rows(found) == rows(written) == rows(scan(folder))
    assert [found.below_part(p.path) for p in found.photos] == [
        written.below_part(p.path) for p in written.photos
    ]
    assert [found.role(p) for p in found.photos] == ["test", "test", "train", "train"]
    assert [reader.is_deep(p.content) for p in found.photos] == [False, False, True, False]
    assert len(reads) == 6  # by the scan of the folder alone


def test_its_columns_and_classes_can_be_read_by_others(folder: Path, tmp_path: Path) -> None:
    candid.catalog(folder, tmp_path / "set.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "set.parquet")
    row = next(row for row in table.to_pylist() if row["path"] == "train/a/photo.png")
    assert row["uri"] == (folder / "train/a/photo.png").as_uri()
    assert (row["class"], row["part"], row["deep"]) == ("a", "train", True)
    assert row["size"] == (folder / "train/a/photo.png").stat().st_size
    assert json.loads(table.schema.metadata[b"candid.catalog"])["classes"] == ["a", "b"]
    skipped = {row["path"]: row["reason"] for row in table.to_pylist() if row["reason"]}
    assert skipped["train/a/notes.txt"] == "not an image"


def test_a_class_without_photos_stays_a_class(tmp_path: Path, folder: Path) -> None:
    (folder / "train/c").mkdir()
    candid.catalog(folder, tmp_path / "set.parquet")
    assert scan(tmp_path / "set.parquet", to_train=False).classes == ("a", "b", "c")


class TestChanges:
    def test_a_changed_photo_has_a_reason_and_a_touched_one_is_kept(
        self, folder: Path, tmp_path: Path, reads: list[object]
    ) -> None:
        candid.catalog(folder, tmp_path / "set.parquet")
        photo, touched = folder / "train/a/photo.png", folder / "train/b/photo.png"
        photo.write_bytes(touched.read_bytes())
        os.utime(touched, ns=(1, 1))
        (folder / "test/a/photo.png").unlink()
        reads.clear()
        catalog = scan(tmp_path / "set.parquet", to_train=False)
        reasons = {row.path: row.reason for row in catalog.skipped}
        assert reasons["train/a/photo.png"] == "changed since the catalog was written"
        assert reasons["test/a/photo.png"] == "no such file"
        assert [p.path for p in catalog.photos] == ["test/b/photo.png", "train/b/photo.png"]
        assert set(reads) == {photo, touched, folder / "test/a/photo.png"}

    def test_a_change_of_equal_size_and_time_is_seen_when_all_are_read(
        self, folder: Path, tmp_path: Path
    ) -> None:
        candid.catalog(folder, tmp_path / "set.parquet")
        photo = folder / "train/b/photo.png"
        status, data = photo.stat(), bytearray(photo.read_bytes())
        data[-1] ^= 1
        photo.write_bytes(data)
        os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert len(scan(tmp_path / "set.parquet").photos) == 4
        catalog = scan(tmp_path / "set.parquet", reader=FileReader(rehash=True))
        assert "changed since" in {row.path: row.reason for row in catalog.skipped}[
            "train/b/photo.png"
        ]  # fmt: skip

    def test_photos_written_a_moment_ago_are_read_again(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[object]
    ) -> None:
        monkeypatch.setattr(catalog_writer, "RACY_NS", 10**18)
        candid.catalog(folder, tmp_path / "set.parquet")
        reads.clear()
        assert len(scan(tmp_path / "set.parquet").photos) == 4
        assert len(reads) == 4


class TestOtherSources:
    def test_of_a_bucket_it_asks_nothing_until_a_photo_is_needed(
        self, s3: S3, folder: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "set.parquet"
        written = candid.catalog(s3.put_folder(folder, "cataloged"), file)
        s3.asked.clear()
        catalog = scan(file)
        assert rows(catalog) == rows(written) == rows(scan(folder))
        assert not s3.asked
        reader, photo = FileReader(), catalog.photos[0]
        s3.put(f"cataloged/{photo.path}", bytes(9999))
        with pytest.raises(ImageError, match="changed since it was listed"):
            reader.read(catalog.file(photo), "0" * 64)
        etags = pyarrow.parquet.read_table(file)["etag"].to_pylist()
        assert len(etags[0]) == 32

    def test_members_of_an_archive_and_cells_of_a_table_keep_their_places(
        self, folder: Path, tmp_path: Path
    ) -> None:
        data = [(folder / f"train/{kind}/photo.png").read_bytes() for kind in "ab"]
        with tarfile.open(tmp_path / "set.tar", "w") as tar:
            for number, photo in enumerate(data):
                for name, member in (
                    (f"{number}.png", photo),
                    (f"{number}.cls", b"ab"[number:][:1]),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(member)
                    tar.addfile(info, io.BytesIO(member))
        table = pyarrow.table({"image": data, "label": ["a", "b"]})
        pyarrow.parquet.write_table(table, tmp_path / "cells.parquet")
        for name in ("set.tar", "cells.parquet"):
            written = candid.catalog(tmp_path / name, tmp_path / "out.parquet")
            found = scan(tmp_path / "out.parquet")
            assert rows(found) == rows(written)
            for photo, expected in zip(found.photos, data, strict=True):
                assert found.file(photo).read(10**6) == expected

    def test_names_that_are_no_utf_8_come_back(self, folder: Path, tmp_path: Path) -> None:
        odd = folder / "train/a" / os.fsdecode(b"caf\xe9 #%.png")
        odd.write_bytes((folder / "train/b/photo.png").read_bytes() + b"1")
        candid.catalog(folder, tmp_path / "set.parquet")
        found = scan(tmp_path / "set.parquet")
        assert rows(found) == rows(scan(folder))
        assert odd in {found.file(photo) for photo in found.photos}


class TestWriting:
    def test_a_file_that_fails_half_way_leaves_the_old_one(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "set.parquet"
        candid.catalog(folder, file)
        before = file.read_bytes()

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pyarrow.parquet.ParquetWriter, "write_batch", fail)
        with pytest.raises(UsageError, match="can't be written: No space left"):
            candid.catalog(folder, file)
        assert file.read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.parquet"]

    def test_many_photos_are_row_groups_of_bounded_size(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalog_writer, "ROWS", 2)
        candid.catalog(folder, tmp_path / "set.parquet")
        assert pyarrow.parquet.ParquetFile(tmp_path / "set.parquet").num_row_groups == 3

    def test_where_it_may_not_lie_is_told(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="lies in the data folder"):
            candid.catalog(folder, folder / "set.parquet")
        with pytest.raises(UsageError, match="has another suffix"):
            candid.catalog(folder, tmp_path / "set.csv")

    def test_a_later_version_and_a_damaged_file_are_one_line(
        self, folder: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "set.parquet"
        candid.catalog(folder, file)
        table = pyarrow.parquet.read_table(file)
        facts = json.loads(table.schema.metadata[b"candid.catalog"])
        for change, said in (({"version": 9}, "of version 9"), ({"classes": 3}, "can't be read")):
            metadata = {b"candid.catalog": json.dumps(facts | change).encode()}
            pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
            with pytest.raises(DataError, match=said):
                scan(file)


def test_faces_have_the_same_catalog(faces: SampleSet, tmp_path: Path) -> None:
    candid.catalog(faces.folder, tmp_path / "faces.parquet")
    assert rows(scan(tmp_path / "faces.parquet")) == rows(scan(faces.folder))
