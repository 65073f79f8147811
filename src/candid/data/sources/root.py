"""Where the files of a source are: a folder on this machine, or another `Root`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Protocol

from candid.data.address import AddressFile, is_file_at, list_files, look
from candid.data.location import PhotoFile, Slice, Stamp, stamp_of
from candid.data.source import DataSource, hide
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


@dataclass(frozen=True)
class AddressRoot:
    """A folder at an address, such as ``s3://bucket/photos``."""

    folder: str

    @cached_property
    def files(self) -> dict[str, AddressFile]:
        """All files below by their names, listed once."""
        return list_files(self.folder)

    def open(self, name: str) -> IO[bytes]:
        """A file for reading."""
        return self._look(name).open()

    def locate(
        self, name: str, start: int | None = None, num_bytes: int | None = None
    ) -> AddressFile:
        """Where a file is, or some of its bytes."""
        if start is None or num_bytes is None:
            return self._listed.get(name) or AddressFile(self.folder, name)
        return replace(self._look(name), start=start, num_bytes=num_bytes)

    @cached_property
    def _listed(self) -> dict[str, AddressFile]:
        """The files, as far as they can be listed: web servers don't, nor all buckets."""
        if "files" in self.__dict__ or not self.folder.startswith("http"):
            with suppress(DataError):
                return self.files
        return {}

    @cached_property
    def _looked(self) -> dict[str, AddressFile]:
        return {}

    def _look(self, name: str) -> AddressFile:
        """A file that holds many photos, which is asked for alone."""
        if name not in self._looked:
            self._looked[name] = self.__dict__.get("files", {}).get(name) or look(self.folder, name)
        return self._looked[name]

    def allows(self, name: str) -> bool:
        """Files below: a table from elsewhere is not to choose what is fetched."""
        return not name.startswith("/") and "://" not in name and ".." not in name.split("/")

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        if "files" in self.__dict__:
            return name in self.files
        return self.allows(name) and AddressFile(self.folder, name).is_there()

    def names(self) -> Iterator[str]:
        """All files below."""
        return (name for name in self.files if not any(map(is_hidden, name.split("/"))))

    def folders(self) -> list[str]:
        """Its direct sub-folders."""
        found = {name.partition("/")[0] for name in self.files if "/" in name}
        return sorted(name for name in found if not is_hidden(name))

    def stamp(self, name: str) -> Stamp | None:
        """What changes when the file does."""
        return self._look(name).stamp()

    def __getstate__(self) -> dict[str, str]:
        return {"folder": self.folder}

    def __str__(self) -> str:
        return self.folder


def open_address(address: str) -> tuple[AddressRoot, str]:
    """The folder of an address, and its file in there: empty for the folder itself.

    A ZIP archive is a folder: ``set.zip`` means ``zip://::set.zip``.
    """
    first, chain, rest = hide(address).partition("::")
    if first.startswith("zip:///") and not chain:  # a file of this machine
        first, chain, rest = "zip://", "::", first.removeprefix("zip://")
    elif first.lower().endswith(".zip") and not first.startswith("zip://"):
        first, chain, rest = "zip://", "::", first
    if "{" in first:  # a pattern
        folder = first[: first.index("{")].rpartition("/")[0]
        return AddressRoot(f"{folder}{chain}{rest}"), first.removeprefix(f"{folder}/")
    folder, _, name = first.rpartition("/")
    is_file = "." in name and not folder.endswith(":/") and is_file_at(f"{first}{chain}{rest}")
    return AddressRoot(f"{folder if is_file else first}{chain}{rest}"), name if is_file else ""


def open_root(source: DataSource) -> tuple[Root, str]:
    """The folder of a source, and its file in there: empty for the folder itself.

    The file may be a pattern such as ``{train,test}/set-{000..009}.tar``.

    Raises:
        DataError: It can't be opened.
    """
    path = source.path
    if path is None:
        return open_address(str(source.data))
    if path.suffix.lower() == ".zip" and path.is_file():
        return open_address(f"zip://::{path}")
    if path.is_dir():
        return LocalRoot(path), ""
    folder = path.parent
    while "{" in str(folder) and not folder.is_dir():
        folder = folder.parent
    return LocalRoot(folder), path.relative_to(folder).as_posix()
