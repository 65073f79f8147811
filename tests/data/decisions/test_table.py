"""Files of decisions are read as users and spreadsheets save them, or refused in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.data.decisions import (
    Decision,
    class_as_decision,
    load_decisions,
    read_decisions,
    to_csv,
)
from candid.errors import UsageError

HEADER = "path,content,finding,suggestion,decision\n"
ROW = Decision("sad/a.jpg", "c" * 64, "near-copy", "drop", "drop")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "decisions.csv"


def read(file: Path, text: str | bytes) -> tuple[Decision, ...]:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_decisions(file)


def test_the_header_is_pinned() -> None:
    """Users' files have these columns, so they must not change."""
    assert to_csv([]) == HEADER


names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0/")).map(str.strip)


@given(st.lists(st.builds(Decision, names.map("sad/{}".format), st.just("c" * 64), words, words,
                          words), max_size=4))  # fmt: skip
def test_what_is_written_is_read_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Decision]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "decisions.csv"
    file.write_text(to_csv(rows), encoding="utf-8", newline="")
    assert read_decisions(file) == tuple(rows)


def test_a_name_that_is_not_utf8_comes_back(file: Path) -> None:
    row = Decision(os.fsdecode(b"sad/\xff.jpg"), "c" * 64, "near-copy", "drop", "drop")
    file.write_text(to_csv([row]), encoding="utf-8", errors="surrogateescape")
    assert read_decisions(file) == (row,)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x"])
def test_no_cell_begins_as_a_spreadsheets_formula_does(file: Path, name: str) -> None:
    row = Decision(f"{name}/a.jpg", "c" * 64, "label-suspect", name, name)
    text = to_csv([row])
    assert text.splitlines()[1].split(",")[0] == f"./{name}/a.jpg"
    assert not [cell for cell in text.splitlines()[1].split(",") if cell.startswith(name)]
    assert read(file, text) == (row,)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("happy", "happy"), ("keep", "keep/"), ("Drop", "Drop/"), ("keep ", "keep /"), ("kee", "kee")],
)
def test_a_class_that_is_called_like_a_word_is_written_as_a_folder(name: str, cell: str) -> None:
    assert class_as_decision(name) == cell


class TestTolerated:
    @pytest.mark.parametrize(
        "change",
        [
            lambda text: "\ufeff" + text,
            lambda text: text.replace(",", ";"),
            lambda text: text.replace(",", "\t"),
            lambda text: "sep=;\n" + text.replace(",", ";"),
            lambda text: "\ufeffSEP=|\r\n" + text.replace(",", "|").replace("\n", "\r\n"),
            lambda text: "sep=\t\r" + text.replace(",", "\t").replace("\n", "\r"),
            lambda text: "sep=,\n" + text.replace("decision\n", "decision,a;b;c;d;e;f;g\n"),
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("\n", "\r"),
            lambda text: text.removesuffix("\n"),
            lambda text: text + "\n,,,,\n  , ,,,\n",
            lambda text: text.replace("drop\n", "  drop \t\n"),
            lambda text: text.replace("\n", ",,\n"),
            lambda text: text.replace("path,content", "Path , CONTENT"),
            lambda text: text.replace("c" * 64, " " + "C" * 64),
            lambda text: text.replace("sad/a", "./sad/a"),
            lambda text: "".join(f'"{line}"\n' for line in text.splitlines()).replace(",", '","'),
        ],
        ids=["mark", "semicolons", "tabs", "separator named", "another one named by windows",
             "tabs named by an old mac", "separator obeyed", "windows", "old mac",
             "no last line's end", "empty rows", "spaces", "empty cells at the end",
             "header in upper case", "content in upper case", "path with ./", "all quoted"],
    )  # fmt: skip
    def test_what_spreadsheets_do(self, file: Path, change: object) -> None:
        assert read(file, change(to_csv([ROW]))) == (ROW,)  # type: ignore[operator]

    def test_columns_in_another_order_further_ones_and_none_of_suggestions(
        self, file: Path
    ) -> None:
        text = f"decision,mine,path,finding,content\ndrop,why not,sad/a.jpg,near-copy,{'c' * 64}\n"
        [row] = read(file, text)
        assert row == Decision("sad/a.jpg", "c" * 64, "near-copy", "", "drop")

    def test_a_row_that_ends_early_decides_nothing(self, file: Path) -> None:
        [row] = read(file, HEADER + f"sad/a.jpg,{'c' * 64},near-copy\n")
        assert row.decision == ""

    def test_a_semicolon_in_a_name_does_not_make_it_the_separator(self, file: Path) -> None:
        row = Decision("sad/a;b;c;d;e;f;g.jpg", "c" * 64, "near-copy", "", "drop")
        assert read(file, to_csv([row])) == (row,)

    def test_a_file_of_no_rows(self, file: Path) -> None:
        assert read(file, HEADER) == ()


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (b"", "lacks the columns path, content, finding, decision"),
            (b"\n", "lacks the columns"),
            (b"path,content,finding,suggestion\n", "lacks the column decision. Expected"),
            (b"path,content,finding,decision,decision\n", "csv has the column decision more than"),
            (b"path,path,finding,decision\n", "column content and has the column path more than"),
            (HEADER.encode() + b"sad/\0.jpg,c,f,,drop\n", "Save it as CSV in UTF-8"),
            (b"\xff\xfe\xfd,\xc3,\x80\n", "lacks the columns"),
            (HEADER.encode() + b"sad/a, b.jpg,c,f,,drop\n", "line 2, has 6 cells; expected 5"),
            (HEADER.encode() + b'"sad/a.jpg,c,f,,drop\nsad/b.jpg,c,f,,drop\n', "unexpected end"),
            (b"sep=;\n", "lacks the columns path"),
            (b"sep=;\n" + HEADER.encode(), "lacks the columns path"),
            (b"sep=;\n" + HEADER.encode().replace(b",", b";") + b"a;b;c;f;;drop\n",
             "line 3, has 6 cells; expected 5. Put a cell that contains a semicolon"),
            (HEADER.encode() + b'"' + b"x" * 200_000 + b'",c,f,,drop\n', "field larger than"),
            (b"x" * 1_000_000, "field larger than"),
            (b"\x89PNG\r\n\x1a\n" + bytes(100), "Save it as CSV in UTF-8"),
        ],
        ids=["empty", "an empty line", "a column short", "a column twice", "both",
             "zero byte", "other encoding", "too many cells", "open quote", "a separator only",
             "another separator", "too many cells below a separator", "huge cell", "no line",
             "picture"],
    )  # fmt: skip
    def test_another_file_in_one_line(self, file: Path, text: bytes, words: str) -> None:
        with pytest.raises(UsageError, match=words) as caught:
            read(file, text)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_one_that_is_not_there_or_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"absent\.csv can't be read: No such file"):
            read_decisions(tmp_path / "absent.csv")
        with pytest.raises(UsageError, match="can't be read: Is a directory"):
            read_decisions(tmp_path)
        with pytest.raises(UsageError, match="can't be read: embedded null byte"):
            read_decisions("\0.csv")

    def test_one_of_an_odd_name_in_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as absent:
            read_decisions(tmp_path / "a\nb\udcff.csv")
        (tmp_path / "a\nb\udcff.csv").write_text("path\n")
        with pytest.raises(UsageError) as other:
            read_decisions(tmp_path / "a\nb\udcff.csv")
        for caught in (absent, other):
            assert r"a\nb\xff.csv" in str(caught.value)
            assert str(caught.value).isprintable()

    def test_one_that_never_ends_before_the_memory_does(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("candid.data.tables._MAX_BYTES", 2**20)
        with file.open("wb") as opened:
            opened.truncate(2**40)  # a file of holes
        with pytest.raises(UsageError, match="is larger than 1 MiB"):
            read_decisions(file)


def test_the_bytes_are_those_that_were_read(file: Path) -> None:
    file.write_text("\ufeff" + to_csv([ROW]))
    loaded = load_decisions(file)
    assert loaded.name == "decisions.csv"
    assert loaded.data == file.read_bytes()
    assert loaded.rows == (ROW,)
