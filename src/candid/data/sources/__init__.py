"""Photos that are no folder of class folders, listed without being read; one module a form.

To add a form, write a function from a `DataSource`, its `Root` and the name of its file in there to
a `Listing`, and add it below.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from candid.data.listing import Listed, Listing
from candid.data.location import FindFile
from candid.data.source import DataSource
from candid.data.sources import catalog_file
from candid.data.sources.root import AddressRoot, open_root
from candid.data.sources.tables import SUFFIXES, list_table
from candid.errors import DataError


def list_photos(source: DataSource) -> Listing | None:
    """List what a source has; None of a folder with one sub-folder per class.

    Raises:
        DataError: It can't be read, or is of no known form.
    """
    root, name = open_root(source)
    if PurePosixPath(name).suffix.lower() in SUFFIXES and root.has(name):
        return list_table(source, root, name)
    if PurePosixPath(name).suffix.lower() in catalog_file.SUFFIXES and root.has(name):
        return catalog_file.list_catalog(root, name)
    if isinstance(root, AddressRoot):
        rows = (Listed(path, "", file) for path, file in root.files.items())
        return Listing(tuple(rows), is_folder=True)
    return None


def find_in(source: DataSource) -> FindFile:
    """A function from the paths of a source's photos to where they are; None of unknown ones.

    Of a folder it is the file of that name below it, which may be gone.

    Raises:
        DataError: The source is gone, or can't be read.
    """
    root, name = open_root(source)
    if isinstance(root, AddressRoot) and not name:
        return root.locate
    listing = list_photos(source)
    if listing is not None:
        rows = listing.by_path
        return lambda path: rows[path].file if path in rows else None
    folder = source.path
    if folder is None or not folder.is_dir():
        raise DataError(f"{source} is gone.")
    return lambda path: folder / path
