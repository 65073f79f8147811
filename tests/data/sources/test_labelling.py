"""JSON of labelling tools: COCO, Label Studio, and plain lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from candid.data.catalog import scan
from candid.data.source import DataSource
from candid.data.sources import list_photos
from candid.errors import DataError
from tests.data.sources.made import labels, png, reasons


def write(file: Path, value: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five photos in a folder ``images``."""
    (tmp_path / "images").mkdir()
    for i in range(5):
        (tmp_path / "images" / f"{i}.png").write_bytes(png(i))
    return tmp_path


def coco(*annotations: tuple[int, int]) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 8} for i in range(5)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]}
            for n, (image, category) in enumerate(annotations)
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}, {"id": 11, "name": "x"}],
    }


class TestCoco:
    def test_a_photo_of_one_category_is_of_that_class(self, photos: Path) -> None:
        rows = coco((0, 7), (0, 7), (1, 9), (2, 7), (2, 9), (3, 99))
        catalog = scan(write(photos / "instances.json", rows))
        assert labels(catalog) == {"images/0.png": "cat", "images/1.png": "dog"}
        assert reasons(catalog) == {
            "images/2.png": "of several classes: cat and dog",
            "images/3.png": "without a class",
            "images/4.png": "without a class",
        }

    def test_photos_are_where_the_original_set_has_them(self, photos: Path) -> None:
        (photos / "images").rename(photos / "val2017")
        file = photos / "annotations" / "instances_val2017.json"
        catalog = scan(write(file, coco((0, 7), (1, 9))))
        assert list(labels(catalog)) == ["../val2017/0.png", "../val2017/1.png"]


def task(image: str, *choices: str, name: str = "kind", **more: Any) -> dict[str, Any]:
    value = {"choices": list(choices)}
    result = [{"from_name": name, "to_name": "image", "type": "choices", "value": value}]
    return {"data": {"image": image}, "annotations": [{"result": result, **more}]}


class TestLabelStudio:
    def test_a_photo_has_the_class_that_was_chosen(self, photos: Path) -> None:
        tasks = [
            task("images/0.png", "cat"),
            task("/data/local-files/?d=set/images/1.png", "dog"),
            task("/data/upload/3/0a1b2c3d-2.png", "dog"),
            task("http://localhost:8080/data/local-files/?d=images%2F3.png", "cat", "dog"),
            task("images/4.png", "cat", was_cancelled=True),
            task("/data/upload/3/0a1b2c3d-9.png", "dog"),
        ]
        catalog = scan(write(photos / "project.json", tasks))
        assert labels(catalog) == {
            "images/0.png": "cat",
            "images/1.png": "dog",
            "images/2.png": "dog",
        }
        assert reasons(catalog) == {
            "images/3.png": "of several classes: cat and dog",
            "images/4.png": "without a class",
            "9.png": "no such file",
        }

    def test_annotators_who_disagree_leave_a_photo_out(self, photos: Path) -> None:
        tasks = [task(f"images/{i}.png", "cat") for i in range(3)]
        tasks[1]["annotations"] += task("", "dog")["annotations"]
        tasks[2]["annotations"] = task("", "dog")["annotations"]
        assert reasons(scan(write(photos / "project.json", tasks))) == {
            "images/1.png": "of several classes: cat and dog"
        }

    def test_of_several_questions_one_is_named(self, photos: Path) -> None:
        tasks = [task(f"images/{i}.png", "ab"[i]) for i in range(2)]
        for i, row in enumerate(tasks):
            row["annotations"] += task("", "yz"[i], name="light")["annotations"]
        file = write(photos / "project.json", tasks)
        with pytest.raises(DataError, match=r"could be meant: kind and light\. Name one with"):
            scan(file)
        assert scan(DataSource(file, label_column="light")).classes == ("y", "z")
        listing = list_photos(DataSource(file), labelled=False)
        assert listing is not None
        assert len(listing.rows) == 2

    def test_the_short_export_is_a_table(self, photos: Path) -> None:
        rows = [
            {"image": "/data/upload/1/0a1b2c3d-0.png", "id": 1, "choice": "cat"},
            {"image": "/data/upload/1/0a1b2c3e-1.png", "id": 2, "choice": {"choices": ["a", "b"]}},
            {"image": "/data/upload/1/0a1b2c3f-2.png", "id": 3, "choice": "dog"},
        ]
        catalog = scan(write(photos / "short.json", rows))
        assert labels(catalog) == {"images/0.png": "cat", "images/2.png": "dog"}
        assert reasons(catalog) == {"images/1.png": "of several classes: a and b"}


@pytest.mark.parametrize("text", ["{}", "[1]", "3", "", "{", '{"images": 3}', "[" * 99_999])
def test_other_json_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match="expected a COCO file"):
        scan(tmp_path / "x.json")
