"""A split is written as CSV and read back; groups are read as spreadsheets write them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.errors import SplitError, UsageError
from candid.splits.split import NO_PART, PARTS, Row, Split, group_by_file, read_csv, to_csv


def content_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


class TestASplit:
    def test_the_header_is_pinned(self) -> None:
        """Others read this file: its columns are a promise."""
        result = Split((Row("cat/a.jpg", "cat", "train", "g", content_of(0)),), ())
        assert to_csv(result).splitlines()[0] == "path,class,part,group"
        assert to_csv(result, with_content=True).splitlines()[0] == "path,class,part,group,content"

    @given(
        st.lists(
            st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")),
                      st.sampled_from((*PARTS, NO_PART))),
            max_size=5,
        ),
        st.booleans(),
    )  # fmt: skip
    def test_what_is_written_is_read_whatever_the_names(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        rows: list[tuple[str, str]],
        with_content: bool,
    ) -> None:
        written = Split(
            tuple(
                Row(f"cat/{name}", "cat", part, f"{n:016}", content_of(n) if with_content else "")
                for n, (name, part) in enumerate(rows)
            ),
            (),
        )
        file = tmp_path_factory.mktemp("csv") / "split.csv"
        file.write_text(to_csv(written, with_content=with_content), encoding="utf-8", newline="")
        assert read_csv(file) == written

    def test_an_unknown_part_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "split.csv"
        file.write_text("path,class,part,group\ncat/a.jpg,cat,dev,g\n")
        with pytest.raises(SplitError, match=r"cat/a\.jpg is in part 'dev'; expected one of train"):
            read_csv(file)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "lacks the columns class, group, part, path"),
            (b"path,class,part\n", "lacks the columns group; expected class, group, part, path"),
            (b"\xff\xfe\x00", "can't be read as CSV"),
            (b'path,class,part,group\n"' + b"x" * 200_000 + b'",cat,train,g\n', "can't be read"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path: Path, data: bytes, message: str) -> None:
        file = tmp_path / "split.csv"
        file.write_bytes(data)
        with pytest.raises(SplitError, match=message):
            read_csv(file)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SplitError, match=r"can't be read as CSV: .*No such file"):
            read_csv(tmp_path / "split.csv")


class TestGroupsOfTheUsersOwn:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_by_a_file_as_editors_and_spreadsheets_write_it(
        self, tmp_path: Path, encoding: str
    ) -> None:
        file = tmp_path / "groups.csv"
        file.write_text("path,group,age\ncat/ä.jpg,ann,3\ncat/b.jpg,,4\n", encoding=encoding)
        assert group_by_file(file) == {"cat/ä.jpg": "ann"}

    def test_a_file_without_the_columns_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "groups.csv"
        file.write_text("file;group\n")
        with pytest.raises(UsageError, match=r"lacks the columns group, path; expected group, p"):
            group_by_file(file)
