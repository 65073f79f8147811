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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from candid.core.text import sanitize
from candid.errors import CandidError, UsageError

_DELIMITERS: Final = ",;\t"
_MAX_BYTES: Final = 256 * 2**20
_MAX_HEADER: Final = 4096
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
    text = _decode(data)
    if "\0" in text:
        raise error(f"{shown} is not plain text. Save it as CSV in UTF-8.")
    try:
        names, rows = _parse(text, shown, error)
    except csv.Error as problem:
        raise error(f"{shown} can't be read as CSV: {problem}. Repair or restore it.") from problem
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


def _decode(data: bytes) -> str:
    if data.startswith(_UTF16_MARKS):  # Excel's "Unicode text"
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "surrogateescape")


def _parse(
    text: str, shown: str, error: type[CandidError]
) -> tuple[list[str], tuple[dict[str, str], ...]]:
    """The names of the columns, in lower case, and the rows that are not empty."""
    declared = _SEPARATOR.match(text)
    delimiter = declared[1] if declared else _guess_delimiter(text)
    table = text[declared.end() :] if declared else text
    reader = csv.reader(io.StringIO(table, newline=""), delimiter=delimiter, strict=True)
    names = [name.strip().lower() for name in next(reader, [])]
    blank = dict.fromkeys(names, "")
    rows = []
    for cells in reader:
        if any(cells[len(names) :]):
            line = reader.line_num + (declared is not None)
            raise error(
                f"{shown}, line {line}, has {len(cells)} cells; "
                f"expected {len(names)}. Put a cell that contains {_in_words(delimiter)} into "
                "double quotes."
            )
        if any(cell.strip() for cell in cells):
            rows.append({**blank, **dict(zip(names, cells, strict=False))})
    return names, tuple(rows)


def _guess_delimiter(text: str) -> str:
    """The one that gives most columns in the first line."""
    header = text[:_MAX_HEADER].splitlines()[:1]
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
