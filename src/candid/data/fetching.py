"""Fetching with patience: failures are tried again, and what was fetched is kept on this disk."""

from __future__ import annotations

import atexit
import logging
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO, ETIMEDOUT
from pathlib import Path
from threading import Condition, Lock
from typing import Final, TypeVar
from zipfile import BadZipFile

from candid.core.cache import default_folder
from candid.core.temp_dir import make_held, sweep
from candid.core.text import first_line
from candid.data.source import without_secrets

_Result = TypeVar("_Result")
_LOG: Final = logging.getLogger(__name__)
_MAX_BYTES_IN_FLIGHT: Final = 256 * 1024**2
_TRIES: Final = 6
_FIRST_WAIT_S: Final = 0.2  # twice as long each time, and up to half of that less
_LONGEST_WAIT_S: Final = 10.0
_READ_S: Final = 120.0  # all tries together
_TELL_EVERY_S: Final = 1.0
_MOST_KEPT: Final = 0.25  # of the free disk
_FINAL: Final = (
    *(FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError),
    *(KeyError, ValueError, TypeError, BadZipFile),
)


def patiently(read: Callable[[], _Result], address: str) -> _Result:
    """Try a read again, later each time, unless that can't help.

    Waits grow twofold with jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter
    """
    until = time.monotonic() + _READ_S
    for number in range(1, _TRIES + 1):
        try:
            return read()
        except ImportError:
            raise
        except Exception as error:  # each file system has errors of its own
            wait_s = min(_FIRST_WAIT_S * 2 ** (number - 1), _LONGEST_WAIT_S)
            wait_s *= random.uniform(0.5, 1)
            if _is_final(error):
                raise _to_os_error(error) from error
            if number == _TRIES or time.monotonic() + wait_s > until:
                raise _to_os_error(error, f" ({number} tries)") from error
            RETRIED.tell(address, error)
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
        return FileNotFoundError(describe(error))
    if getattr(error, "status", None) in (401, 403):
        return PermissionError(describe(error))
    if isinstance(error, TimeoutError):
        return OSError(ETIMEDOUT, f"no answer in time{tries}")
    return OSError(EIO, f"{describe(error)}{tries}")


def describe(error: Exception) -> str:
    """What happened, in one line without secrets."""
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    words = f"{status} {message}" if status and message else first_line(error)
    if isinstance(error, OSError):
        words = error.strerror or words
    return without_secrets(words.rstrip("."))


class _Retried:
    """Says that reads are tried again, at most once a second."""

    def __init__(self) -> None:
        self._lock, self._told, self._count = Lock(), 0.0, 0

    def tell(self, address: str, error: Exception) -> None:
        """Note a failure, and say so unless that was done a moment ago."""
        with self._lock:
            self._count += 1
            now, count = time.monotonic(), self._count
            if now - self._told < _TELL_EVERY_S:
                return
            self._told, self._count = now, 0
        others = f" and {count - 1} more" if count > 1 else ""
        _LOG.warning("trying again: %s%s: %s", address, others, describe(error))


RETRIED: Final = _Retried()


class _Kept:
    """Bytes that were fetched, in a folder that goes with the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._whole_lock = Lock()
        self._folder: Path | None = None
        self._left = 0

    @property
    def has_room(self) -> bool:
        """Whether more can be kept, perhaps."""
        return self._folder is None or self._left > 0

    def path(self, key: str) -> Path | None:
        """Where bytes are, if they were kept."""
        path = None if self._folder is None else self._folder / key
        return path if path is not None and path.is_file() else None

    def put_pieces(self, key: str, size: int, pieces: Iterable[bytes]) -> Path | None:
        """Keep a large file; None, and nothing is fetched, if it takes too much of the disk.

        Raises:
            OSError: It can't be fetched or written.
        """
        with self._whole_lock:
            if (found := self.path(key)) is not None:
                return found
            with self._lock:
                folder = self._folder or self._make()
                if size > self._left:
                    return None
                self._left -= size
            partial = folder / f"{key}.partial"
            with partial.open("wb") as file:
                file.writelines(pieces)
            return partial.replace(folder / key)

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


KEPT: Final = _Kept()


class _Budget:
    """Bytes that may be on their way at once; one larger photo is fetched alone."""

    def __init__(self) -> None:
        self._used, self._changed = 0, Condition()

    @contextmanager
    def take(self, num_bytes: int) -> Iterator[None]:
        """Wait until so many more may be fetched."""
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


IN_FLIGHT: Final = _Budget()
