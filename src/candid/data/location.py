"""Where the bytes of a photo are: a file, or a `Location` in a bucket, an archive or a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable


class Stamp(NamedTuple):
    """Size in bytes and times in ns; unlike mtime, ctime can't be set back.

    Where there are no times but a tag that changes with the content, a negative number made of the
    tag stands for the times.
    """

    num_bytes: int
    mtime_ns: int
    ctime_ns: int


@runtime_checkable
class Location(Protocol):
    """Bytes that are no file of their own. It can be pickled, and read in any thread or process."""

    @property
    def address(self) -> str:
        """What identifies it, in one line: for messages and as a key."""
        ...

    def stamp(self) -> Stamp | None:
        """What changes when the bytes do; None if that is not known, so that they are read.

        Raises:
            OSError: It is gone.
        """
        ...

    def read(self, most: int) -> bytes:
        """Its bytes, at most so many.

        Raises:
            OSError: They can't be read.
            ImageError: Likewise, with a reason.
        """
        ...


#: Where a photo is.
PhotoFile: TypeAlias = Path | Location
#: From the path of a photo in a data set to where it is; None if it is not listed.
FindFile: TypeAlias = Callable[[str], PhotoFile | None]


def name_of(file: PhotoFile) -> str:
    """The name of a file, or the address of a location."""
    return file.address if isinstance(file, Location) else file.name


def stamp_of(file: Path) -> Stamp:
    """The stamp of a file.

    Raises:
        OSError: It is gone.
    """
    status = file.stat()
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_start(file: PhotoFile, num_bytes: int) -> bytes:
    """The first bytes of a photo.

    Raises:
        OSError: They can't be read.
    """
    if isinstance(file, Location):
        return file.read(num_bytes)
    with file.open("rb") as opened:
        return opened.read(num_bytes)


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes within a larger file, such as a member of a tar archive.

    Attributes:
        file: The file.
        name: Of the member.
        start: Of its first byte.
        num_bytes: How many there are.
    """

    file: Path
    name: str
    start: int
    num_bytes: int

    @property
    def address(self) -> str:
        """The file and the member."""
        return f"{self.file}::{self.name}@{self.start}"

    def stamp(self) -> Stamp:
        """That of the file."""
        return stamp_of(self.file)

    def read(self, most: int) -> bytes:
        """Its bytes."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            return file.read(min(most, self.num_bytes))
