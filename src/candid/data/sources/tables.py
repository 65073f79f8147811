"""CSV and JSON Lines with the paths of photos and their classes: ``path,label``."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Final

from candid.core.text import cut, sanitize
from candid.data.listing import Listed, Listing
from candid.data.source import CSV, DataSource
from candid.data.sources.columns import Columns, choose_columns, to_text
from candid.data.sources.paths import explain_missing, to_path
from candid.data.sources.root import Root
from candid.data.tables import stream_table
from candid.errors import DataError

#: Lines of JSON whose keys are the columns.
_NUM_FIRST: Final = 1000


def list_table(source: DataSource, root: Root, name: str, *, labelled: bool = True) -> Listing:
    """List the photos of a table; paths are relative to its folder.

    Columns ``part`` (or ``split``) and ``group`` are taken too, where they are there.

    Raises:
        DataError: It can't be read, or lacks a column.
    """
    where = f"{root}/{name}"
    with closing(read_rows(root, name)) as rows:
        return list_rows(source, root, where, rows, labelled=labelled)


def list_rows(
    source: DataSource,
    root: Root,
    where: str,
    rows: Iterable[Mapping[str, object]],
    *,
    labelled: bool = True,
) -> Listing:
    """List the photos of rows, read one by one; paths are relative to the root.

    Args:
        source: With the columns that a person named.
        root: Of the paths.
        where: The table, for messages.
        rows: Cells by the names of their columns.
        labelled: Whether a class is needed.

    Raises:
        DataError: A column is missing.
    """
    rows = iter(rows)
    first = list(islice(rows, _NUM_FIRST))
    if not first:
        raise DataError(f"{where} has no rows; expected columns path and label, and a row a photo.")
    names = list(dict.fromkeys(name for row in first for name in row))
    columns = choose_columns(source, names, where, labelled=labelled)
    listed = (
        to_listed(row, number, columns, root) for number, row in enumerate(chain(first, rows), 1)
    )
    explain = partial(explain_missing, root)
    if not labelled:  # every row is answered, also one that comes again
        return Listing(tuple(listed), explain=explain)
    return Listing.of(listed, explain=explain)


def to_listed(
    row: Mapping[str, object], number: int, columns: Columns, root: Root, folder: str = ""
) -> Listed:
    """A row of a listing, from that of a table, whose path is relative to a folder of the root."""
    path = to_path(to_text(row.get(columns.image)), root)
    if not path:
        return Listed(f"row {number}", "", None, reason="without a path")
    path = (PurePosixPath(folder) / path).as_posix() if folder else path
    label, reason = columns.label(row)
    part, group = (to_text(row.get(name)) for name in (columns.part, columns.group))
    if not root.allows(path):
        what = "an address, not a file below" if "://" in path else "not below"
        return Listed(path, label, None, part, group, f"{what} {root}")
    return Listed(path, label, root.locate(path), part, group, reason)


def read_rows(root: Root, name: str) -> Generator[Mapping[str, object]]:
    """The rows of a table, one by one.

    Raises:
        DataError: It can't be read.
    """
    where = f"{root}/{name}"
    try:
        with root.open(name) as file:
            if PurePosixPath(name).suffix.lower() in CSV:
                cells = stream_table(file, where, DataError)
                names = next(cells)
                yield from (dict(zip(names, row, strict=True)) for row in cells)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parse(line, number, where)
    except OSError as error:
        raise DataError(f"{where} can't be read: {error.strerror or error}.") from error


def _parse(line: bytes, number: int, where: str) -> Mapping[str, object]:
    try:
        values = json.loads(line.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        reason = cut(sanitize(str(error)), 100)
        raise DataError(f"{where}, line {number}, is no JSON: {reason}.") from error
    if not isinstance(values, dict):
        raise DataError(f'{where}, line {number}: expected an object, such as {{"path": "a.jpg"}}.')
    return values
