"""A cache on disk of values computed from a file's content, so that no photo is decoded twice.

One SQLite file holds all rows, keyed by kind (which computation) and SHA-256 of the content. SQLite
makes writes atomic, also when the process is killed, and allows several processes at once. Each row
has a checksum: a damaged row counts as absent; a damaged file is moved aside and started anew.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_LOG = logging.getLogger(__name__)
_TABLE = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, content TEXT NOT NULL, value BLOB NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (kind, content)
) WITHOUT ROWID
"""
_MAX_WAIT_S = 5.0
_RETRY_EVERY_S = 0.05
_MAX_VARIABLES = 500  # SQLite's oldest limit on `?` in one statement is 999


def default_folder() -> Path:
    """``$CANDID_CACHE``, or ``candid`` in the system's folder for the user's caches."""
    named = os.environ.get("CANDID_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("candid", appauthor=False)


class Cache:
    """Rows of bytes by kind and content.

    Args:
        folder: Where ``cache.sqlite3`` lies; created if missing. With None, rows are kept in
            memory; so they are, with a warning in the log, if the folder can't be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "cache.sqlite3"
        self._has_warned = False
        self._unwritten: dict[tuple[str, str], bytes] = {}
        self._connection = self._open()

    def get(self, kind: str, contents: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The undamaged rows found, as (content, value), in no order."""
        unwritten = [name for name in dict.fromkeys(contents) if (kind, name) in self._unwritten]
        yield from ((name, self._unwritten[kind, name]) for name in unwritten)
        rest = list(set(contents) - set(unwritten)) if unwritten else contents
        for start in range(0, len(rest), _MAX_VARIABLES):
            some = rest[start : start + _MAX_VARIABLES]
            marks = ",".join("?" * len(some))
            query = f"SELECT content, value, crc FROM rows WHERE kind = ? AND content IN ({marks})"
            for content, value, crc in self._select(query, (kind, *some)):
                if isinstance(value, bytes) and zlib.crc32(value) == crc:
                    yield content, value

    def put(self, kind: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows of (content, value), replacing existing ones.

        If the disk is full, read-only or locked, they stay in memory until the cache is closed.
        """
        filled = [(kind, content, value, zlib.crc32(value)) for content, value in rows]
        try:
            self._insert(filled)
        except sqlite3.OperationalError as error:
            self._warn_once(error)
            self._unwritten |= {(kind, content): value for _, content, value, _ in filled}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _select(self, query: str, values: tuple[str, ...]) -> list[tuple[str, bytes, int]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError:
            self._start_anew()
            return []

    def _insert(self, rows: list[tuple[str, str, bytes, int]]) -> None:
        statement = "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)"
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        # Full or locked is no damage; closed, or in another thread, is a bug of the caller.
        except (sqlite3.OperationalError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError:
            self._start_anew()
            with self._connection:
                self._connection.executemany(statement, rows)

    def _warn_once(self, error: Exception) -> None:
        """Log that nothing is stored; without a handler, the log goes to stderr."""
        if not self._has_warned:
            self._has_warned = True
            reason = getattr(error, "strerror", None) or error
            _LOG.warning(
                "the cache %s can't be written (%s), so results are not stored for the next run",
                self.path,
                reason,
            )

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(self.path))
        except (OSError, sqlite3.OperationalError) as error:  # read-only or full
            return self._use_memory(error)
        except sqlite3.DatabaseError:
            return self._replace_damaged()

    def _use_memory(self, error: Exception) -> sqlite3.Connection:
        self._warn_once(error)
        self.path = None
        return _connect(":memory:")

    def _start_anew(self) -> None:
        self._connection.close()
        self._connection = self._replace_damaged()

    def _replace_damaged(self) -> sqlite3.Connection:
        if self.path is not None:
            for suffix in ("", "-wal", "-shm"):
                damaged = self.path.with_name(self.path.name + suffix)
                with suppress(OSError):
                    damaged.replace(damaged.with_name(damaged.name + ".damaged"))
        try:
            return _connect(str(self.path or ":memory:"))
        except sqlite3.DatabaseError as error:
            return self._use_memory(error)


def _connect(path: str) -> sqlite3.Connection:
    deadline = time.monotonic() + _MAX_WAIT_S
    while True:
        try:
            return _open_database(path)
        except sqlite3.OperationalError as error:
            # Two processes that switch to WAL at once: one is refused, whatever the timeout
            # (https://www.sqlite.org/wal.html, section 8).
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_EVERY_S)


def _open_database(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_TABLE)
        connection.commit()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
