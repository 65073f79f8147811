"""Reads the files of a folder once: what was learnt of one holds while its size and times do.

As Git does, a file that was changed just before it was read is read again the next time: it might
change once more within the same tick of the file system's clock, and nothing would tell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import time_ns
from typing import Final, NamedTuple

from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data.images import identify, read_file
from candid.errors import ImageError

_KIND: Final = "file:v1"
_ROW: Final = re.compile(rb"(-?\d+) (-?\d+) (-?\d+) ([01]) ([0-9a-f]{64})")
#: Files changed less than this before they are read are not remembered: FAT has ticks of 2 s.
RACY_NS: Final = 2_000_000_000
_MOST_HELD: Final = 64 * 1024**2


class Stamp(NamedTuple):
    """What of a file changes with its content: bytes, and nanoseconds of its last changes.

    The time of the last change of its entry (ctime) can't be set back, as that of its content can.
    """

    num_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class KnownFile:
    """What was learnt of a file by reading it.

    Attributes:
        content: SHA-256 of its bytes, hexadecimal.
        is_image: Whether it begins as an image does.
    """

    content: str
    is_image: bool


class FileReader:
    """Reads files, and remembers in a cache what they were.

    `learn` and `read` may be called from any thread; the others, from that of the cache.
    """

    def __init__(self, cache: Cache | None = None, *, rehash: bool = False) -> None:
        """Remember nothing yet.

        Args:
            cache: Where it is remembered; by default nowhere.
            rehash: Whether to read all files, those too that are as they were.
        """
        self._cache = cache
        self._rehash = rehash
        self._recalled: dict[str, bytes] = {}
        self._fresh: dict[str, bytes] = {}
        self._held: dict[str, bytes] = {}
        self._num_held = 0
        self._lock = Lock()

    def recall(self, paths: Iterable[Path]) -> None:
        """Fetch what is remembered of files that will be asked for."""
        if self._cache is not None and not self._rehash:
            self._recalled = dict(self._cache.get(_KIND, [_key(path) for path in paths]))

    def learn(self, path: Path) -> KnownFile:
        """Say what a file is; it is read unless its size and times are those remembered.

        Raises:
            ImageError: It can't be read.
        """
        now_ns, stamp = time_ns(), _stamp(path)  # both before it is read
        key = _key(path)
        remembered = _parse(self._recalled.get(key, b""))
        if remembered is not None and remembered[0] == stamp:
            return remembered[1]
        data = read_file(path)
        learnt = KnownFile(hash_bytes(data), identify(data) is not None)
        if learnt.is_image:
            self._hold(learnt.content, data)
        if stamp is not None and now_ns - max(stamp.mtime_ns, stamp.ctime_ns) > RACY_NS:
            row = f"{' '.join(map(str, stamp))} {learnt.is_image:d} {learnt.content}"
            self._fresh[key] = row.encode()
        return learnt

    def read(self, path: Path, content: str) -> bytes:
        """Give the bytes of a content; those just read are not read again.

        Raises:
            ImageError: The file can't be read, or has another content by now.
        """
        with self._lock:
            data = self._held.pop(content, None)
            self._num_held -= len(data or b"")
        if data is not None:
            return data
        data = read_file(path)
        if hash_bytes(data) != content:
            raise ImageError("changed while Candid was at work")
        return data

    def keep(self) -> None:
        """Write what was learnt into the cache."""
        if self._cache is not None:
            self._cache.put(_KIND, self._fresh.items())
        self._fresh = {}

    def release(self) -> None:
        """Let go of the bytes that are held for `read`."""
        with self._lock:
            self._held, self._num_held = {}, 0

    def _hold(self, content: str, data: bytes) -> None:
        """Hold bytes until they are asked for, as long as all are few."""
        with self._lock:
            if content not in self._held and self._num_held + len(data) <= _MOST_HELD:
                self._held[content] = data
                self._num_held += len(data)


def _key(path: Path) -> str:
    # A name need not be UTF-8, which a text in SQLite is.
    return hash_bytes(os.fsencode(path))


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except (OSError, ValueError):  # reading it will say why
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _parse(row: bytes) -> tuple[Stamp, KnownFile] | None:
    """A row of the cache; None where it is not what was written."""
    match = _ROW.fullmatch(row)
    if match is None:
        return None
    stamp = Stamp(int(match[1]), int(match[2]), int(match[3]))
    return stamp, KnownFile(match[5].decode(), match[4] == b"1")
