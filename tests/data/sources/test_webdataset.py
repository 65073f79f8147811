"""Tar files of samples, as WebDataset writes them, and as people do."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from candid.data.catalog import scan
from candid.data.images import read_file
from candid.data.source import DataSource
from candid.data.sources import list_photos
from candid.errors import DataError
from tests.data.sources.made import labels, png, reasons, write_tar


def sample(key: str, number: int, label: str) -> list[tuple[str, bytes]]:
    """A photo and its class."""
    return [(f"{key}.png", png(number)), (f"{key}.cls", label.encode())]


def test_a_sample_is_a_photo_and_a_class(tmp_path: Path) -> None:
    members = [*sample("a.b/0", 1, "cat"), *sample("a.b/1", 2, "7"), *sample("2", 3, "007\n")]
    catalog = scan(write_tar(tmp_path / "set.tar", members))
    assert labels(catalog) == {"2.png": "007", "a.b/0.png": "cat", "a.b/1.png": "7"}
    file = catalog.file(catalog.photos[1])
    assert read_file(pickle.loads(pickle.dumps(file))) == png(1)


def test_the_class_may_be_in_json(tmp_path: Path) -> None:
    rows = [{"label": "cat"}, {"label": 3}, {"label": ["dog"]}, {"label": ["a", "b"]}, {}]
    members = [(f"{i}.png", png(i)) for i in range(5)]
    members += [(f"{i}.json", json.dumps(row).encode()) for i, row in enumerate(rows)]
    catalog = scan(write_tar(tmp_path / "set.tar", members))
    assert labels(catalog) == {"0.png": "cat", "1.png": "3", "2.png": "dog"}
    assert reasons(catalog) == {
        "3.png": "of several classes: a and b",
        "4.png": "without a class",
    }


def test_members_of_a_sample_need_not_lie_side_by_side(tmp_path: Path) -> None:
    samples = [sample(str(i), i, "cat" if i % 2 else "dog") for i in range(4)]
    photos, classes = zip(*samples, strict=True)
    catalog = scan(write_tar(tmp_path / "set.tar", [*photos, *reversed(classes)]))
    assert labels(catalog) == {"0.png": "dog", "1.png": "cat", "2.png": "dog", "3.png": "cat"}


def test_suffixes_have_no_case_and_may_be_mixed(tmp_path: Path) -> None:
    members = [("0.PNG", png(0)), ("0.CLS", b"a"), ("1.jpg", png(1)), ("1.cls", b"b")]
    members += [("2.webp", png(2)), ("2.cls", b"b"), ("._2.webp", b"x"), ("README", b"x")]
    catalog = scan(write_tar(tmp_path / "set.tar", members))
    assert labels(catalog) == {"0.PNG": "a", "1.jpg": "b", "2.webp": "b"}


def test_a_key_ends_at_the_first_dot(tmp_path: Path) -> None:
    members = [(f"IMG.{i}.png", png(i)) for i in range(3)]
    members += [*sample("a", 1, "x"), *sample("b", 2, "y")]
    assert reasons(scan(write_tar(tmp_path / "set.tar", members))) == {
        "IMG": "3 photos of one key (.0.png, .1.png and .2.png), which ends at the first dot; "
        "choose one with --image-column"
    }


def test_other_suffixes_and_keys_are_named(tmp_path: Path) -> None:
    members = []
    for i, label in enumerate(["x", "y"]):
        members += [(f"{i}.rgb.png", png(i)), (f"{i}.mask.png", png(i + 9))]
        members += [(f"{i}.json", json.dumps({"kind": label}).encode()), (f"{i}.txt", b"a")]
    file = write_tar(tmp_path / "set.tar", members)
    catalog = scan(DataSource(file, "rgb.png", "kind"))
    assert labels(catalog) == {"0.rgb.png": "x", "1.rgb.png": "y"}
    with pytest.raises(DataError, match=r"1 class with photos \(a\)"):
        scan(DataSource(file, "rgb.png", "txt"))
    with pytest.raises(DataError, match=r"has no photo, that is no member \.scan\.$"):
        list_photos(DataSource(write_tar(file, [("1.png", png(1))]), "scan"), labelled=False)


def test_what_is_no_whole_sample_is_named(tmp_path: Path) -> None:
    members = [*sample("0", 0, "x"), *sample("1", 1, "y"), ("2.png", png(2)), ("3.cls", b"x")]
    members += [*sample("4", 4, "x"), ("4.png", png(5)), ("5.png", png(5)), ("5.cls", b"\xff")]
    members += [("6.png", png(6)), ("6.json", b"{")]
    assert reasons(scan(write_tar(tmp_path / "set.tar", members))) == {
        "2.png": "without a class",
        "3": "without a photo",
        "4.png": "two members called 4.png",
        "5.png": "its .cls is no text in UTF-8",
        "6.png": "its .json can't be read: Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)",
    }


def test_classes_that_are_nowhere_but_in_names_of_folders_are_an_error(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "set.tar", [("cat/1.png", png(1)), ("dog/2.png", png(2))])
    with pytest.raises(DataError, match=r"no key label .* names of folders in it, unpack it\.$"):
        scan(file)
    listing = list_photos(DataSource(file), labelled=False)
    assert listing is not None
    assert [row.path for row in listing.rows] == ["cat/1.png", "dog/2.png"]


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A folder of five tar files, of two parts."""
    folder = tmp_path / "set"
    folder.mkdir()
    for i, name in enumerate(["train-000", "train-001", "train-002", "test-000", "test-001"]):
        members = [*sample("0", 10 * i, "x"), *sample("1", 10 * i + 1, "y")]
        write_tar(folder / f"{name}.tar", members)
    (folder / "README.md").write_text("x")
    return folder


def test_a_folder_of_tar_files_may_have_parts(series: Path) -> None:
    catalog = scan(series)
    assert len(catalog.photos) == 10
    assert catalog.photos[0].path == "test-000.tar/0.png"
    assert [catalog.role(photo) for photo in catalog.photos] == ["test"] * 4 + ["train"] * 6


def test_a_pattern_names_tar_files(series: Path) -> None:
    assert len(scan(series / "train-{000..001}.tar").photos) == 4
    both = DataSource(series / "{train,test}-{000..001}.tar")
    assert (len(scan(both).photos), both.name) == (8, "data")
    assert DataSource(series / "train-{000..001}.tar").name == "train"
    assert len(scan(series.parent / "{set}" / "test-000.tar").photos) == 2
    with pytest.raises(DataError, match=r"lacks train-003\.tar and train-004\.tar\.$"):
        scan(series / "train-{000..004}.tar")
    with pytest.raises(DataError, match="more than 100,000 files"):
        scan(series / "{0..999}{0..999999999}.tar")


def test_a_damaged_tar_file_gives_what_comes_before(tmp_path: Path) -> None:
    members = [entry for i in range(6) for entry in sample(str(i), i, "xy"[i % 2])]
    file = write_tar(tmp_path / "set.tar", members)
    whole = file.read_bytes()
    cut_off = "it has no end, so it may have been cut off"
    for blocks, reason in ((16, cut_off), (16.5, cut_off), (17.1, "unexpected end of data")):
        file.write_bytes(whole[: int(blocks * 512)])
        catalog = scan(file)
        assert list(labels(catalog)) == ["0.png", "1.png", "2.png", "3.png"]
        [note] = catalog.notes()
        assert note.endswith(f"is damaged: {reason}; what comes before has 4 samples")
    for data in (b"no tar at all" * 200, b"\x1f\x8b" + whole, b"x"):
        file.write_bytes(data)
        with pytest.raises(DataError, match=r"can't be read as a tar file: .*\. Restore it\.$"):
            scan(file)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="can't be read as a tar file"):
        scan(file)


@pytest.mark.parametrize("name", ["set.tar.gz", "set.tgz", "SET.TAR.XZ"])
def test_a_compressed_tar_file_has_to_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"Unpack it, or write a plain \.tar"):
        scan(tmp_path / name)


def test_archives_of_different_forms_in_one_folder_are_an_error(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", sample("0", 1, "x"))
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"has a\.tar and b\.parquet; expected \.tar files alone"):
        scan(tmp_path)
