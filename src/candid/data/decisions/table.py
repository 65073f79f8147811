"""Read and write decisions as CSV, which users edit in spreadsheets.

What spreadsheets do to a CSV file is accepted: a byte order mark, semicolons or tabs, a first line
``sep=;``, other line ends, additional columns, empty rows. What could lose a decision unnoticed,
such as an unclosed quote, is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from candid.core.text import sanitize
from candid.data.decisions.decision import Decision
from candid.errors import UsageError

_COLUMNS: Final = ("path", "content", "finding", "suggestion", "decision")
_REQUIRED: Final = ("path", "content", "finding", "decision")
_DELIMITERS: Final = ",;\t"
_MAX_BYTES: Final = 256 * 2**20
_MAX_HEADER: Final = 4096
# Spreadsheets evaluate cells that begin so (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA: Final = ("=", "+", "-", "@")
_HERE: Final = "./"
# Excel's first line that declares the delimiter.
_SEPARATOR: Final = re.compile(r"sep=([^\w\s\"]|\t)(\r\n|\r|\n|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class DecisionsFile:
    """Name, bytes and parsed rows of a file as read; on disk it may change during training."""

    name: str
    data: bytes
    rows: tuple[Decision, ...]


def to_csv(rows: Iterable[Decision]) -> str:
    """Write decisions as CSV.

    A path or class that a spreadsheet would evaluate, such as ``+1/a.jpg``, is prefixed with
    ``./``, which changes no path. Write the text with ``errors="surrogateescape"``, as file names
    need not be UTF-8.
    """
    table = [
        [_HERE + cell if cell.startswith(_FORMULA) else cell for cell in astuple(row)]
        for row in rows
    ]
    # Python 3.11 quotes cells for its own line end only
    has_returns = any("\r" in cell for cells in table for cell in cells)
    text = io.StringIO()
    writer = csv.writer(
        text, lineterminator="\n", quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL
    )
    writer.writerow(_COLUMNS)
    writer.writerows(table)
    return text.getvalue()


def read_decisions(file: str | Path) -> tuple[Decision, ...]:
    """Read the rows of a file of decisions; see `load_decisions`."""
    return load_decisions(file).rows


def load_decisions(file: str | Path) -> DecisionsFile:
    """Read a file that `candid audit` wrote and a person filled in.

    Raises:
        UsageError: It can't be read, is another kind of file, or has an ambiguous row.
    """
    path = Path(file).expanduser()
    shown = sanitize(str(path))
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{shown} can't be read: {reason}. Name a decisions.csv.") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{shown} is larger than {_MAX_BYTES >> 20} MiB. Name a decisions.csv.")
    if b"\0" in data:  # UTF-16 is full of them
        raise UsageError(f"{shown} is not plain text. Save it as CSV in UTF-8.")
    # A path need not be UTF-8; surrogates preserve its bytes.
    text = data.decode("utf-8-sig", "surrogateescape")
    try:
        rows = _rows(shown, text)
    except csv.Error as error:
        raise UsageError(f"{shown} can't be read as CSV: {error}. Repair or restore it.") from error
    return DecisionsFile(path.name, data, rows)


def _rows(file: str, text: str) -> tuple[Decision, ...]:
    declared = _SEPARATOR.match(text)
    table = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else _guess_delimiter(text)
    reader = csv.reader(io.StringIO(table, newline=""), delimiter=delimiter, strict=True)
    names = [name.strip().lower() for name in next(reader, [])]
    _require_columns(file, names)
    rows = []
    for cells in reader:
        if any(cells[len(names) :]):
            raise UsageError(
                f"{file}, line {reader.line_num + (declared is not None)}, has {len(cells)} cells; "
                f"expected {len(names)}. Put a cell that contains {_in_words(delimiter)} into "
                "double quotes."
            )
        if any(cell.strip() for cell in cells):
            rows.append(_row(dict(zip(names, cells, strict=False))))
    return tuple(rows)


def _guess_delimiter(text: str) -> str:
    """The one that gives most columns in the first line."""
    header = text[:_MAX_HEADER].splitlines()[:1]
    return max(_DELIMITERS, key=lambda d: len(next(csv.reader(header, delimiter=d), [])))


def _in_words(delimiter: str) -> str:
    words = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
    return words.get(delimiter, f"a {delimiter}")


def _require_columns(file: str, names: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    repeated = [name for name in _REQUIRED if names.count(name) > 1]
    problems = [f"lacks {_columns(missing)}"] if missing else []
    problems += [f"has {_columns(repeated)} more than once"] if repeated else []
    if problems:
        raise UsageError(
            f"{file} {' and '.join(problems)}. Expected the header {','.join(_COLUMNS)}; use the "
            "decisions.csv of `candid audit`."
        )


def _columns(names: list[str]) -> str:
    return f"the {'column' if len(names) == 1 else 'columns'} {', '.join(names)}"


def _row(cells: dict[str, str]) -> Decision:
    return Decision(
        path=cells.get("path", "").removeprefix(_HERE),
        content=cells.get("content", "").strip().lower(),
        finding=_from_cell(cells.get("finding", "")),
        suggestion=_from_cell(cells.get("suggestion", "")),
        decision=_from_cell(cells.get("decision", "")),
    )


def _from_cell(text: str) -> str:
    return text.strip().removeprefix(_HERE)
