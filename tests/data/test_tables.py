"""Tables as spreadsheets save them are read alike, and their cells find the photos they mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.data.tables import PathFinder, read_table
from candid.errors import SplitError, UsageError

TEXT = "path,group\ncat/ä.jpg,ann\ncat/b.jpg,bob\n"
ROWS = ({"path": "cat/ä.jpg", "group": "ann"}, {"path": "cat/b.jpg", "group": "bob"})


def read(tmp_path: Path, data: bytes) -> tuple[dict[str, str], ...]:
    file = tmp_path / "groups.csv"
    file.write_bytes(data)
    return read_table(file, required=("path", "group"), remedy="Give groups.").rows


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
        TEXT.replace(",", "\t").encode("utf-16"),
        b"\xfe\xff" + TEXT.replace(",", "\t").encode("utf-16-be"),
        TEXT.replace("path,group", "Path , GROUP").encode(),
    ],
    ids=["plain", "mark", "semicolons", "unicode text", "big-endian", "upper case"],
)
def test_tables_as_spreadsheets_save_them_are_read_alike(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path, data) == ROWS


def test_a_missing_column_is_told_by_the_type_of_error_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path\n")
    with pytest.raises(SplitError, match=r"a\.csv lacks the column group\. Give groups\."):
        read_table(tmp_path / "a.csv", required=("group",), remedy="Give groups.", error=SplitError)


def test_a_cell_too_many_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"groups\.csv, line 2, has 3 cells; expected 2"):
        read(tmp_path, b"path,group\ncat/a, b.jpg,ann\n")


@pytest.mark.parametrize(
    "cell",
    [
        "cat/ä.jpg",
        "./cat/ä.jpg",
        " cat/ä.jpg ",
        "data/cat/ä.jpg",
        "/home/ann/data/cat/ä.jpg",
        "C:\\photos\\cat\\ä.jpg",
        "cat/a\u0308.jpg",
        "cat/ä.jpg".encode("cp1252").decode("utf-8", "surrogateescape"),
    ],
)
def test_a_cell_finds_the_photo_that_it_means(cell: str) -> None:
    assert PathFinder(["cat/ä.jpg", "dog/ä.jpg"]).find(cell) == "cat/ä.jpg"


@pytest.mark.parametrize("cell", ["", "ä.jpg", "cat", "bird/ä.jpg", "cat/ä.jpg/x"])
def test_a_cell_that_means_no_photo_finds_none(cell: str) -> None:
    assert PathFinder(["cat/ä.jpg", "dog/ä.jpg"]).find(cell) is None


def test_the_exact_path_wins() -> None:
    paths = ["a/b.jpg", "x/a/b.jpg", "a\\b.jpg", "c/\udce4.jpg"]
    assert [PathFinder(paths).find(path) for path in paths] == paths
