"""Hugging Face's imagefolder: classes in ``metadata.csv`` or ``metadata.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from candid.data.catalog import scan
from candid.data.source import DataSource
from candid.data.sources import find_in, list_photos
from candid.errors import DataError
from tests.data.sources.made import labels, png, reasons


def write_photos(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(number))


def test_classes_are_those_of_the_metadata(tmp_path: Path) -> None:
    write_photos(tmp_path, "1.png", "2.png", "deep/3.png", "4.png", "5.png")
    rows = "1.png,007\n2.png,NA\ndeep/3.png,None\n4.png,\n"
    (tmp_path / "metadata.csv").write_text(f"file_name,label\n{rows}")
    catalog = scan(tmp_path)
    assert labels(catalog) == {"1.png": "007", "2.png": "NA", "deep/3.png": "None"}
    assert reasons(catalog) == {
        "4.png": "without a class",
        "5.png": "not listed in metadata.csv",
    }
    assert catalog.notes()[0] == "classes are those of metadata.csv, not names of folders"


def test_a_row_without_a_photo_is_told(tmp_path: Path) -> None:
    write_photos(tmp_path, "in/1.png", "2.png")
    rows = [{"file_name": f"{i}.png", "label": i % 2} for i in (1, 2, 3)]
    rows.append({"file_name": "in/1.png", "label": 1})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert reasons(scan(tmp_path)) == {"1.png": "no such file", "3.png": "no such file"}


def test_each_part_may_have_metadata(tmp_path: Path) -> None:
    names = [f"{part}/{i}.png" for part in ("train", "test") for i in range(4)]
    write_photos(tmp_path, *names)
    for part in ("train", "test"):
        rows = "".join(f"{i}.png,{'xy'[i % 2]}\n" for i in range(3))
        (tmp_path / part / "metadata.csv").write_text(f"file_name,label\n{rows}")
    catalog = scan(tmp_path)
    assert [photo.path for photo in catalog.photos] == [
        name for name in sorted(names) if not name.endswith("3.png")
    ]
    assert {catalog.role(photo) for photo in catalog.photos} == {"train", "test"}
    reason = "not listed in test/metadata.csv and train/metadata.csv"
    assert reasons(catalog) == {"test/3.png": reason, "train/3.png": reason}


def test_metadata_above_the_parts_is_read_too(tmp_path: Path) -> None:
    write_photos(tmp_path, "train/1.png", "train/2.png", "test/crash-test.png")
    rows = "train/1.png,x\ntrain/2.png,y\ntest/crash-test.png,x\n"
    (tmp_path / "metadata.csv").write_text(f"file_name,label\n{rows}")
    catalog = scan(tmp_path)
    assert [catalog.role(photo) for photo in catalog.photos] == ["test", "train", "train"]


def test_names_of_photos_and_classes_decide_no_part(tmp_path: Path) -> None:
    write_photos(tmp_path, "train-wagon/crash-test.png", "b/2.png", "b/dev-kit.png")
    rows = "train-wagon/crash-test.png,train\nb/2.png,b\nb/dev-kit.png,b\n"
    (tmp_path / "metadata.csv").write_text(f"file_name,label\n{rows}")
    catalog = scan(tmp_path)
    assert (catalog.parts, catalog.classes, len(catalog.photos)) == ((), ("b", "train"), 3)


@pytest.mark.parametrize("columns", ["file_name,text", "name,label", "file_name,species,category"])
def test_class_folders_with_other_metadata_stay_class_folders(tmp_path: Path, columns: str) -> None:
    write_photos(tmp_path, "cat/1.png", "dog/2.png")
    row = ",".join(["cat/1.png", *["x"] * columns.count(",")])
    (tmp_path / "metadata.csv").write_text(f"{columns}\n{row}\n")
    catalog = scan(tmp_path)
    assert (catalog.classes, catalog.listing) == (("cat", "dog"), None)


def test_other_columns_are_named(tmp_path: Path) -> None:
    write_photos(tmp_path, "cat/1.png", "dog/2.png")
    (tmp_path / "metadata.csv").write_text("name,sex\ncat/1.png,f\ndog/2.png,m\n")
    assert scan(DataSource(tmp_path, "name", "sex")).classes == ("f", "m")


def test_damaged_metadata_is_one_line(tmp_path: Path) -> None:
    write_photos(tmp_path, "1.png")
    (tmp_path / "metadata.csv").write_text('file_name,label\n"1.png,x\n')
    with pytest.raises(DataError, match=r"metadata\.csv can't be read as CSV: "):
        scan(tmp_path)


def test_a_photo_is_found_without_reading_the_metadata(tmp_path: Path) -> None:
    write_photos(tmp_path, "1.png")
    (tmp_path / "metadata.csv").write_text("file_name,label\n1.png,x\n")
    assert list_photos(DataSource(tmp_path), labelled=False) is None
    assert find_in(DataSource(tmp_path))("1.png") == tmp_path / "1.png"
