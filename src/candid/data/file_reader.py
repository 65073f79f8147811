"""Read files once: hash and format are cached while size and times of the file are unchanged.

As in Git, a file modified shortly before it is read is not cached: it might change again within the
same tick of the file system's clock, unnoticed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Final

from candid.core.hashing import hash_bytes
from candid.core.progress import Progress, Silent
from candid.core.threads import map_ahead
from candid.data.images import is_picture, read_file
from candid.data.images.decode import is_deep
from candid.data.location import Location, PhotoFile, Stamp, stamp_of
from candid.errors import ImageError

if TYPE_CHECKING:
    from candid.core.cache import Cache

_KIND: Final = "file:v3"
_ROW: Final = re.compile(rb"(-?\d+) (-?\d+) (-?\d+) ([01])([01]) ([0-9a-f]{64})")
#: Files modified less than this before they are read are not cached: FAT has ticks of 2 s.
RACY_NS: Final = 2_000_000_000
_MAX_BUFFERED_BYTES: Final = 512 * 1024**2
_FILES_AHEAD: Final = 512  # wait for a thread, which reads them when it is their turn
_STORE_EVERY: Final = 256  # at most about as many are lost if the process is killed


@dataclass(frozen=True)
class KnownFile:
    """What a file is.

    Attributes:
        content: Hexadecimal SHA-256.
        is_image: Whether it begins as an image does.
        is_deep: Whether it may have more than 8 bits a sample.
    """

    content: str
    is_image: bool
    is_deep: bool = False


class FileReader:
    """Reads files and caches their hashes.

    `learn` and `read` may be called from any thread; the others, from that of the cache.

    Args:
        cache: Where hashes are stored; by default nowhere.
        rehash: Read every file, even if its size and times are unchanged.
    """

    def __init__(self, cache: Cache | None = None, *, rehash: bool = False) -> None:
        self._cache = cache
        self.rehash = rehash
        self._cached: dict[str, bytes] = {}
        self._fresh: dict[str, bytes] = {}
        self._deep: set[str] = set()
        self._hashed: dict[PhotoFile, Stamp] = {}  # before `learn` read the file
        self._buffered: dict[str, bytes] = {}
        self._num_buffered_bytes = 0
        self._lock = Lock()

    def recall(self, paths: Iterable[PhotoFile]) -> None:
        """Load the cached rows of files that `learn` will be called with."""
        if self._cache is not None and not self.rehash:
            self._cached = dict(self._cache.get(_KIND, [_key(path) for path in paths]))

    def learn(self, path: PhotoFile) -> KnownFile:
        """Hash and identify a file; it is read unless its size and times are the cached ones.

        Raises:
            ImageError: It can't be read.
        """
        now_ns, stamp = time_ns(), _stamp(path)  # both before it is read
        key = _key(path)
        cached = _parse(self._cached.get(key, b""))
        if cached is not None and cached[0] == stamp:
            return self._note(cached[1])
        data = read_file(path)
        file = KnownFile(hash_bytes(data), is_picture(data), is_deep(data))
        if file.is_image:
            self._buffer(file.content, data)
        if stamp is not None and now_ns - max(stamp.mtime_ns, stamp.ctime_ns) > RACY_NS:
            row = f"{' '.join(map(str, stamp))} {file.is_image:d}{file.is_deep:d} {file.content}"
            self._fresh[key] = row.encode()
            self._hashed[path] = stamp
        return self._note(file)

    def is_deep(self, content: str) -> bool:
        """Whether a file that was learnt may have more than 8 bits a sample."""
        return content in self._deep

    def note_deep(self, contents: Iterable[str]) -> None:
        """Learn that contents may have more than 8 bits a sample, without reading them."""
        self._deep.update(contents)

    def _note(self, file: KnownFile) -> KnownFile:
        if file.is_deep:
            self._deep.add(file.content)
        return file

    def read(self, path: PhotoFile, content: str) -> bytes:
        """The bytes of a file, from the buffer of `learn` where they are there.

        Else it is read again, and hashed unless `learn` did so and its size and times are the same.

        Raises:
            ImageError: It can't be read, or its content has changed.
        """
        with self._lock:
            data = self._buffered.pop(content, None)
            self._num_buffered_bytes -= len(data or b"")
        if data is not None:
            return data
        data = read_file(path)
        stamp = self._hashed.get(path)  # none if the hash is of an earlier run
        if (stamp is None or stamp != _stamp(path)) and hash_bytes(data) != content:
            since = (
                "since it was listed" if isinstance(path, Location) else "while Candid was at work"
            )
            raise ImageError(f"changed {since}")
        return data

    def keep(self) -> None:
        """Write new rows to the cache."""
        if self._cache is not None:
            self._cache.put(_KIND, self._fresh.items())
        self._fresh = {}

    def release(self) -> None:
        """Free the buffer."""
        with self._lock:
            self._buffered, self._num_buffered_bytes = {}, 0

    def _buffer(self, content: str, data: bytes) -> None:
        """Keep bytes for `read`, up to a limit of memory."""
        with self._lock:
            num_bytes = self._num_buffered_bytes + len(data)
            if content not in self._buffered and num_bytes <= _MAX_BUFFERED_BYTES:
                self._buffered[content] = data
                self._num_buffered_bytes = num_bytes


def _key(path: PhotoFile) -> str:
    # Hashed, as a file name need not be UTF-8, which SQLite's text is.
    text = path.address if isinstance(path, Location) else path
    return hash_bytes(os.fsencode(text))


def _stamp(path: PhotoFile) -> Stamp | None:
    try:
        return stamp_of(path) if isinstance(path, Path) else path.stamp()
    except (OSError, ValueError):  # reading it gives the reason
        return None


def _parse(row: bytes) -> tuple[Stamp, KnownFile] | None:
    """Parse a row of the cache; None if it is malformed."""
    match = _ROW.fullmatch(row)
    if match is None:
        return None
    stamp = Stamp(int(match[1]), int(match[2]), int(match[3]))
    return stamp, KnownFile(match[6].decode(), match[4] == b"1", match[5] == b"1")


def make_once(
    cache: Cache,
    kind: str,
    files: Mapping[str, PhotoFile],
    start: Callable[[], Callable[[bytes], bytes | None]],
    *,
    is_valid: Callable[[bytes], object] = lambda _: True,
    progress: Progress | None = None,
    title: str = "",
    num_ahead: int = _FILES_AHEAD,
) -> dict[str, bytes]:
    """Make something of each file, once per content: it is cached, also if Ctrl-C ends the work.

    Args:
        cache: Of this thread.
        kind: What is made; equal kinds make equal bytes of equal contents.
        files: A file by its content.
        start: Called once, and only if something is missing; gives the function that makes it from
            the bytes of a file, in threads: None, or `ImageError`, if that is impossible.
        is_valid: Whether what is cached can be used; else it is made again.
        progress: Progress callback.
        title: Of its step, if something is missing.
        num_ahead: Most files at work or waiting for it; few bound the memory of large ones.

    Returns:
        What was made or cached, by content, in no order; without files that were removed or
        changed.
    """
    found = {content: row for content, row in cache.get(kind, list(files)) if is_valid(row)}
    missing = [content for content in files if content not in found]
    if not missing:
        return found
    make, reader = start(), FileReader()
    made: dict[str, bytes] = {}

    def work(content: str) -> None:
        with suppress(ImageError):
            if (row := make(reader.read(files[content], content))) is not None:
                made[content] = row

    def store() -> None:
        rows = [made.popitem() for _ in range(len(made))]  # threads may add some meanwhile
        found.update(rows)
        cache.put(kind, rows)

    with (progress or Silent()).step(title, len(missing)) as advance:
        try:
            for _ in map_ahead(work, missing, num_ahead=num_ahead):
                advance(1)
                if len(made) >= _STORE_EVERY:
                    store()
        finally:  # after Ctrl-C or an error too
            store()
    return found
