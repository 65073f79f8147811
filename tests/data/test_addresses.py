"""Photos at addresses of fsspec, read from a real S3 server, a web server and ZIP archives."""

from __future__ import annotations

import io
import pickle
import shutil
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.core.cache import Cache
from candid.data import address, fetching
from candid.data.address import AddressFile, file_system, list_files
from candid.data.catalog import Catalog
from candid.data.file_reader import FileReader
from candid.data.images import read_file
from candid.data.scan import scan
from candid.data.source import DataSource
from candid.data.sources import find_in
from candid.errors import DataError, DependencyError, ImageError
from tests.s3_server import S3, every, slow


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(fetching.RETRIED, "_told", 0.0)  # else another test said so just now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with parts, nested and hidden folders, and whatever else lies in people's folders."""
    root = tmp_path_factory.mktemp("photos") / "set"
    names = [f"{part}/{kind}/{n}.png" for part in ("train", "Test_set") for kind in ("cat", "dog")
             for n in range(4)]  # fmt: skip
    for seed, name in enumerate([*names, "train/cat/2024/ä b#%.png", "train/dog/.thumb/a.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
        assert cv2.imwrite(str(root / name), pixels)
    others = {
        "README.txt": b"read me",
        ".DS_Store": b"x",
        "train/cat/notes.txt": b"no photo",
        "train/cat/movie.mp4": b"\0\0\0\x18ftypmp42" + bytes(40),
        "train/dog/empty.jpg": b"",
        "train/loose.png": b"\x89PNG\r\n\x1a\n",
        "extra/x.png": b"\x89PNG\r\n\x1a\n",
    }
    for name, data in others.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def rows(catalog: Catalog) -> list[object]:
    photos = [
        (p.path, p.label, p.content, catalog.part(p), catalog.role(p)) for p in catalog.photos
    ]
    return [photos, catalog.skipped, catalog.classes, catalog.parts, catalog.notes()]


class TestTheSameTree:
    def test_a_bucket_gives_the_catalog_of_the_folder_row_by_row(
        self, s3: S3, folder: Path
    ) -> None:
        local, remote = scan(folder), scan(s3.put_folder(folder, "same"))
        assert rows(remote) == rows(local)
        assert len(remote.photos) == 17
        photo = remote.photos[0]
        assert remote.below_part(photo.path) == local.below_part(photo.path)

    def test_a_bucket_is_listed_once_and_no_photo_is_asked_for_twice(
        self, s3: S3, folder: Path
    ) -> None:
        scan(s3.put_folder(folder, "once"))
        listings = [line for line in s3.asked if "list-type" in line]
        assert len(listings) == 1
        assert len(s3.reads) == len(set(s3.reads)) == len(s3.asked) - 1

    @pytest.mark.parametrize("form", ["zip://::{}", "zip://{}", "{}"])
    def test_a_zip_archive_gives_the_catalog_of_the_folder(
        self, folder: Path, tmp_path: Path, form: str
    ) -> None:
        file = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
        assert rows(scan(form.format(file))) == rows(scan(folder))

    def test_a_zip_archive_in_a_bucket_gives_it_too_and_is_fetched_once(
        self, s3: S3, folder: Path, tmp_path: Path
    ) -> None:
        file = Path(shutil.make_archive(str(tmp_path / "set"), "zip", folder))
        s3.put("zipped/set.zip", file.read_bytes())
        s3.fault = every(2)
        for name in ("zip://::s3://photos/zipped/set.zip", "s3://photos/zipped/set.zip"):
            assert rows(scan(name)) == rows(scan(folder))
        assert len(s3.reads) <= 2  # one may have failed

    def test_a_file_and_a_folder_of_one_name_are_both_seen(self, s3: S3, folder: Path) -> None:
        png = (folder / "train/cat/0.png").read_bytes()
        for name in ("cat/a", "cat/a/b.png", "cat/", "dog/c.png"):
            s3.put(f"both/{name}", png if name[-1] != "/" else b"")
        assert [photo.path for photo in scan("s3://photos/both").photos] == [
            "cat/a",
            "cat/a/b.png",
            "dog/c.png",
        ]

    def test_ten_thousand_photos_take_ten_pages_of_a_listing(self, s3: S3) -> None:
        for number in range(10_001):
            s3.put(f"many/{number % 2}/{number}.png", b"x")
        s3.fault = every(4, among="GET /photos?")
        files = list_files("s3://photos/many")
        assert len(files) == 10_001
        assert len(s3.asked) == 11 + 3  # a page that fails is asked for again, and no other
        assert files["1/777.png"].size == 1


class TestForms:
    def test_a_table_in_a_bucket_names_photos_beside_it(self, s3: S3, folder: Path) -> None:
        s3.put_folder(folder, "table")
        s3.put(
            "table/labels.csv", b"path,label\ntrain/cat/0.png,a\ntrain/dog/0.png,b\n../x.png,b\n"
        )
        catalog = scan("s3://photos/table/labels.csv")
        assert [(p.path, p.label) for p in catalog.photos] == [
            ("train/cat/0.png", "a"),
            ("train/dog/0.png", "b"),
        ]
        assert catalog.skipped[0].reason == "not below s3://photos/table"
        assert len([line for line in s3.asked if line.startswith("HEAD")]) <= 3

    def test_a_tar_on_a_web_server_is_read_as_on_disk(
        self, folder: Path, tmp_path: Path, web: str
    ) -> None:
        write_tar(folder, tmp_path / "set.tar")
        remote, local = scan(f"{web}/set.tar"), scan(tmp_path / "set.tar")
        assert remote.photos == local.photos
        assert len(remote.photos) == 2

    def test_a_tar_in_a_bucket_is_fetched_once_in_pieces_that_may_fail(
        self, s3: S3, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(address, "_PIECE", 1000)
        s3.put("tar/set.tar", write_tar(folder, tmp_path / "set.tar").read_bytes())
        s3.fault = every(3)
        remote, local = scan("s3://photos/tar/set.tar"), scan(tmp_path / "set.tar")
        assert remote.photos == local.photos
        file = remote.file(remote.photos[0])
        assert isinstance(file, AddressFile)
        num_reads = len(s3.reads)
        assert file.read(10**6) == local.file(local.photos[0]).read(10**6)
        assert num_reads == len(s3.reads) > 10

    def test_without_room_on_the_disk_members_are_read_by_ranges(
        self, s3: S3, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scan(folder)
        s3.put("room/set.tar", write_tar(folder, tmp_path / "set.tar").read_bytes())
        fetching.KEPT.put("any", b"")
        monkeypatch.setattr(fetching.KEPT, "_left", 0)
        assert len(scan("s3://photos/room/set.tar").photos) == 2


def write_tar(folder: Path, file: Path) -> Path:
    """A WebDataset of two photos."""
    with tarfile.open(file, "w") as tar:
        for number, kind in enumerate(("cat", "dog")):
            data = (folder / f"train/{kind}/0.png").read_bytes()
            for name, member in ((f"{number}.png", data), (f"{number}.cls", kind.encode())):
                info = tarfile.TarInfo(name)
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
    return file


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server of ``tmp_path``, which knows no ranges."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class TestFaults:
    def test_one_read_in_ten_that_fails_changes_nothing_and_is_told(
        self, s3: S3, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        where = s3.put_folder(folder, "failing")
        s3.fault = every(4)
        assert rows(scan(where)) == rows(scan(folder))
        assert len(s3.reads) > len(set(s3.reads))
        told = [record.getMessage() for record in caplog.records]
        assert told[0].startswith("trying again: s3://photos/failing/")
        assert len(told) < 4  # at most one a second

    def test_slow_reads_wait_side_by_side(self, s3: S3, folder: Path) -> None:
        where = s3.put_folder(folder, "slow")
        s3.fault = slow(0.2)
        assert len(scan(where).photos) == 17
        assert s3.most_at_once > 6

    def test_a_read_that_never_succeeds_is_a_reason(self, s3: S3, folder: Path) -> None:
        where = s3.put_folder(folder, "never")
        s3.fault = lambda line: 500 if line.endswith("train/cat/0.png") else None
        catalog = scan(where)
        reasons = {row.path: row.reason for row in catalog.skipped}
        assert "(6 tries)" in reasons["train/cat/0.png"]
        assert s3.reads.count("never/train/cat/0.png") == 6
        assert len(catalog.photos) == 16

    @pytest.mark.parametrize(("status", "reason"), [(403, "permission denied"), (404, "no such")])
    def test_what_is_forbidden_or_gone_is_not_tried_again(
        self, s3: S3, status: int, reason: str
    ) -> None:
        s3.put(f"final/{status}.png", b"x")
        s3.fault = lambda line: status if line.startswith("GET") else None
        with pytest.raises(ImageError, match=reason):
            read_file(AddressFile("s3://photos/final", f"{status}.png"))
        assert len(s3.asked) == 1

    def test_a_read_without_an_answer_ends(self, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(address, "_TRY_S", 0.1)
        monkeypatch.setattr(fetching, "_READ_S", 0.15)
        s3.put("silent/a.png", b"x")
        s3.fault = slow(0.6)
        started = time.monotonic()
        with pytest.raises(ImageError, match="no answer in time"):
            read_file(AddressFile("s3://photos/silent", "a.png", 1, "tag"))
        assert time.monotonic() - started < 5

    def test_what_is_too_large_is_not_fetched(self, s3: S3) -> None:
        with pytest.raises(ImageError, match="too large: 600 MiB"):
            read_file(AddressFile("s3://photos/large", "a.mp4", 600 * 1024**2, "tag"))
        assert not s3.asked

    @pytest.mark.usefixtures("s3")
    def test_an_empty_or_absent_bucket_is_one_line(self) -> None:
        with pytest.raises(DataError, match=r"s3://absent/set can't be listed: The specified"):
            scan("s3://absent/set")
        with pytest.raises(DataError, match="0 classes with photos"):
            scan("s3://photos/nothing")

    def test_a_missing_package_is_named(self) -> None:
        with pytest.raises(DependencyError, match="install gcsfs"):
            scan("gs://bucket/photos")
        with pytest.raises(DataError, match="opened: Protocol not known: nope"):
            scan("nope://x/photos")


class TestReadOnce:
    def test_hashes_are_remembered_by_etag(self, s3: S3, folder: Path, tmp_path: Path) -> None:
        where = s3.put_folder(folder, "etags")
        with Cache(tmp_path) as cache:
            scan(where, reader=FileReader(cache))
            before = len(s3.reads)
            assert scan(where, reader=FileReader(cache)).photos == scan(folder).photos
            # Only what has no hash, such as an empty file, is looked at again.
            assert set(s3.reads[before:]) <= {"etags/train/dog/empty.jpg"}
            s3.put("etags/train/cat/0.png", (folder / "train/dog/0.png").read_bytes())
            changed = scan(where, reader=FileReader(cache)).photos
        photos = {photo.path: photo.content for photo in changed}
        assert photos["train/cat/0.png"] == photos["train/dog/0.png"]

    def test_what_was_fetched_is_kept_on_disk_until_the_end(self, s3: S3) -> None:
        s3.put("kept/a.png", b"bytes")
        (file,) = list_files("s3://photos/kept").values()
        again = pickle.loads(pickle.dumps(file))
        assert file.read(100) == again.read(100) == b"bytes"
        assert again.read(2) == b"by"
        assert s3.reads == ["kept/a.png"]

    def test_without_room_on_the_disk_it_is_fetched_again(
        self, s3: S3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetching.KEPT.put("made", b"")  # with its folder, there is room that can be taken away
        monkeypatch.setattr(fetching.KEPT, "_left", 0)
        s3.put("full/a.png", b"bytes")
        (file,) = list_files("s3://photos/full").values()
        assert file.read(100) == file.read(100) == b"bytes"
        assert len(s3.reads) == 2

    def test_files_are_fetched_ahead_and_a_failure_is_told_at_its_turn(self, s3: S3) -> None:
        s3.put("ahead/a.png", b"a")
        s3.put("ahead/b.png", b"b")
        files = list(list_files("s3://photos/ahead").values())
        s3.remove("ahead/b.png")
        (first, second) = address.ahead(files, lambda file: file)
        s3.asked.clear()
        assert first.read(9) == b"a"
        with pytest.raises(FileNotFoundError):
            second.read(9)
        assert not s3.asked


class TestSecrets:
    def test_passwords_and_signatures_are_shown_nowhere(self) -> None:
        text = "https://me:pa55@example.com/set/photos?X-Amz-Signature=51gn"
        source = DataSource(text)
        file = AddressFile.at(text)
        for shown in (str(source), repr(source), source.name, file.address, repr(file)):
            assert "pa55" not in shown
            assert "51gn" not in shown
        assert file.place()[1] == text
        again = DataSource(str(source))  # as a run names it, in the same process
        assert file_system(str(again))[1] == text

    def test_a_name_comes_from_the_address(self) -> None:
        assert DataSource("s3://bucket/photos/").name == "photos"
        assert DataSource("zip://::s3://bucket/set.zip").name == "set"
        assert DataSource("file:///tmp/a%20b").path == Path("/tmp/a b").resolve()


def test_photos_of_an_address_are_found_by_their_paths(s3: S3) -> None:
    s3.put("found/cat/a.png", b"x")
    find = find_in(DataSource("s3://photos/found"))
    file = find("cat/a.png")
    assert isinstance(file, AddressFile)
    assert file.address == "s3://photos/found/cat/a.png"
    assert find("cat/b.png") is None
