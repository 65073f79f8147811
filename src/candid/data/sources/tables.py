"""CSV and JSON Lines with the paths of photos and their classes: ``path,label``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from candid.core.text import join_names, sanitize
from candid.data.listing import Listed, Listing
from candid.data.source import DataSource
from candid.data.tables import read_table
from candid.errors import DataError

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson")
_IMAGE_NAMES: Final = ("path", "file_name", "file", "image", "filename", "image_path", "filepath")
_LABEL_NAMES: Final = ("label", "class", "category", "species", "target")


def list_table(source: DataSource, file: Path) -> Listing:
    """List the photos of a table; paths are relative to its folder.

    Columns ``part`` (or ``split``) and ``group`` are taken too, where they are there.

    Raises:
        DataError: It can't be read, or lacks a column.
    """
    rows = list(_read(file))
    names = list(dict.fromkeys(name for row in rows[:1000] for name in row))
    image = choose_column(source.image_column, names, _IMAGE_NAMES, file, "--image-column")
    label = choose_column(source.label_column, names, _LABEL_NAMES, file, "--label-column")
    return Listing.of(_to_listed(row, image, label, file.parent) for row in rows if row.get(image))


def choose_column(
    chosen: str, names: list[str], usual: tuple[str, ...], file: Path, option: str
) -> str:
    """The chosen column, or the first of the usual names; upper and lower case are the same.

    Raises:
        DataError: There is none.
    """
    lower = {name.lower(): name for name in reversed(names)}
    wanted = (chosen,) if chosen else usual
    found = next((lower[name.lower()] for name in wanted if name.lower() in lower), None)
    if found is None:
        expected = f"the column {sanitize(chosen)}" if chosen else f"a column {join_names(usual)}"
        raise DataError(
            f"{file} lacks {expected}; it has {join_names([*map(sanitize, names)], most=20)}. "
            f"Name it with {option}."
        )
    return found


def _read(file: Path) -> Iterator[Mapping[str, str]]:
    if file.suffix.lower() in (".csv", ".tsv"):
        remedy = "Expected a table with the columns path and label."
        yield from read_table(file, required=(), remedy=remedy, error=DataError).rows
        return
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _parse(line, number, file)
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror}.") from error


def _parse(line: str, number: int, file: Path) -> Mapping[str, str]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise DataError(f"{file}, line {number}, is no JSON: {error}.") from error
    if not isinstance(values, dict):
        raise DataError(f"{file}, line {number}: expected an object, such as {{'path': 'a.jpg'}}.")
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _to_listed(row: Mapping[str, str], image: str, label: str, folder: Path) -> Listed:
    path = row[image].strip().replace("\\", "/")
    part = row.get("part", "") or row.get("split", "")
    return Listed(path, row.get(label, "").strip(), folder / path, part, row.get("group", ""))
