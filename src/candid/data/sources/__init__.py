"""Photos that are no folder of class folders, listed without being read; one module a form.

To add a form, write a function from a `DataSource`, its `Root` and the name of its file in there to
a `Listing`, and add it below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from candid.core.text import join_names
from candid.data.listing import Listed, Listing
from candid.data.location import FindFile
from candid.data.source import COMPRESSED, LABELLING, PARQUET, TABLES, TAR, DataSource
from candid.data.sources import catalog_file, imagefolder, labelling, parquet, tables, webdataset
from candid.data.sources.root import AddressRoot, Root, open_root
from candid.errors import DataError

_SHARDS: Final = (*TAR, *PARQUET, *COMPRESSED)
#: What may lie beside them.
_BESIDE_SHARDS: Final = (
    ".md",
    ".txt",
    ".json",
    ".jsonl",
    ".yaml",
    ".yml",
    ".csv",
    ".py",
    ".pdf",
    ".idx",
)
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_MOST_FILES: Final = 100_000


def list_photos(source: DataSource, *, labelled: bool = True) -> Listing | None:
    """List what a source has; None of a folder with one sub-folder per class.

    Args:
        source: The source.
        labelled: Whether classes are needed.

    Raises:
        DataError: It can't be read, or is of no known form.
    """
    root, name = open_root(source)
    return list_in(source, root, name, labelled=labelled)


def list_in(source: DataSource, root: Root, name: str, *, labelled: bool) -> Listing | None:
    """The same, of a file of a root, or a pattern; the name is empty for the root itself.

    Raises:
        DataError: It can't be read, or is of no known form.
    """
    if not name:
        names = _find_shards(root)
        if not names:  # the paths of an imagefolder are those of its files
            metadata = imagefolder.list_imagefolder(source, root) if labelled else None
            return metadata or _list_files(root)
    elif root.has(name):
        names = [name]
    elif "{" in name:
        names = _expand(root, name)
    else:
        return None
    if all(one.lower().endswith(TAR) for one in names):
        return webdataset.list_shards(source, root, names, labelled=labelled)
    if all(one.lower().endswith(PARQUET) for one in names):
        if catalog_file.KEY in parquet.read_metadata(root, names[0]):
            return catalog_file.list_catalog(root, names[0])
        return parquet.list_parquet(source, root, names, labelled=labelled)
    if len(names) == 1 and names[0].lower().endswith(TABLES):
        return tables.list_table(source, root, names[0], labelled=labelled)
    if len(names) == 1 and names[0].lower().endswith(LABELLING):
        return labelling.list_labelling(source, root, names[0], labelled=labelled)
    webdataset.require_unpacked(root, names)
    if len(names) > 1:
        raise DataError(
            f"{root} has {join_names(names)}; expected .tar files alone, or .parquet files alone."
        )
    return None


def _list_files(root: Root) -> Listing | None:
    """All files of an address, for whoever knows the classes from their folders."""
    if not isinstance(root, AddressRoot):
        return None
    rows = (Listed(path, "", file) for path, file in root.files.items())
    return Listing(tuple(rows), is_folder=True)


def _find_shards(root: Root) -> list[str]:
    """The archives or tables of a folder that has no photos of its own, at any depth."""
    found = []
    for name in root.names():
        if name.lower().endswith(_SHARDS):
            found.append(name)
        elif not name.lower().endswith(_BESIDE_SHARDS):
            return []
    return sorted(found)


def _expand(root: Root, pattern: str) -> list[str]:
    """The files of a pattern such as ``{train,test}/set-{000..009}.tar``.

    Raises:
        DataError: One is missing.
    """
    start, *rest = _BRACES.split(pattern)
    names = [start]
    for inside, text in zip(rest[::2], rest[1::2], strict=True):
        ends = _alternatives(inside)
        if len(names) * len(ends) > _MOST_FILES:
            raise DataError(f"{root}/{pattern} means more than {_MOST_FILES:,} files.")
        names = [name + end + text for name in names for end in ends]
    missing = [name for name in names if not root.has(name)]
    if missing:
        raise DataError(f"{root}/{pattern} lacks {join_names(missing)}.")
    return names


def _alternatives(inside: str) -> Sequence[str]:
    """``000..009`` or ``train,test``."""
    numbers = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", inside)
    if numbers is None:
        return inside.split(",")
    found = range(int(numbers[1]), int(numbers[2]) + 1)[: _MOST_FILES + 1]
    return [f"{number:0{len(numbers[1])}}" for number in found]


def find_in(source: DataSource) -> FindFile:
    """A function from the paths of a source's photos to where they are; None of unknown ones.

    Of a folder it is the file of that name below it, which may be gone.

    Raises:
        DataError: The source is gone, or can't be read.
    """
    listing = list_photos(source, labelled=False)
    if listing is not None:
        rows = listing.by_path
        return lambda path: rows[path].file if path in rows else None
    folder = source.path
    if folder is None or not folder.is_dir():
        raise DataError(f"{source} is gone.")
    return lambda path: folder / path
