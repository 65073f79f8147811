"""Read and write decisions as CSV, which users edit in spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from candid.data.decisions.decision import Decision
from candid.data.tables import read_table

_COLUMNS: Final = ("path", "content", "finding", "suggestion", "decision")
_REQUIRED: Final = ("path", "content", "finding", "decision")
# Spreadsheets evaluate cells that begin so (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA: Final = ("=", "+", "-", "@")
_HERE: Final = "./"


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
    header = ",".join(_COLUMNS)
    remedy = f"Expected the header {header}; use the decisions.csv of `candid audit`."
    read = read_table(file, required=_REQUIRED, remedy=remedy)
    return DecisionsFile(Path(file).name, read.data, tuple(map(_row, read.rows)))


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
