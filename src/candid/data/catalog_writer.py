"""Writes what a folder, a table or a bucket has as a Parquet file that every command takes.

`candid.data.sources.catalog_file` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from candid.core.cache import Cache, default_folder
from candid.core.progress import for_python
from candid.data.address import AddressFile
from candid.data.catalog import Catalog, scan
from candid.data.file_reader import RACY_NS, FileReader
from candid.data.location import PhotoFile, Slice, stamp_of
from candid.data.npz import unpacked
from candid.data.source import DataSource, without_secrets
from candid.data.sources.catalog_file import KEY, ROWS, TO_TEXT, VERSION, require
from candid.data.sources.parquet import Cell
from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.core.progress import Progress


def catalog(
    data: str | Path | DataSource,
    to: str | Path,
    *,
    rehash: bool = False,
    progress: Progress | None = None,
) -> Catalog:
    """List and hash the photos of a data set once, into a Parquet file.

    The file can be given as ``data`` everywhere. A photo that changes afterwards is left out.

    Args:
        data: A folder with one sub-folder per class, or another source.
        to: The file, ``….parquet``; it is replaced as a whole.
        rehash: Read every photo, including those whose size and times have not changed.
        progress: Progress callback; by default a bar in a notebook or at a prompt.

    Returns:
        The photos, and what was left out with reasons.

    Raises:
        DataError: The folder is missing, or has no photo.
        DependencyError: pyarrow is not installed.
        UsageError: The file can't be written there.

    Example:
        >>> candid.catalog("s3://bucket/photos", "photos.parquet")  # doctest: +SKIP
        >>> candid.train("photos.parquet")  # doctest: +SKIP
    """
    require()
    source, file, progress = DataSource.of(data), Path(to).expanduser(), progress or for_python()
    if file.suffix.lower() != ".parquet":
        raise UsageError(f"{to} has another suffix than .parquet, by which a catalog is known.")
    folder = source.path
    if folder is not None and file.resolve().is_relative_to(folder) and file.resolve() != folder:
        raise UsageError(
            f"{to} lies in the data folder {folder}, which is only read. Choose a place outside."
        )
    started_ns = time_ns()
    with Cache(default_folder()) as cache:
        reader = FileReader(cache, rehash=rehash)
        with progress.step("Finding the photos", 0) as advance:
            found = scan(
                unpacked(source, progress=progress), to_train=False, reader=reader, advance=advance
            )
    write_catalog(found, file, reader=reader, started_ns=started_ns)
    return found


def write_catalog(catalog: Catalog, to: Path, *, reader: FileReader, started_ns: int) -> Path:
    """Write a catalog, whole or not at all.

    Args:
        catalog: The catalog.
        to: The file, which is replaced.
        reader: The reader of its scan, which knows what photos are deep.
        started_ns: When that began; files that changed since are read again where they are used.

    Returns:
        The file.

    Raises:
        UsageError: It can't be written.
    """
    import pyarrow
    import pyarrow.parquet

    files = (catalog.find(photo.path) for photo in catalog.photos)
    root = next((file.root for file in files if isinstance(file, AddressFile)), "")
    facts = {
        "version": VERSION,
        "source": str(catalog.source),
        "root": without_secrets(root),
        "classes": [_text(name) for name in catalog.classes],
        "is_folder": catalog.listing is None or catalog.listing.is_folder,
    }
    schema = _schema().with_metadata({KEY: json.dumps(facts)})
    rows = _rows(catalog, reader, started_ns)
    partial = to.with_name(f".{to.name}.{os.getpid()}.partial")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with pyarrow.parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
            while some := list(islice(rows, ROWS)):
                writer.write_batch(pyarrow.RecordBatch.from_pylist(some, schema))
        partial.replace(to)
    except OSError as error:
        raise UsageError(f"{to} can't be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return to


def _schema() -> Any:
    import pyarrow

    return pyarrow.schema(
        [
            pyarrow.field("uri", pyarrow.string()),
            pyarrow.field("path", pyarrow.string(), nullable=False),
            pyarrow.field("class", pyarrow.string()),
            pyarrow.field("part", pyarrow.string()),
            pyarrow.field("group", pyarrow.string()),
            pyarrow.field("size", pyarrow.int64()),  # of the file in bytes
            pyarrow.field("bytes", pyarrow.string()),  # "512-1023" of it; null for all
            pyarrow.field("cell", pyarrow.string()),  # "image@0:17": column, row group and row
            pyarrow.field("modified", pyarrow.timestamp("ns", "UTC")),
            pyarrow.field("etag", pyarrow.string()),
            pyarrow.field("sha256", pyarrow.string()),
            pyarrow.field("deep", pyarrow.bool_()),  # more than 8 bits a sample
            pyarrow.field("reason", pyarrow.string()),
        ]
    )


def _rows(catalog: Catalog, reader: FileReader, started_ns: int) -> Iterator[dict[str, object]]:
    for photo in catalog.photos:
        yield {
            **_place(catalog.file(photo), started_ns),
            "path": _text(photo.path),
            "class": _text(photo.label),
            "part": _text(catalog.part(photo)) or None,
            "group": _text(photo.group) or None,
            "sha256": photo.content,
            "deep": reader.is_deep(photo.content),
        }
    for row in catalog.skipped:
        file = catalog.find(row.path)
        place = {} if file is None else _place(file, started_ns)
        yield {**place, "path": _text(row.path), "reason": _text(row.reason)}


def _place(file: PhotoFile, started_ns: int) -> Mapping[str, object]:
    """Where a photo is, and by what one sees that it has changed."""
    if isinstance(file, AddressFile):
        whole = AddressFile(file.root, file.name)
        return {
            "uri": _text(whole.address),
            "size": file.size,
            "etag": file.tag or None,
            "bytes": None if file.num_bytes is None else _span(file.start, file.num_bytes),
        }
    if isinstance(file, Cell):
        cell = f"{_text(file.column)}@{file.group}:{file.row}"
        return {**_place(file.root.locate(file.name), started_ns), "cell": cell}
    if isinstance(file, Slice):
        return {**_place(file.file, started_ns), "bytes": _span(file.start, file.num_bytes)}
    assert isinstance(file, Path)
    found = {"uri": file.absolute().as_uri()}
    with suppress(OSError):
        stamp = stamp_of(file)
        if max(stamp.mtime_ns, stamp.ctime_ns) < started_ns - RACY_NS:
            return {**found, "size": stamp.num_bytes, "modified": stamp.mtime_ns}
    return found


def _span(start: int, num_bytes: int) -> str:
    return f"{start}-{start + num_bytes - 1}"


def _text(text: str) -> str:
    return text.translate(TO_TEXT)
