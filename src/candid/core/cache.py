"""What was computed from a file's content, kept on disk, so that no photo is decoded twice.

One SQLite file holds every row; a row is found by its kind (which computation) and the content's
SHA-256. SQLite gives what a cache needs: whole or absent rows when the process is killed, and
several processes at once. Each row carries a checksum; a damaged row is as good as absent, a
damaged file is put aside and begun anew.
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
_PATIENCE_S = 5.0
_PAUSE_S = 0.05
_MAX_VARIABLES = 500  # SQLite's oldest limit on `?` in one statement is 999


def default_folder() -> Path:
    """``$CANDID_CACHE``, or ``candid`` in the user's cache folder (XDG)."""
    named = os.environ.get("CANDID_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "candid"


class Cache:
    """Rows of bytes by kind and content.

    Args:
        folder: Where ``cache.sqlite3`` lies; made where it is missing. None keeps the rows in
            memory, as does a folder that can't be written, of which the log has a line.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / "cache.sqlite3"
        self._has_told = False
        self._unwritten: dict[tuple[str, str], bytes] = {}
        self._connection = self._open()

    def get(self, kind: str, contents: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The rows that are there and whole, as (content, value), in no order."""
        unwritten = [name for name in dict.fromkeys(contents) if (kind, name) in self._unwritten]
        yield from ((name, self._unwritten[kind, name]) for name in unwritten)
        rest = list(set(contents) - set(unwritten)) if unwritten else contents
        for start in range(0, len(rest), _MAX_VARIABLES):
            some = rest[start : start + _MAX_VARIABLES]
            marks = ",".join("?" * len(some))
            query = f"SELECT content, value, crc FROM rows WHERE kind = ? AND content IN ({marks})"
            for content, value, crc in self._rows(query, (kind, *some)):
                if isinstance(value, bytes) and zlib.crc32(value) == crc:
                    yield content, value

    def put(self, kind: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Write rows of (content, value), replacing what was there.

        Where the disk is full, read-only or locked, they are in memory until the cache is closed.
        """
        filled = [(kind, content, value, zlib.crc32(value)) for content, value in rows]
        try:
            self._write_or_mend(filled)
        except sqlite3.OperationalError as error:
            self._tell_once(error)
            self._unwritten |= {(kind, content): value for _, content, value, _ in filled}

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rows(self, query: str, values: tuple[str, ...]) -> list[tuple[str, bytes, int]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError:
            self._begin_anew()
            return []

    def _write_or_mend(self, rows: list[tuple[str, str, bytes, int]]) -> None:
        try:
            self._write(rows)
        # Full or locked is no damage; closed, or another thread's, is our mistake.
        except (sqlite3.OperationalError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError:
            self._begin_anew()
            self._write(rows)

    def _write(self, rows: list[tuple[str, str, bytes, int]]) -> None:
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", rows)

    def _tell_once(self, error: Exception) -> None:
        """Say that nothing is kept, by the log, which goes to stderr unless somebody takes it."""
        if not self._has_told:
            self._has_told = True
            reason = getattr(error, "strerror", None) or error
            _LOG.warning(
                "the cache %s can't be written (%s), so what is looked at now is not kept",
                self.path,
                reason,
            )

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _connect(":memory:")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return _connect(str(self.path))
        except (OSError, sqlite3.OperationalError) as error:  # read-only or full: go on without
            self._tell_once(error)
            self.path = None
            return _connect(":memory:")
        except sqlite3.DatabaseError:
            return self._put_aside()

    def _begin_anew(self) -> None:
        self._connection.close()
        self._connection = self._put_aside()

    def _put_aside(self) -> sqlite3.Connection:
        if self.path is not None:
            for suffix in ("", "-wal", "-shm"):
                damaged = self.path.with_name(self.path.name + suffix)
                with suppress(OSError):
                    damaged.replace(damaged.with_name(damaged.name + ".damaged"))
        try:
            return _connect(str(self.path or ":memory:"))
        except sqlite3.DatabaseError as error:
            self._tell_once(error)
            self.path = None
            return _connect(":memory:")


def _connect(path: str) -> sqlite3.Connection:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return _open_database(path)
        except sqlite3.OperationalError as error:
            # Who switches to WAL while another process does is refused at once, without the timeout
            # (https://www.sqlite.org/wal.html, section 8).
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)


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
