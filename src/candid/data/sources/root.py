"""Where the files of a source are: a folder on this machine, or another `Root`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Protocol

from candid.data.location import PhotoFile, Slice, Stamp, stamp_of
from candid.data.source import DataSource
from candid.data.walk import is_hidden, visible_folders, walk
from candid.errors import DataError


class Root(Protocol):
    """Files by their names below a folder, with forward slashes. It can be pickled."""

    def open(self, name: str) -> IO[bytes]:
        """A file for reading, which can be sought in.

        Raises:
            OSError: It can't be opened.
        """
        ...

    def locate(
        self, name: str, start: int | None = None, num_bytes: int | None = None
    ) -> PhotoFile:
        """Where a file is, or some of its bytes; it need not be there."""
        ...

    def allows(self, name: str) -> bool:
        """Whether a table may name such a file, be it there or not."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def names(self) -> Iterator[str]:
        """All files below, without hidden ones, in any order; read while they are asked for."""
        ...

    def folders(self) -> list[str]:
        """Its direct sub-folders, without hidden ones."""
        ...

    def stamp(self, name: str) -> Stamp | None:
        """What changes when the file does; None if that is not known.

        Raises:
            OSError: It is gone.
        """
        ...

    def __str__(self) -> str:
        """The path or the address of the folder."""
        ...


@dataclass(frozen=True, slots=True)
class LocalRoot:
    """A folder on this machine; names may leave it by ``..``, or be absolute paths."""

    folder: Path

    def open(self, name: str) -> IO[bytes]:
        """A file for reading."""
        return (self.folder / name).open("rb")

    def locate(
        self, name: str, start: int | None = None, num_bytes: int | None = None
    ) -> PhotoFile:
        """Where a file is, or some of its bytes."""
        if start is None or num_bytes is None:
            return self.folder / name
        return Slice(_file(self.folder, name), name, start, num_bytes)

    def allows(self, name: str) -> bool:
        """Every file, as whoever gave the table may read it anyway."""
        return "://" not in name

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return (self.folder / name).is_file()
        except (OSError, ValueError):  # too long, or with a NUL
            return False

    def names(self) -> Iterator[str]:
        """All files below."""
        for path in walk(self.folder):
            if not is_hidden(path.name):
                yield path.relative_to(self.folder).as_posix()

    def folders(self) -> list[str]:
        """Its direct sub-folders; none if it can't be opened, which the scan of it says."""
        with suppress(DataError):
            return [path.name for path in visible_folders(self.folder)]
        return []

    def stamp(self, name: str) -> Stamp:
        """Size and times of the file."""
        return stamp_of(self.folder / name)

    def __str__(self) -> str:
        return str(self.folder)


@lru_cache(maxsize=16)
def _file(folder: Path, name: str) -> Path:
    """One object for all slices of a file."""
    return folder / name


def open_root(source: DataSource) -> tuple[Root, str]:
    """The folder of a source, and its file in there: empty for the folder itself.

    The file may be a pattern such as ``{train,test}/set-{000..009}.tar``.

    Raises:
        DataError: It can't be opened.
    """
    path = source.path
    if path is None:
        raise DataError(f"{source} can't be opened; expected a folder or a file on this machine.")
    if path.is_dir():
        return LocalRoot(path), ""
    folder = path.parent
    while "{" in str(folder) and not folder.is_dir():
        folder = folder.parent
    return LocalRoot(folder), path.relative_to(folder).as_posix()
