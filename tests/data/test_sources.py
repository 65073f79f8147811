"""Photos that are listed by a file, instead of lying in a folder per class."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.data.catalog import scan
from candid.data.source import DataSource
from candid.errors import DataError


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
