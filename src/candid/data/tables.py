"""Read the tables that people bring as CSV: decisions, groups, an earlier split.

What spreadsheets do to a file is accepted: a byte order mark, UTF-16, semicolons or tabs, a first
line ``sep=;``, other line ends, upper case in the header, additional columns, empty rows. What
could lose a row unnoticed, such as an unclosed quote, is an error.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Final

from candid.core.text import sanitize
from candid.errors import CandidError, UsageError

_DELIMITERS: Final = ",;\t"
_MAX_BYTES: Final = 256 * 2**20
_MAX_HEADER: Final = 4096
_LONGEST_LINE: Final = 2**24
# Excel's first line that declares the delimiter.
_SEPARATOR: Final = re.compile(r"sep=([^\w\s\"]|\t)(\r\n|\r|\n|\Z)", re.IGNORECASE)
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_CODE_PAGE: Final = "cp1252"  # of Excel's "CSV" in western Europe and America


@dataclass(frozen=True)
class Table:
    """A table as read.

    Attributes:
        data: The file's bytes; on disk it may change later.
        rows: The cells by column; names of columns are in lower case, missing cells are empty.
    """

    data: bytes
    rows: tuple[dict[str, str], ...]


def read_table(
    file: str | Path,
    *,
    required: Sequence[str],
    remedy: str,
    error: type[CandidError] = UsageError,
) -> Table:
    """Read a CSV file.

    Bytes that are not UTF-8 become surrogates, as in a path.

    Args:
        file: The file; ``~`` is expanded.
        required: Columns that it must have.
        remedy: A sentence that says what to use instead, for errors.
        error: The type of error that is raised.

    Raises:
        CandidError: It can't be read, lacks a column or has an ambiguous row.
    """
    shown = sanitize(str(Path(file).expanduser()))
    data = _read(file, shown, remedy, error)
    cells = stream_table(io.BytesIO(data), shown, error)
    names = [name.lower() for name in next(cells)]
    rows = tuple(dict(zip(names, row, strict=True)) for row in cells)
    _require_columns(shown, names, required, remedy, error)
    return Table(data, rows)


def _read(file: str | Path, shown: str, remedy: str, error: type[CandidError]) -> bytes:
    try:
        with Path(file).expanduser().open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{shown} can't be read: {reason}. {remedy}") from problem
    if len(data) > _MAX_BYTES:
        raise error(f"{shown} is larger than {_MAX_BYTES >> 20} MiB. {remedy}")
    return data


def stream_table(stream: IO[bytes], shown: str, error: type[CandidError]) -> Iterator[list[str]]:
    """The cells of a CSV file: names of columns as written, then the rows that are not empty.

    Args:
        stream: Of the file; it can be sought in, and is closed.
        shown: What errors call it.
        error: The type of error that is raised.

    Yields:
        As many cells as there are columns.

    Raises:
        CandidError: It is no table, or has an ambiguous row.
    """
    lines = _lines(stream, shown, error)
    first = next(lines, "")
    declared = _SEPARATOR.fullmatch(first)
    delimiter = declared[1] if declared else _guess_delimiter(first)
    reader = csv.reader(
        lines if declared else chain([first], lines), delimiter=delimiter, strict=True
    )
    try:
        names = [name.strip() for name in next(reader, [])]
        yield names
        for cells in reader:
            if any(cells[len(names) :]):
                line = reader.line_num + (declared is not None)
                raise error(
                    f"{shown}, line {line}, has {len(cells)} cells; expected {len(names)}. "
                    f"Put a cell that contains {_in_words(delimiter)} into double quotes."
                )
            if any(cell.strip() for cell in cells):
                yield cells[: len(names)] + [""] * (len(names) - len(cells))
    except csv.Error as problem:
        raise error(f"{shown} can't be read as CSV: {problem}. Repair or restore it.") from problem


def _lines(stream: IO[bytes], shown: str, error: type[CandidError]) -> Iterator[str]:
    is_utf16 = stream.read(2) in _UTF16_MARKS  # Excel's "Unicode text"
    stream.seek(0)
    encoding, errors = ("utf-16", "replace") if is_utf16 else ("utf-8-sig", "surrogateescape")
    with io.TextIOWrapper(stream, encoding, errors, newline="") as text:
        while line := text.readline(_LONGEST_LINE):
            if "\0" in line or len(line) == _LONGEST_LINE:
                raise error(f"{shown} is not plain text. Save it as CSV in UTF-8.")
            yield line


def _guess_delimiter(first: str) -> str:
    """The one that gives most columns in the first line."""
    header = first[:_MAX_HEADER].splitlines()[:1]
    return max(_DELIMITERS, key=lambda d: len(next(csv.reader(header, delimiter=d), [])))


def _in_words(delimiter: str) -> str:
    words = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
    return words.get(delimiter, f"a {delimiter}")


def _require_columns(
    shown: str, names: list[str], required: Sequence[str], remedy: str, error: type[CandidError]
) -> None:
    missing = [name for name in required if name not in names]
    repeated = [name for name in required if names.count(name) > 1]
    problems = [f"lacks {_columns(missing)}"] if missing else []
    problems += [f"has {_columns(repeated)} more than once"] if repeated else []
    if problems:
        raise error(f"{shown} {' and '.join(problems)}. {remedy}")


def _columns(names: list[str]) -> str:
    return f"the {'column' if len(names) == 1 else 'columns'} {', '.join(names)}"


class PathFinder:
    r"""Finds the photos that the cells of a table mean.

    A cell may be the path relative to the data folder, have folders before it (``data/cat/a.jpg``,
    ``C:\photos\cat\a.jpg``), backslashes, spaces around it, another Unicode normalisation, or
    bytes of a Windows code page.

    Args:
        paths: The photos' paths, relative to the data folder, with forward slashes.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = frozenset(paths)
        self._normal = {unicodedata.normalize("NFC", path): path for path in self._paths}

    def find(self, cell: str) -> str | None:
        """The path that a cell means; None if it is not among them."""
        if cell in self._paths:
            return cell
        for text in (cell, _from_code_page(cell)):
            steps = unicodedata.normalize("NFC", text.strip().replace("\\", "/")).split("/")
            for start in range(len(steps)):
                found = self._normal.get("/".join(steps[start:]))
                if found is not None:
                    return found
        return None

    def assign(
        self, rows: Iterable[tuple[str, str]], kind: str, *, error: type[CandidError]
    ) -> dict[str, str]:
        """Values by path, from cells and values; cells that mean no photo are passed over.

        Args:
            rows: A cell and its value each.
            kind: What the values name, for the message: ``group``.
            error: What is raised where a photo has two.
        """
        found: dict[str, str] = {}
        for cell, value in rows:
            path = self.find(cell)
            if path is not None and found.setdefault(path, value) != value:
                raise error(
                    f"{sanitize(path)} is in two {kind}s, {sanitize(found[path])} and "
                    f"{sanitize(value)}. Expected one {kind} for each photo."
                )
        return found


def _from_code_page(cell: str) -> str:
    """Bytes that are not UTF-8, read as the code page of Windows."""
    try:
        return cell.encode("utf-8", "surrogateescape").decode(_CODE_PAGE)
    except UnicodeError:
        return cell
