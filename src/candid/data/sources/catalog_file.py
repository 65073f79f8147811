"""A catalog as a Parquet file: what a folder, a table or a bucket has, listed and hashed once.

A row per photo or skipped file. The classes are in the schema's metadata, under ``candid.catalog``,
which also tells the file from other tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from candid.core.extras import require_packages
from candid.core.text import cut, first_line, sanitize
from candid.data.address import AddressFile
from candid.data.listing import Listed, Listing
from candid.data.location import PhotoFile, Slice
from candid.data.sources.parquet import Cell
from candid.data.sources.root import AddressRoot, LocalRoot, Root
from candid.errors import DataError

#: In the schema's metadata: facts as JSON.
KEY: Final = b"candid.catalog"
VERSION: Final = 1
#: Of a row group: a few MB.
ROWS: Final = 16384
_ADDRESS: Final = re.compile(r"([\w+.-]+://[^/]*/?)(.*)", re.DOTALL)
#: Bytes of a name that are no UTF-8 (PEP 383) take characters that nobody's names have.
TO_TEXT: Final = {0xDC00 + byte: 0xF700 + byte for byte in range(128, 256)}
_FROM_TEXT: Final = {private: surrogate for surrogate, private in TO_TEXT.items()}


def require() -> None:
    """Raise DependencyError if pyarrow is not installed."""
    require_packages(["pyarrow"], needed_by="a catalog", extra="parquet")


def list_catalog(root: Root, name: str) -> Listing | None:
    """List a catalog file; None of another Parquet file.

    Raises:
        DataError: It can't be read, or is of a later version.
        DependencyError: pyarrow is not installed.
    """
    require()
    import pyarrow.parquet

    where = f"{root}/{name}"
    try:
        with root.open(name) as file, pyarrow.parquet.ParquetFile(file) as table:
            facts = (table.schema_arrow.metadata or {}).get(KEY)
            return None if facts is None else _list(table, json.loads(facts), where)
    except (OSError, ValueError, TypeError, KeyError, pyarrow.ArrowException) as error:
        reason = cut(sanitize(first_line(error)), 200)
        raise DataError(
            f"{where} can't be read: {reason}. Write it again: candid catalog DATA --to FILE"
        ) from error


def _list(table: Any, facts: Mapping[str, Any], where: str) -> Listing:
    if facts["version"] != VERSION:
        raise DataError(
            f"{where} is a catalog of version {facts['version']}; expected {VERSION}. "
            "Update Candid, or write it again: candid catalog DATA --to FILE"
        )
    import pyarrow

    deep: set[str] = set()
    rows: list[Listed] = []
    for batch in table.iter_batches(ROWS):
        place = batch.schema.get_field_index("modified")
        numbers = batch.column(place).cast(pyarrow.int64())  # a datetime has no ns
        for row in batch.set_column(place, "modified", numbers).to_pylist():
            rows.append(_to_listed(row, facts["root"]))
            if row["deep"]:
                deep.add(row["sha256"])
    return Listing(
        tuple(rows),
        tuple(_name(name) for name in facts["classes"]),
        is_folder=facts["is_folder"],
        deep=frozenset(deep),
    )


def _to_listed(row: Mapping[str, Any], root: str) -> Listed:
    file = None if row["uri"] is None else _to_file(row, root)
    is_here = (row["uri"] or "").startswith("file://")
    only_if = (row["size"] or -1, row["modified"] or -1) if is_here else None
    path, label, part, group, reason = (
        _name(row[name] or "") for name in ("path", "class", "part", "group", "reason")
    )
    return Listed(path, label, file, part, group, reason, row["sha256"] or "", only_if)


def _to_file(row: Mapping[str, Any], root: str) -> PhotoFile:
    where: Root
    file: Path | AddressFile
    if row["uri"].startswith("file://"):
        path = Path(unquote(urlsplit(row["uri"]).path, errors="surrogateescape"))
        where, name = LocalRoot(path.parent), path.name
        file = path
    else:
        folder, name = _split(_name(row["uri"]), root)
        where = AddressRoot(folder)
        file = AddressFile(folder, name, row["size"], row["etag"] or "")
    if row["cell"]:
        column, _, place = row["cell"].rpartition("@")
        group, _, number = place.partition(":")
        return Cell(where, name, _name(column), int(group), int(number))
    if not row["bytes"]:
        return file
    first, last = map(int, row["bytes"].split("-"))
    num_bytes = last - first + 1
    if isinstance(file, Path):
        return Slice(file, row["path"], first, num_bytes)
    return replace(file, start=first, num_bytes=num_bytes)


def _split(uri: str, root: str) -> tuple[str, str]:
    """The address of a folder, and the name below it."""
    first, chain, rest = root.partition("::")
    start = first if first.endswith("/") else f"{first}/"
    if root and uri.startswith(start) and uri.endswith(f"{chain}{rest}"):
        return root, uri[len(start) : len(uri) - len(f"{chain}{rest}")]
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri} is no address")
    return found[1], found[2]


def _name(text: str) -> str:
    return text.translate(_FROM_TEXT)
