"""Photos that are listed by a file, instead of lying in a folder per class."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.data.catalog import scan
from candid.data.source import DataSource
from candid.data.sources import list_photos
from candid.errors import DataError
from tests.data.sources.made import labels, reasons


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four small photos in one folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        pixels = np.full((8, 8, 3), ord(name), np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
    return folder


def test_a_csv_names_photos_and_their_classes(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,label,group\na.png,cat,1\nb.png,dog,2\n./c.png,cat,1\nd.png,,\n")
    catalog = scan(table)
    assert [(p.path, p.label, p.group) for p in catalog.photos] == [
        ("a.png", "cat", "1"),
        ("b.png", "dog", "2"),
        ("c.png", "cat", "1"),
    ]
    assert catalog.classes == ("cat", "dog")
    assert [(row.path, row.reason) for row in catalog.skipped] == [("d.png", "without a class")]


def test_json_lines_have_columns_of_other_names(photos: Path) -> None:
    table = photos / "labels.jsonl"
    rows = [{"img": "a.png", "kind": 1}, {"img": "b.png", "kind": 0}, {"img": "x.png", "kind": 0}]
    table.write_text("\n".join(map(json.dumps, rows)))
    catalog = scan(DataSource(table, "img", "kind"))
    assert [(p.path, p.label) for p in catalog.photos] == [("a.png", "1"), ("b.png", "0")]
    assert [(row.path, row.reason) for row in catalog.skipped] == [("x.png", "no such file")]


def test_a_missing_column_is_told_with_those_that_are_there(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("photo,species\na.png,cat\n")
    with pytest.raises(DataError, match=r"it has photo and species\. Name it with --image-column"):
        scan(table)


def test_a_photo_of_two_classes_is_left_out(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,label\na.png,cat\nb.png,dog\nc.png,cat\nc.png,dog\nd.png,dog\n")
    catalog = scan(table)
    assert [(row.path, row.reason) for row in catalog.skipped] == [
        ("c.png", "listed as cat and as dog")
    ]


def test_cells_stay_as_written(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path;label\na.png;007\nb.png;NA\nc.png;None\nd.png;1.0\n")
    assert scan(table).classes == ("007", "1.0", "NA", "None")


def test_names_of_columns_and_classes_keep_upper_case(photos: Path) -> None:
    table = photos / "labels.tsv"
    table.write_text("Path\tCat\tDog\na.png\t1\t0\nb.png\t0.0\t1.0\n")
    catalog = scan(DataSource(table, label_column="cat, Dog"))
    assert labels(catalog) == {"a.png": "Cat", "b.png": "Dog"}


def test_of_several_label_columns_exactly_one_has_a_1(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("image,cat,dog\na.png,1,0\nb.png,0,1\nc.png,1,1\nd.png,0,0\ne.png,x,1\n")
    catalog = scan(DataSource(table, label_column="cat,dog"))
    assert labels(catalog) == {"a.png": "cat", "b.png": "dog"}
    assert reasons(catalog) == {
        "c.png": "of several classes: cat and dog",
        "d.png": "without a class",
        "e.png": "its cat is x; expected 0 or 1",
    }


def test_a_missing_label_column_is_told_with_how_to_name_several(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,mel,nv\na.png,1,0\n")
    with pytest.raises(DataError, match="several of 0 and 1 separated by commas"):
        scan(table)


def test_two_columns_that_could_be_the_class_are_listed(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,species,category\na.png,1,0\n")
    with pytest.raises(DataError, match=r"could be meant: category and species\. Name one with"):
        scan(table)
    table.write_text("path,species,label\na.png,1,0\nb.png,0,1\n")
    assert labels(scan(table)) == {"a.png": "0", "b.png": "1"}


def test_paths_may_be_absolute_or_lead_out_of_the_folder(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "tables" / "labels.csv"
    table.parent.mkdir()
    rows = [f"{photos}/a.png,cat", "../photos/b.png,dog", "..\\photos\\c.png,dog"]
    table.write_text("path,label\n" + "\n".join(rows))
    assert labels(scan(table)) == {
        f"{photos}/a.png": "cat",
        "../photos/b.png": "dog",
        "../photos/c.png": "dog",
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/home/ann/set/a.png", "; it is a path of another machine; perhaps a.png in {} is meant"),
        ("C:\\set\\b.png", "; it is a path of another machine; perhaps b.png in {} is meant"),
        ("/home/ann/x.png", "; it is a path of another machine, not below {}"),
        ("photos/c.png", "; perhaps c.png in {} is meant"),
        ("x.png", ""),
    ],
)
def test_a_path_of_another_machine_is_not_opened_but_told(
    photos: Path, path: str, reason: str
) -> None:
    table = photos / "labels.csv"
    table.write_text(f"path,label\n{path},cat\nc.png,cat\nd.png,dog\n")
    [row] = scan(table).skipped
    assert row.reason == "no such file" + reason.format(photos)


def test_rows_of_a_table_have_parts(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,label,split\na.png,x,train\nb.png,y,train\nc.png,x,Test\nd.png,y,?\n")
    catalog = scan(table)
    assert [catalog.role(photo) for photo in catalog.photos] == ["train", "train", "test"]
    assert reasons(catalog) == {"d.png": "in none of the parts"}


def test_of_a_table_without_usable_rows_the_first_reason_is_told(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,label\n/mnt/a/a.png,cat\n")
    with pytest.raises(DataError, match=r"1 row is left out, the first: /mnt/a/a\.png: no"):
        scan(table)
    table.write_text("path,label\n")
    with pytest.raises(DataError, match="has no rows"):
        scan(table)


def test_a_table_beside_class_folders_changes_nothing(photos: Path, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (photos / f"{label}.png").rename(tmp_path / "set" / label / "1.png")
    before = scan(tmp_path / "set")
    for name in ("labels.csv", "train.jsonl", "instances.json", "old.tar", "x.parquet"):
        (tmp_path / "set" / name).write_text("path,label\na/1.png,other\n")
    after = scan(tmp_path / "set")
    assert (after.photos, after.classes, after.listing) == (before.photos, before.classes, None)


def test_a_large_table_is_read_in_little_memory(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = (f"a/{number:07}.png,{number % 7}\n" for number in range(30_000))
    table.write_text("path,label\n" + "".join(rows))
    tracemalloc.start()
    listing = list_photos(DataSource(table))
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert listing is not None
    assert len(listing.rows) == 30_000
    assert peak < 1.1 * kept < 30_000 * 1100


def test_many_rows_of_one_reason_are_one_note(photos: Path) -> None:
    table = photos / "labels.csv"
    rows = [f"/home/ann/{i}.png,cat\n" for i in range(2000)]
    table.write_text("path,label\na.png,cat\nb.png,dog\nc.png,\n" + "".join(rows))
    assert scan(table).notes() == (
        "c.png is left out: without a class",
        "2,000 rows are left out for the same reason, the first: /home/ann/0.png: no such file; it "
        f"is a path of another machine, not below {photos}",
    )


def test_columns_are_part_of_the_commands_that_are_advised(photos: Path) -> None:
    source = DataSource(photos / "labels.csv", "scan", "cat,dog")
    assert source.options == ("--image-column", "scan", "--label-column", "cat,dog")


def test_a_row_that_comes_again_is_counted_once_but_answered_each_time(photos: Path) -> None:
    table = photos / "labels.csv"
    table.write_text("path,label\na.png,x\n./a.png,x\nb.png,y\n,y\nhttps://a.org/c.png,y\n")
    catalog = scan(table)
    assert len(catalog.photos) == 2
    assert catalog.notes()[0] == "1 row of a path that is listed before"
    assert reasons(catalog) == {
        "row 4": "without a path",
        "https://a.org/c.png": f"an address, not a file below {photos}",
    }
    listing = list_photos(DataSource(table), labelled=False)
    assert listing is not None
    names = ["a.png", "a.png", "b.png", "row 4", "https://a.org/c.png"]
    assert [row.path for row in listing.rows] == names
