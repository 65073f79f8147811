"""Photos that are no folder of class folders, listed without being read; one module a form.

To add a form, write a function from `DataSource` and its path to a `Listing`, and add it below.
"""

from __future__ import annotations

from candid.data.listing import Listing
from candid.data.location import FindFile
from candid.data.source import DataSource
from candid.data.sources.tables import SUFFIXES, list_table
from candid.errors import DataError


def list_photos(source: DataSource) -> Listing | None:
    """List what a source has; None of a folder with one sub-folder per class.

    Raises:
        DataError: It can't be read, or is of no known form.
    """
    path = source.path
    if path is None:
        raise DataError(f"{source} can't be opened; expected a folder or a file on this machine.")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return list_table(source, path)
    return None


def find_in(source: DataSource) -> FindFile:
    """A function from the paths of a source's photos to where they are; None of unknown ones.

    Of a folder it is the file of that name below it, which may be gone.

    Raises:
        DataError: The source is gone, or can't be read.
    """
    listing = list_photos(source)
    if listing is not None:
        rows = listing.by_path
        return lambda path: rows[path].file if path in rows else None
    folder = source.path
    if folder is None or not folder.is_dir():
        raise DataError(f"{source} is gone.")
    return lambda path: folder / path
