"""Reading any bytes as a table gives rows or a one-line error."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

from candid.data.decisions import load_decisions
from candid.data.decisions.decision import Decision
from candid.data.decisions.table import to_csv as decisions_csv
from candid.errors import SplitError, UsageError
from candid.splits.split import NO_PART, PARTS, Row, Split, read_csv
from candid.splits.split import to_csv as split_csv
from candid.splits.user_groups import group_by_file
from tests.fuzz.budget import fuzz
from tests.fuzz.mutations import mutated_csv

NAMES = ("happy/a.jpg", 'happy/"q",b.jpg', "sad/ü\udcff.png", "sad/=1+1.png", "sad/two\nlines.png")
EXAMPLES = 150


def require_one_line(error: Exception) -> None:
    assert str(error)
    assert "\n" not in str(error)


def test_a_mutated_split_gives_rows_of_known_parts_or_one_line(tmp_path: Path) -> None:
    rows = [Row(name, name[:3], PARTS[i % 3], f"g{i}", "c" * 64) for i, name in enumerate(NAMES)]
    file = tmp_path / "split.csv"

    def check(data: bytes) -> None:
        file.write_bytes(data)
        try:
            read = read_csv(file)
        except SplitError as error:
            require_one_line(error)
            return
        assert {row.part for row in read.rows} <= {*PARTS, NO_PART}
        # What was read is written and read again as the same.
        text = split_csv(read, with_content=True)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert read_csv(file) == read

    text = split_csv(Split(tuple(rows), ()), with_content=True)
    fuzz(check, examples=EXAMPLES, data=mutated_csv(text))


def test_a_mutated_file_of_groups_gives_groups_or_one_line(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"

    def check(data: bytes) -> None:
        file.write_bytes(data)
        try:
            assert all(group_by_file(file).values())
        except UsageError as error:
            require_one_line(error)

    text = "path,group\n" + "".join(f'"{name}",g\n' for name in ("a.jpg", "b.jpg"))
    fuzz(check, examples=EXAMPLES, data=mutated_csv(text))


def test_a_mutated_file_of_decisions_gives_decisions_or_one_line(tmp_path: Path) -> None:
    file = tmp_path / "decisions.csv"
    rows = [Decision(name, "c" * 64, "label", "sad", "drop") for name in NAMES]

    def check(data: bytes) -> None:
        file.write_bytes(data)
        try:
            loaded = load_decisions(file)
        except UsageError as error:
            require_one_line(error)
            return
        assert loaded.data == data
        text = decisions_csv(loaded.rows)
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        # A row of which only a further cell says something is not written again.
        saying = tuple(row for row in loaded.rows if any(astuple(row)))
        assert load_decisions(file).rows == saying

    fuzz(check, examples=EXAMPLES, data=mutated_csv(decisions_csv(rows)))
