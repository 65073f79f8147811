"""Folders whose photos have their classes in ``metadata.csv`` or ``metadata.jsonl``.

That is Hugging Face's `imagefolder <https://huggingface.co/docs/datasets/image_dataset>`_. Unlike
there, a photo without a row is named, ``NA`` and ``007`` stay as written, and parts are those of
Candid's own folders.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import Final

from candid.core.text import join_names
from candid.data.images import SUFFIXES as IMAGE_SUFFIXES
from candid.data.listing import Listed, Listing
from candid.data.parts import role_of
from candid.data.source import DataSource
from candid.data.sources.columns import LABELS, choose_columns
from candid.data.sources.paths import explain_missing
from candid.data.sources.root import Root
from candid.data.sources.tables import read_rows, to_listed

_NAMES: Final = ("metadata.csv", "metadata.jsonl")
_FILE_NAME: Final = "file_name"


def list_imagefolder(source: DataSource, root: Root) -> Listing | None:
    """List the photos of a folder with metadata; None if it has none, or none with a class.

    Raises:
        DataError: The metadata can't be read.
    """
    folders = ("", *(f"{folder}/" for folder in root.folders() if role_of(folder)))
    files = [folder + name for folder in folders for name in _NAMES if root.has(folder + name)]
    found = [(file, rows) for file in files if (rows := _read(source, root, file)) is not None]
    if not found:
        return None
    used = join_names([file for file, _ in found])
    rows = [row for _, rows in found for row in rows]
    known = {row.path for row in rows}
    rows += (
        Listed(path, "", root.locate(path), reason=f"not listed in {used}")
        for path in sorted(root.names())
        if path not in known and PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES
    )
    note = f"classes are those of {used}, not names of folders"
    return Listing.of(map(_in_part, rows), notes=[note], explain=partial(explain_missing, root))


def _read(source: DataSource, root: Root, file: str) -> list[Listed] | None:
    """The rows of a metadata file; None if it has no column of file names, or of one class."""
    with closing(read_rows(root, file)) as rows:
        first = next(rows, None)
        names = list(first or ())
        is_usual = LABELS[0] in names or sum(name in LABELS for name in names) == 1
        if first is None or not (source.image_column or _FILE_NAME in names):
            return None
        if not (source.label_column or is_usual):
            return None
        columns = choose_columns(source, names, f"{root}/{file}", images=(_FILE_NAME,))
        folder = file.rpartition("/")[0]
        numbered = enumerate(chain([first], rows), 1)
        return [to_listed(row, number, columns, root, folder) for number, row in numbered]


def _in_part(row: Listed) -> Listed:
    """The same, in the part whose folder it is in."""
    folder = row.path.partition("/")[0]
    return replace(row, part=folder) if role_of(folder) else row
