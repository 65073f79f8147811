"""Files that outlive a killed process."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.core.journal import append_line, read_lines, replace_file


def test_lines_come_back_in_order_whatever_is_in_them(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "steps.jsonl"
    lines = [{"path": "a\nb.jpg"}, {"path": "\udcff"}, {"n": 1.5}]
    assert read_lines(journal) == []
    for line in lines:
        append_line(journal, line)
    assert read_lines(journal) == lines


@pytest.mark.parametrize("torn", [b'{"n": 2', b"[2]\n", b"\xff\n", b"\0\0\0"])
def test_a_line_that_is_no_whole_one_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    journal = tmp_path / "steps.jsonl"
    append_line(journal, {"n": 1})
    with journal.open("ab") as file:
        file.write(torn)
    append_line(journal, {"n": 3}, sync=False)
    assert read_lines(journal) == [{"n": 1}, {"n": 3}]


def test_a_file_is_replaced_without_a_trace(tmp_path: Path) -> None:
    file = tmp_path / "state" / "decisions.csv"
    for data in (b"old", b"new"):
        replace_file(file, data)
    assert file.read_bytes() == b"new"
    assert [one.name for one in file.parent.iterdir()] == ["decisions.csv"]
