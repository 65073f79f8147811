"""Reading any bytes as a table or an archive of photos gives a listing or a one-line error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from candid.data.images import read_file
from candid.data.listing import Listing
from candid.data.source import DataSource
from candid.data.sources import list_photos
from candid.errors import DataError, ImageError
from tests.data.sources.made import png, write_parquet, write_tar
from tests.fuzz.budget import bounded_memory, fuzz
from tests.fuzz.mutations import mutated, mutated_csv, mutated_json
from tests.fuzz.test_tables import require_one_line

EXAMPLES = 150
_LIMIT_MIB = 400


def check_file(file: Path, data: bytes) -> None:
    """A listing whose photos have bytes or a reason, or one line."""
    file.write_bytes(data)
    for labelled in (True, False):
        try:
            listing = list_photos(DataSource(file), labelled=labelled)
        except DataError as error:
            require_one_line(error)
            continue
        assert isinstance(listing, Listing)
        for row in listing.rows:
            assert row.path
            assert row.reason or row.file is not None
            if row.file is not None and "/" not in row.path:
                try:
                    read_file(row.file)
                except ImageError as error:
                    require_one_line(error)


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    with bounded_memory(_LIMIT_MIB):
        yield


def test_a_mutated_tar_file_gives_samples_or_one_line(tmp_path: Path) -> None:
    members = [("a.png", png(1)), ("a.cls", b"x"), ("d/b.c.png", png(2)), ("d/b.cls", b"y")]
    members += [("f.json", b'{"label": 1}'), ("f.png", png(3))]
    data = write_tar(tmp_path / "set.tar", members).read_bytes()
    file = tmp_path / "x.tar"
    fuzz(lambda data: check_file(file, data), examples=EXAMPLES, data=mutated([data[:9000]]))


def test_a_mutated_parquet_file_gives_rows_or_one_line(tmp_path: Path) -> None:
    images = [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)]
    names = {"label": ["x", "y"]}
    tables = ({"image": images, "label": [0, 1, -1, None]}, {"image": [b"1"], "label": ["x"]})
    file = tmp_path / "x.parquet"
    made = [write_parquet(file, table, names=names).read_bytes() for table in tables]
    # Most of it is the schema at its end.
    backwards = mutated([data[::-1] for data in made]).map(lambda data: data[::-1])
    fuzz(lambda data: check_file(file, data), examples=EXAMPLES, data=backwards)


def test_a_mutated_json_file_gives_rows_or_one_line(tmp_path: Path) -> None:
    choice = {"from_name": "k", "type": "choices", "value": {"choices": ["x"]}}
    tasks = [{"data": {"image": "a.png"}, "annotations": [{"result": [choice]}]}]
    categories = [{"id": 1, "name": "x"}]
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}]
    annotations = [{"image_id": 1, "category_id": 1}, {"image_id": 2, "category_id": 1}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    file = tmp_path / "x.json"
    fuzz(lambda data: check_file(file, data), examples=EXAMPLES, data=mutated_json(coco))

    fuzz(
        lambda data: check_file(file, json.dumps(json.loads(data).get("tasks")).encode()),
        examples=EXAMPLES,
        data=mutated_json({"tasks": tasks}),
    )


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_mutated_table_gives_rows_or_one_line(tmp_path: Path, name: str) -> None:
    rows = [{"path": "a.png", "label": "x"}, {"path": "b.png", "label": 3, "split": "test"}]
    text = "path,label,split\na.png,x,train\nb.png,y,test\n"
    if name == "x.jsonl":
        text = "\n".join(map(json.dumps, rows))
    fuzz(lambda data: check_file(tmp_path / name, data), examples=EXAMPLES, data=mutated_csv(text))
