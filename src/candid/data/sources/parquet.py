"""Parquet with the bytes of photos and their classes, as Hugging Face and others write it.

A photo is located by file, row group and row. Listing reads every column but that of the photos;
reading rows in order reads that once, a few MiB at a time, whatever the size of a row group.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from candid.core.extras import require_packages
from candid.core.text import cut, first_line, sanitize
from candid.data.images import SUFFIXES as IMAGE_SUFFIXES
from candid.data.images import identify
from candid.data.listing import Listed, Listing
from candid.data.location import Stamp
from candid.data.parts import part_of_file
from candid.data.source import DataSource
from candid.data.sources.columns import IMAGES, LABELS, PATHS, Columns, choose_columns, to_text
from candid.data.sources.paths import find_meant
from candid.data.sources.root import Root
from candid.data.sources.tables import list_rows
from candid.errors import DataError, ImageError

_BATCH_ROWS: Final = 2**14
_BATCH_BYTES: Final = 2**22
_MOST_KEPT_BYTES: Final = 2**27
_MOST_WINDOWS: Final = 8
_BUFFER_BYTES: Final = 2**20
_FEWEST_DIGITS: Final = 6
_LONGEST_NAME: Final = 120


def list_parquet(
    source: DataSource, root: Root, names: Sequence[str], *, labelled: bool = True
) -> Listing:
    """List the rows of Parquet files of one kind.

    Args:
        source: With the columns that a person named.
        root: Of the files.
        names: The files. Of several, each may be of a part: ``train-00000-of-00002.parquet``.
        labelled: Whether a class is needed.

    Raises:
        DataError: A file can't be read, or a column is missing.
    """
    tables = [_Table.read(root, name, source, labelled=labelled) for name in names]
    if not tables[0].has_bytes:
        rows = (row for table in tables for _, _, row in table.rows())
        return list_rows(source, root, f"{root}/{names[0]}", rows, labelled=labelled)
    digits = max(_FEWEST_DIGITS, *(len(str(table.num_rows)) for table in tables))
    listed = (
        row for table in tables for row in table.listed(digits=digits, is_alone=len(names) == 1)
    )
    return Listing.of(listed)


def read_metadata(root: Root, name: str) -> Mapping[bytes, bytes]:
    """What a schema says of itself.

    Raises:
        DataError: The file can't be read.
        DependencyError: pyarrow is not installed.
    """
    require_packages(["pyarrow"], needed_by="a Parquet file", extra="parquet")
    with _errors(f"{root}/{name}"), _opened(root, name) as parquet:
        return parquet.schema_arrow.metadata or {}


@dataclass(frozen=True)
class _Table:
    """A Parquet file and its columns."""

    root: Root
    name: str
    columns: Columns
    has_bytes: bool
    has_paths: bool
    class_names: Mapping[str, Sequence[str]]
    num_rows: int

    @classmethod
    def read(cls, root: Root, name: str, source: DataSource, *, labelled: bool) -> _Table:
        where = f"{root}/{name}"
        with _errors(where), _opened(root, name) as parquet:
            schema, num_rows = parquet.schema_arrow, parquet.metadata.num_rows
        held = [field.name for field in schema if _holds_bytes(field.type)]
        images = ("image", *([one for one in held if one.lower() in IMAGES] or held))
        features = _class_names(schema.metadata or {})
        usual = (
            LABELS if any(one.lower() in LABELS for one in schema.names) else ("label", *features)
        )
        columns = choose_columns(
            source,
            schema.names,
            where,
            images=images if held else PATHS,
            labels=usual,
            labelled=labelled,
        )
        kind = schema.field(columns.image).type
        has_bytes = columns.image in held
        if not has_bytes and "string" not in str(kind):
            raise DataError(
                f"{where}: its column {sanitize(columns.image)} is {cut(sanitize(str(kind)), 80)}; "
                "expected the bytes of photos, or a struct of bytes and path. Name another one "
                "with --image-column."
            )
        has_paths = has_bytes and "path" in _fields(kind)
        return cls(root, name, columns, has_bytes, has_paths, features, num_rows)

    def rows(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Row group, row in it, and the cells of all columns that matter."""
        where, one = f"{self.root}/{self.name}", self.columns
        image = f"{one.image}.path" if self.has_paths else "" if self.has_bytes else one.image
        names = list(dict.fromkeys(filter(None, (image, *one.labels, one.part, one.group))))
        with _errors(where), _opened(self.root, self.name) as parquet:
            for group in range(parquet.metadata.num_row_groups):
                if not names:
                    num_rows = parquet.metadata.row_group(group).num_rows
                    yield from ((group, row, {}) for row in range(num_rows))
                    continue
                batches = parquet.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names)
                cells = (row for batch in batches for row in batch.to_pylist())
                yield from ((group, row, values) for row, values in enumerate(cells))

    def listed(self, *, digits: int, is_alone: bool) -> Iterator[Listed]:
        """The rows of a listing. Names begin with the number of the row, so they sort like them."""
        one = self.columns
        part = "" if is_alone else part_of_file(self.name)
        suffix = self._suffix()
        for number, (group, row, values) in enumerate(self.rows()):
            label, reason = self._label(values)
            named = to_text((values.get(one.image) or {}).get("path")) if self.has_paths else ""
            ending = f"-{_base_name(named)}" if named else suffix
            path = f"{number:0{digits}}{ending}"
            yield Listed(
                path if is_alone else f"{self.name}/{path}",
                label,
                Cell(self.root, self.name, one.image, group, row),
                part or to_text(values.get(one.part)),
                to_text(values.get(one.group)),
                reason,
            )

    def _label(self, row: Mapping[str, object]) -> tuple[str, str]:
        if len(self.columns.labels) == 1 and (name := self.columns.labels[0]) in self.class_names:
            names = self.class_names[name]
            row = {name: _to_names(row.get(name), names)}
        return self.columns.label(row)

    def _suffix(self) -> str:
        """That of the first photo; formats are known by content, so it is a mere name."""
        with suppress(OSError, ImageError):
            cell = Cell(self.root, self.name, self.columns.image, 0, 0)
            kind = identify(cell.read(_BUFFER_BYTES)) or "JPEG"
            suffix = f".{kind.lower()}".replace("jpeg", "jpg")
            return suffix if suffix in IMAGE_SUFFIXES else ".jp2"
        return ".jpg"


def _to_names(value: object, names: Sequence[str]) -> object:
    """The names of class numbers; -1 is none."""
    if isinstance(value, list):
        return [_to_names(one, names) for one in value]
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return value


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The class names of columns, from what Hugging Face writes into the schema's metadata."""
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        features = json.loads(metadata.get(b"huggingface", b""))["info"]["features"]
        return {
            column: [str(name) for name in names]
            for column, feature in features.items()
            if isinstance(
                names := feature.get("names") or feature.get("feature", {}).get("names"), list
            )
        }
    return {}


def _fields(kind: Any) -> list[str]:
    return [field.name for field in kind] if hasattr(kind, "num_fields") and kind.num_fields else []


def _holds_bytes(kind: Any) -> bool:
    """Whether it is binary, or a struct with binary ``bytes``."""
    if "bytes" in _fields(kind) and str(kind).startswith("struct"):
        kind = kind.field("bytes").type
    return "binary" in str(kind) and not _fields(kind)


def _base_name(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2][-_LONGEST_NAME:]


@contextmanager
def _opened(root: Root, name: str) -> Iterator[Any]:
    import pyarrow.parquet

    with root.open(name) as file:
        yield pyarrow.parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES)


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Turn what pyarrow raises into one line."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError, KeyError) as error:
        reason = cut(sanitize(first_line(error)), 200)
        raise DataError(f"{where} can't be read as Parquet: {reason}. Restore it.") from error


@dataclass(frozen=True, slots=True)
class Cell:
    """The photo of a row.

    Attributes:
        root: Of the file.
        name: Of the file.
        column: Binary, or a struct of ``bytes`` and ``path``.
        group: Number of the row group.
        row: Number of the row in its group.
    """

    root: Root
    name: str
    column: str
    group: int
    row: int

    @property
    def address(self) -> str:
        """The file and the cell."""
        return f"{self.root}/{self.name}::{self.column}@{self.group}:{self.row}"

    def stamp(self) -> Stamp | None:
        """That of the file."""
        return self.root.stamp(self.name)

    def read(self, most: int) -> bytes:
        """Its bytes."""
        import pyarrow

        try:
            value = _windows.read(self)
        except (pyarrow.ArrowException, OSError, ValueError, IndexError) as error:
            if getattr(error, "errno", None) is not None:  # of the file, not of what is in it
                raise
            reason = cut(sanitize(first_line(error)), 100)
            raise ImageError(f"can't be read from Parquet: {reason}") from error
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            path = to_text(value.get("path")) if isinstance(value, dict) else ""
            raise ImageError(_explain_null(self.root, path))
        return data[:most]


def _explain_null(root: Root, path: str) -> str:
    if not path:
        return "no bytes in its row"
    meant = find_meant(root, path)
    perhaps = f" (perhaps {sanitize(meant)} in {root} is meant)" if meant else ""
    return (
        f"no bytes in its row, only the path {sanitize(path)}, which is not opened{perhaps}; "
        "embed_table_storage of datasets writes the bytes"
    )


class _Window:
    """The latest rows of a column of a row group, read in order."""

    def __init__(self, cell: Cell, stamp: Stamp | None) -> None:
        self.stamp = stamp
        self.num_bytes = 0
        self._end = 0
        self._kept: deque[tuple[int, Any]] = deque()
        self._file = cell.root.open(cell.name)
        self._batches = self._read(cell)

    def _read(self, cell: Cell) -> Iterator[Any]:
        import pyarrow.parquet

        parquet = pyarrow.parquet.ParquetFile(self._file, buffer_size=_BUFFER_BYTES)
        group = parquet.metadata.row_group(cell.group)
        num_bytes = max(group.total_byte_size // max(group.num_rows, 1), 1)
        yield from parquet.iter_batches(
            min(max(_BATCH_BYTES // num_bytes, 1), _BATCH_ROWS),
            row_groups=[cell.group],
            columns=[cell.column],
            use_threads=False,
        )

    def has_passed(self, row: int) -> bool:
        """Whether the row was read and is not kept any more."""
        return bool(self._kept) and row < self._kept[0][0]

    def read(self, row: int) -> object:
        """The cell of a row."""
        while row >= self._end:
            batch = next(self._batches, None)
            if batch is None:
                raise ValueError("the file ends before its rows do")
            self._kept.append((self._end, batch.column(0)))
            self._end += batch.num_rows
            self.num_bytes += batch.nbytes
            while self.num_bytes > _MOST_KEPT_BYTES and len(self._kept) > 1:
                self.num_bytes -= self._kept.popleft()[1].nbytes
        start, column = next(kept for kept in reversed(self._kept) if kept[0] <= row)
        return column[row - start].as_py()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Windows:
    """The rows that were read last, of any files, at most so many bytes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._windows: OrderedDict[tuple[Root, str, str, int], _Window] = OrderedDict()

    def read(self, cell: Cell) -> object:
        """The value of a cell.

        Raises:
            OSError: The file can't be read.
            ValueError: What is in it can't be read; pyarrow has errors of its own too.
        """
        key = cell.root, cell.name, cell.column, cell.group
        stamp = cell.stamp()
        with self._lock:
            window = self._windows.pop(key, None)
            if window and (window.stamp != stamp or window.has_passed(cell.row)):
                window.close()
                window = None
            window = window or _Window(cell, stamp)
            try:
                value = window.read(cell.row)
            except BaseException:
                window.close()
                raise
            self._windows[key] = window
            while sum(one.num_bytes for one in self._windows.values()) > _MOST_KEPT_BYTES * 2 or (
                len(self._windows) > _MOST_WINDOWS
            ):
                self._windows.popitem(last=False)[1].close()
        return value


_windows: Final = _Windows()
