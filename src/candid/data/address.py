"""Bytes at addresses of fsspec (``s3://…``, ``https://…``, ``zip://…``).

What was fetched is kept on this disk until the process ends, so that no photo is fetched twice, and
an archive or a table as a whole.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from errno import EFBIG, EIO
from functools import cache, partial
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from candid.core.extras import require_packages
from candid.core.hashing import hash_bytes
from candid.core.text import first_line
from candid.core.threads import map_ahead
from candid.data.fetching import IN_FLIGHT, KEPT, describe, patiently
from candid.data.location import PhotoFile, Stamp
from candid.data.source import hide, is_address, with_secrets
from candid.errors import CandidError, DataError, DependencyError

_Item = TypeVar("_Item")
_LOG: Final = logging.getLogger(__name__)

_LARGE: Final = 64 * 1024**2
_PIECE: Final = 16 * 1024**2
#: Reads that are under way at once, as each waits for an answer.
NUM_IN_FLIGHT: Final = 32
_MAX_BYTES: Final = 512 * 1024**2 + 1
_TRY_S: Final = 30.0  # and a second a MiB

#: Of files that were fetched ahead, until it is their turn.
_FAILED: Final[dict[AddressFile, OSError]] = {}
# What changes with a file's content, as file systems call it; else a time.
_TAGS: Final = (
    *("ETag", "etag", "md5Hash", "contentHash", "checksum", "Content-MD5", "Digest", "CRC"),
    *("mtime", "LastModified", "Last-Modified", "last_modified", "updated", "created"),
)
# Only Candid tries again, and says so. By default there are ten connections.
_S3: Final = {
    "use_listings_cache": False,
    "max_concurrency": 1,  # else it asks for the size before it reads
    "config_kwargs": {
        "max_pool_connections": NUM_IN_FLIGHT,
        "retries": {"total_max_attempts": 1},
    },
}


@cache
def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there; it is shared by all threads.

    Raises:
        DataError: It is of no known form, or can't be reached.
        DependencyError: A package is not installed.
    """
    require_packages(["fsspec"], needed_by="an address", extra="cloud")
    from fsspec.core import url_to_fs

    shown, address = address, with_secrets(address)
    try:
        address = _with_copy(address)
        is_s3 = re.search(r"\bs3a?://", address)
        options = {is_s3[0][:-3]: _S3} if is_s3 else {}
        system, path = patiently(lambda: url_to_fs(address, **options), shown)
    except ImportError as error:
        raise DependencyError(f"{shown} can't be opened: {_remedy(shown, error)}") from error
    except CandidError:  # of an address within
        raise
    except Exception as error:  # each file system has errors of its own
        raise DataError(f"{shown} can't be opened: {describe(error)}.") from error
    if is_s3:
        (system.fs if hasattr(system, "fs") else system).retries = 1
    return system, str(path)


def _with_copy(address: str) -> str:
    """The address of an archive, with a copy on this disk in place of what is elsewhere."""
    first, chain, rest = address.partition("::")
    if not chain or "::" in rest or not is_address(rest):
        return address
    file = AddressFile.at(rest)
    return f"{first}::{look(file.root, file.name).copy() or rest}"


def _remedy(address: str, error: ImportError) -> str:
    if re.search(r"\b(s3a?|https?)://", address):
        return f'{first_line(error)}. Run: pip install "candid-image[cloud]"'
    return f"{first_line(error)}."


@dataclass(frozen=True, slots=True)
class AddressFile:
    """A file at an address, or some of its bytes.

    Attributes:
        root: The address of a folder, without secrets, see `hide`.
        name: The file's name below, with forward slashes.
        size: Of the whole file; None if that is not known.
        tag: What changes with its content, such as an ETag; empty if that is not known.
        start: Of the first byte.
        num_bytes: How many there are; None for all.
    """

    root: str
    name: str
    size: int | None = None
    tag: str = ""
    start: int = 0
    num_bytes: int | None = None

    @classmethod
    def at(cls, address: str) -> AddressFile:
        """The file of an address, which need not be there."""
        first, chain, rest = hide(address).partition("::")
        folder, slash, name = first.rpartition("/")
        return cls(f"{folder}{slash if folder.endswith('/') else ''}{chain}{rest}", name)

    @property
    def address(self) -> str:
        """The address of the file, without secrets, and where in there the bytes begin."""
        at = f"@{self.start}" if self.num_bytes is not None else ""
        return _join(self.root, f"{self.name}{at}")

    def stamp(self) -> Stamp | None:
        """Its stamp when it was listed."""
        if self.size is None or not self.tag:
            return None
        number = -int(hash_bytes(self.tag.encode())[:15], 16)
        return Stamp(self.size, number, number)

    def read(self, most: int) -> bytes:
        """Its bytes, from this disk if they were read before.

        Raises:
            OSError: They can't be read, after several tries.
        """
        if (error := _FAILED.pop(self, None)) is not None:
            raise error
        if (path := KEPT.path(self._key)) is not None:
            with path.open("rb") as file:
                return file.read(most)
        if self.num_bytes is not None and (path := KEPT.path(self._whole._key)) is not None:
            with path.open("rb") as file:
                file.seek(self.start)
                return file.read(min(most, self.num_bytes))
        data = self._fetch(most)
        if self.tag and len(data) < most:
            KEPT.put(self._key, data)
        return data

    @property
    def _key(self) -> str:
        text = f"{self.address} {self.num_bytes} {self.size} {self.tag}"
        return hash_bytes(text.encode("utf-8", "surrogatepass"))

    @property
    def _whole(self) -> AddressFile:
        return replace(self, start=0, num_bytes=None)

    def copy(self) -> Path | None:
        """A copy of the whole file on this disk; None if that takes too much room.

        Raises:
            OSError: It can't be fetched.
        """
        size, whole = self.size, self._whole
        if size is None or not self.tag:
            return None
        if size > _LARGE and KEPT.path(whole._key) is None:
            _LOG.warning("fetching %s, %d MB", whole.address, size / 1e6)
        starts = range(0, size, _PIECE)

        def fetch(start: int) -> bytes:
            return replace(whole, start=start, num_bytes=min(_PIECE, size - start))._fetch(_PIECE)

        pieces = map_ahead(fetch, starts, num_threads=4, num_ahead=4)
        return KEPT.put_pieces(whole._key, size, pieces)

    def is_there(self) -> bool:
        """Whether there is such a file."""
        return _is_file(*self.place(), self.address)

    def open(self) -> IO[bytes]:
        """The file itself, for reading anywhere in it.

        Raises:
            OSError: It can't be opened.
        """
        if (copy := self.copy()) is not None:
            return copy.open("rb")
        system, path = self.place()
        return patiently(lambda: system.open(path, "rb"), self.address)

    def place(self) -> tuple[Any, str]:
        """The file system, and the path there."""
        shown = _join(self.root, self.name)
        if with_secrets(shown) != shown:  # a signature of this file alone
            return file_system(shown)
        system, root = file_system(self.root)
        return system, f"{root.rstrip('/')}/{self.name}" if root else self.name

    def _fetch(self, most: int) -> bytes:
        system, path = self.place()
        size = self.size if self.num_bytes is None else self.num_bytes
        if size is not None and size > most >= _MAX_BYTES:
            raise OSError(EFBIG, f"too large: {size / 1024**2:.0f} MiB")
        asked = most if size is None else min(size, most)
        if asked == 0:
            return b""
        # Of a known size, s3fs need not ask for it first.
        span = {} if size is None else {"start": self.start, "end": self.start + asked}
        with IN_FLIGHT.take(asked if size else 0):
            data = patiently(lambda: _cat(system, path, span, asked), self.address)
        if len(data) > asked and span:  # a web server that knows no ranges sends it all
            data = data[self.start : self.start + asked]
        if size is not None and len(data) < asked:
            raise OSError(EIO, f"has {len(data)} bytes of {asked}: it changed since it was listed")
        return data


def ahead(items: Iterable[_Item], file_of: Callable[[_Item], PhotoFile]) -> Iterable[_Item]:
    """The same items in order; those of their files that are at addresses are fetched ahead."""

    def fetch(item: _Item) -> _Item:
        file = file_of(item)
        if isinstance(file, AddressFile) and KEPT.has_room:
            try:
                file.read(_MAX_BYTES)
            except OSError as error:
                _FAILED[file] = error
        return item

    return map_ahead(fetch, items, num_threads=NUM_IN_FLIGHT, num_ahead=2 * NUM_IN_FLIGHT)


def is_file_at(address: str) -> bool:
    """Whether an address is that of a file, rather than of a folder."""
    return _is_file(*file_system(address), address)


def _is_file(system: Any, path: str, shown: str) -> bool:
    try:
        return bool(patiently(lambda: system.isfile(path), shown))
    except OSError:
        return False


def num_readers(files: Iterable[object]) -> int | None:
    """How many threads read files: more than there are cores if one is at an address."""
    return NUM_IN_FLIGHT if any(isinstance(file, AddressFile) for file in files) else None


def _join(root: str, name: str) -> str:
    """``zip://::s3://b/set.zip`` and ``a.jpg`` give ``zip://a.jpg::s3://b/set.zip``."""
    first, chain, rest = root.partition("::")
    return f"{first}{'' if first.endswith('/') else '/'}{name}{chain}{rest}"


def list_files(address: str) -> dict[str, AddressFile]:
    """All files below the address of a folder, by their names, listed at once.

    Raises:
        DataError: They can't be listed.
    """
    system, root = file_system(address)
    try:
        if hasattr(system, "call_s3"):
            found = list(_list_s3(system, root))
        else:
            system.invalidate_cache()
            found = list(patiently(partial(system.find, root, detail=True), address).items())
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise DataError(f"{address} can't be listed: {reason}.") from error
    names = ((str(path).removeprefix(root).removeprefix("/"), info) for path, info in found)
    return {
        name: _of_info(address, name, info)
        for name, info in names
        if name and not name.endswith("/")  # which stands for a folder
    }


def look(address: str, name: str) -> AddressFile:
    """A file of a folder, with size and tag.

    Raises:
        OSError: It is gone.
    """
    file = AddressFile(address, name)
    system, path = file.place()
    return _of_info(address, name, patiently(lambda: system.info(path), file.address))


def _of_info(address: str, name: str, info: Mapping[str, Any]) -> AddressFile:
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
    return AddressFile(address, name, info.get("size", info.get("Size")), tag.strip('"'))


def _list_s3(system: Any, root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Page by page, where s3fs would begin again after a page that fails."""
    bucket, key, _ = system.split_path(root)
    asked = {"Bucket": bucket, "Prefix": f"{key.rstrip('/')}/" if key else ""}
    while True:
        ask = partial(system.call_s3, "list_objects_v2", **asked)
        page = patiently(ask, f"s3://{root}")
        yield from ((f"{bucket}/{row['Key']}", row) for row in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        asked["ContinuationToken"] = page["NextContinuationToken"]


def _cat(system: Any, path: str, span: Mapping[str, int], num_bytes: int) -> bytes:
    if not system.async_impl:
        return bytes(system.cat_file(path, **span))
    from fsspec.asyn import sync

    most_s = _TRY_S + num_bytes / 1024**2
    return bytes(sync(system.loop, system._cat_file, path, timeout=most_s, **span))
