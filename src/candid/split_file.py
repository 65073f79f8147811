"""A split as a CSV file, and the user's own groups from one."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

from candid.errors import SplitError, UsageError
from candid.showable import show_text
from candid.split import NO_PART, PARTS, Row, Split

_COLUMNS: Final = ("path", "class", "part", "group")


def to_csv(split: Split, *, with_content: bool = False) -> str:
    """Write a split as CSV: ``path,class,part,group``, and ``content`` in a run's own file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, "content") if with_content else _COLUMNS)
    for row in split.rows:
        values = (row.path, row.label, row.part, row.group)
        writer.writerow((*values, row.content) if with_content else values)
    return text.getvalue()


def read_csv(file: Path) -> Split:
    """Read a split that was written by `to_csv`.

    Raises:
        SplitError: The file can't be read, lacks a column or names an unknown part.
    """
    rows = _read_rows(file, set(_COLUMNS), SplitError)
    for row in rows:
        if row["part"] not in (*PARTS, NO_PART):
            raise SplitError(
                f"{file}: {show_text(row['path'])} is in part {show_text(row['part'])!r}; "
                f"expected one of {', '.join(PARTS)}, or nothing for no part."
            )
    return Split(
        tuple(
            Row(r["path"], r["class"], r["part"], r["group"], r.get("content", "")) for r in rows
        ),
        (),
    )


def group_by_file(file: Path) -> dict[str, str]:
    """The user's groups from a CSV file with the columns ``path`` and ``group``.

    Raises:
        UsageError: The file can't be read or lacks a column.
    """
    rows = _read_rows(file, {"path", "group"}, UsageError)
    return {row["path"]: row["group"] for row in rows if row["group"]}


def _read_rows(
    file: Path, columns: set[str], error: type[UsageError] | type[SplitError]
) -> list[dict[str, str]]:
    try:
        # A path need not be UTF-8; the header does, or the file is of another encoding.
        with file.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:
            reader = csv.DictReader(lines)
            found = set(reader.fieldnames or ())
            "".join(found).encode()
            rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
    except (OSError, UnicodeError, csv.Error) as problem:
        raise error(f"{file} can't be read as CSV: {problem}.") from problem
    if not columns <= found:
        received = show_text(", ".join(sorted(found))) or "none"
        raise error(
            f"{file} lacks the columns {', '.join(sorted(columns - found))}; "
            f"expected {', '.join(sorted(columns))}, received {received}."
        )
    return rows
