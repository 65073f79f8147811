"""Bytes at addresses of fsspec (``s3://…``, ``https://…``, ``zip://…``), fetched with patience.

A read that fails is tried again, later each time. What was fetched is kept on this disk until the
process ends, so that no photo is fetched twice.
"""

from __future__ import annotations

import atexit
import logging
import random
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EFBIG, EIO, ETIMEDOUT
from functools import cache, partial
from threading import Condition, Lock
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar
from zipfile import BadZipFile

from candid.core.cache import default_folder
from candid.core.extras import require_packages
from candid.core.hashing import hash_bytes
from candid.core.temp_dir import make_held, sweep
from candid.core.text import first_line
from candid.core.threads import map_ahead
from candid.data.location import PhotoFile, Stamp
from candid.data.source import without_secrets
from candid.errors import DataError, DependencyError

if TYPE_CHECKING:
    from pathlib import Path

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")
_LOG: Final = logging.getLogger(__name__)

#: Reads that are under way at once, as each waits for an answer.
NUM_IN_FLIGHT: Final = 32
_MAX_BYTES: Final = 512 * 1024**2 + 1
_MAX_BYTES_IN_FLIGHT: Final = 256 * 1024**2
_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.2  # twice as long each time, and up to half of that less
_LONGEST_WAIT_S: Final = 10.0
_TRY_S: Final = 30.0  # and a second a MiB
_READ_S: Final = 120.0  # all tries together
_TELL_EVERY_S: Final = 1.0

_MOST_KEPT: Final = 0.25  # of the free disk
_SECRETS: Final[dict[str, str]] = {}
_FINAL: Final = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError),
    *(KeyError, ValueError, TypeError, ImportError, BadZipFile),
)
# What changes with a file's content, as file systems call it; else a time.
_TAGS: Final = (
    *("ETag", "etag", "md5Hash", "contentHash", "checksum", "CRC"),
    *("mtime", "LastModified", "last_modified", "updated", "created"),
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


def hide(address: str) -> str:
    """An address without user, password and signature, which this process remembers."""
    shown = without_secrets(address)
    if shown != address:
        _SECRETS[shown] = address
    return shown


@cache
def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there; it is shared by all threads.

    Raises:
        DataError: It is of no known form, or can't be reached.
        DependencyError: A package is not installed.
    """
    require_packages(["fsspec"], needed_by="an address", extra="cloud")
    from fsspec.core import url_to_fs

    shown, address = address, _SECRETS.get(address, address)
    is_s3 = re.search(r"\bs3a?://", address)
    try:
        system, path = url_to_fs(address, **({is_s3[0][:-3]: _S3} if is_s3 else {}))
    except ImportError as error:
        raise DependencyError(f"{shown} can't be opened: {_remedy(shown, error)}") from error
    except Exception as error:  # each file system has errors of its own
        raise DataError(f"{shown} can't be opened: {_describe(error)}.") from error
    if is_s3:
        (system.fs if hasattr(system, "fs") else system).retries = 1
    return system, str(path)


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
        text = f"{self.address} {self.num_bytes} {self.size} {self.tag}"
        key = hash_bytes(text.encode("utf-8", "surrogatepass"))
        data = _KEPT.get(key)
        if data is None:
            data = self._fetch(most)
            if self.tag and len(data) < most:
                _KEPT.put(key, data)
        return data[:most]

    def is_there(self) -> bool:
        """Whether there is such a file."""
        return _is_file(*self.place(), self.address)

    def open(self) -> IO[bytes]:
        """The file itself, for reading anywhere in it.

        Raises:
            OSError: It can't be opened.
        """
        system, path = self.place()
        return _patiently(lambda: system.open(path, "rb"), self.address)

    def place(self) -> tuple[Any, str]:
        """The file system, and the path there."""
        secret = _SECRETS.get(_join(self.root, self.name))
        if secret is not None:
            return file_system(secret)
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
        with _IN_FLIGHT.take(asked if size else 0):
            data = _patiently(lambda: _cat(system, path, span, asked), self.address)
        if len(data) > asked and span:  # a web server that knows no ranges sends it all
            data = data[self.start : self.start + asked]
        if size is not None and len(data) < asked:
            raise OSError(EIO, f"has {len(data)} bytes of {asked}: it changed since it was listed")
        return data


def ahead(items: Iterable[_Item], file_of: Callable[[_Item], PhotoFile]) -> Iterable[_Item]:
    """The same items in order; those of their files that are at addresses are fetched ahead."""

    def fetch(item: _Item) -> _Item:
        file = file_of(item)
        if isinstance(file, AddressFile) and _KEPT.has_room:
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
        return bool(_patiently(lambda: system.isfile(path), shown))
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
            found = list(_patiently(partial(system.find, root, detail=True), address).items())
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
    return _of_info(address, name, _patiently(lambda: system.info(path), file.address))


def _of_info(address: str, name: str, info: Mapping[str, Any]) -> AddressFile:
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
    return AddressFile(address, name, info.get("size", info.get("Size")), tag.strip('"'))


def _list_s3(system: Any, root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Page by page, where s3fs would begin again after a page that fails."""
    bucket, key, _ = system.split_path(root)
    asked = {"Bucket": bucket, "Prefix": f"{key.rstrip('/')}/" if key else ""}
    while True:
        ask = partial(system.call_s3, "list_objects_v2", **asked)
        page = _patiently(ask, f"s3://{root}")
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


def _patiently(read: Callable[[], _Result], address: str) -> _Result:
    """Try a read again, later each time, unless that can't help.

    Waits grow twofold with jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
    """
    until = time.monotonic() + _READ_S
    for number in range(1, _TRIES + 1):
        try:
            return read()
        except Exception as error:  # each file system has errors of its own
            wait_s = min(_FIRST_WAIT_S * 2 ** (number - 1), _LONGEST_WAIT_S)
            wait_s *= random.uniform(0.5, 1)
            if _is_final(error):
                raise _to_os_error(error) from error
            if number == _TRIES or time.monotonic() + wait_s > until:
                raise _to_os_error(error, f" ({number} tries)") from error
            _RETRIED.tell(address, error)
            time.sleep(wait_s)
    raise AssertionError


def _is_final(error: Exception) -> bool:
    """Whether the same read would fail again: it is not there, not allowed, or no address."""
    status = getattr(error, "status", None)  # of aiohttp
    if isinstance(status, int):
        return 400 <= status < 500 and status not in (408, 425, 429)
    # Of botocore, which need not be there.
    return isinstance(error, _FINAL) or "Credential" in type(error).__name__


def _to_os_error(error: Exception, tries: str = "") -> OSError:
    if isinstance(error, (FileNotFoundError, PermissionError)):
        return error
    if isinstance(error, KeyError):  # no such member
        return FileNotFoundError(_describe(error))
    if getattr(error, "status", None) in (401, 403):
        return PermissionError(_describe(error))
    if isinstance(error, TimeoutError):
        return OSError(ETIMEDOUT, f"no answer in time{tries}")
    return OSError(EIO, f"{_describe(error)}{tries}")


def _describe(error: Exception) -> str:
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    words = f"{status} {message}" if status and message else first_line(error)
    return without_secrets(words.rstrip("."))


class _Retried:
    """Says that reads are tried again, at most once a second."""

    def __init__(self) -> None:
        self._lock, self._told, self._count = Lock(), 0.0, 0

    def tell(self, address: str, error: Exception) -> None:
        with self._lock:
            self._count += 1
            now, count = time.monotonic(), self._count
            if now - self._told < _TELL_EVERY_S:
                return
            self._told, self._count = now, 0
        others = f" and {count - 1} more" if count > 1 else ""
        _LOG.warning("trying again: %s%s: %s", address, others, _describe(error))


_RETRIED: Final = _Retried()


class _Kept:
    """Bytes that were fetched, in a folder that goes with the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._folder: Path | None = None
        self._left = 0

    @property
    def has_room(self) -> bool:
        return self._folder is None or self._left > 0

    def get(self, key: str) -> bytes | None:
        if self._folder is None:
            return None
        try:
            return (self._folder / key).read_bytes()
        except OSError:
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes, unless they would take too much of the disk."""
        with self._lock, suppress(OSError):
            folder = self._folder or self._make()
            if len(data) <= self._left:
                self._left -= len(data)
                partial = folder / f"{key}.partial"
                partial.write_bytes(data)
                partial.replace(folder / key)

    def _make(self) -> Path:
        parent = default_folder()
        parent.mkdir(parents=True, exist_ok=True)
        sweep(parent, "fetched-")
        self._folder, _ = make_held(parent, "fetched-")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._left = int(shutil.disk_usage(parent).free * _MOST_KEPT)
        return self._folder


_KEPT: Final = _Kept()


#: Of files that were fetched ahead, until it is their turn.
_FAILED: Final[dict[AddressFile, OSError]] = {}


class _Budget:
    """Bytes that may be on their way at once; one larger photo is fetched alone."""

    def __init__(self) -> None:
        self._used, self._changed = 0, Condition()

    @contextmanager
    def take(self, num_bytes: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(
                lambda: not self._used or self._used + num_bytes <= _MAX_BYTES_IN_FLIGHT
            )
            self._used += num_bytes
        try:
            yield
        finally:
            with self._changed:
                self._used -= num_bytes
                self._changed.notify_all()


_IN_FLIGHT: Final = _Budget()
