"""Rows of numbers in a temporary file, of sets that are too large to be held in memory.

The file is read, not mapped: pages of a mapped one count as memory of the process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeAlias
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.core.temp_dir import reserve

#: Rows beyond which they are in a file, and what is fitted to them is fitted in streams.
MANY_ROWS: Final = 20_000
_BLOCK: Final = 4096  # rows that are read at a time
_GAP: Final = 8  # rows that are read for nothing rather than begin another read


class _Owner:
    """What all rows of a file share; the file is closed when the last of them is gone."""


class StoredRows:
    """Rows, float32 ``(n, d)``, of a file, or some of them; indexing reads them, in any thread.

    The file has no name, so it is gone when this is, or the process.

    Attributes:
        places: int64 ``(n,)``, where these rows are in the file.
        folder: Where that is.
    """

    def __init__(self, length: int, width: int, folder: Path | None = None) -> None:
        """Make rows of zeros in a folder; by default, or if it is read-only, in that of the system.

        Raises:
            UsageError: There is no space for them.
        """
        can_write = folder is not None and os.access(folder, os.W_OK)
        self.folder = folder if folder and can_write else Path(tempfile.gettempdir())
        self._file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115
        self._owner = _Owner()
        finalize(self._owner, self._file.close)
        reserve(self._file.fileno(), 4 * length * width, self.folder)
        self._lock, self._width = Lock(), width
        self._every = self.places = np.arange(length)

    @property
    def shape(self) -> tuple[int, int]:
        """Number and length of the rows."""
        return len(self.places), self._width

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.places) * self._width

    def __len__(self) -> int:
        return len(self.places)

    @property
    def whole(self) -> StoredRows:
        """All rows of the file, in its order."""
        return self._at(self._every)

    def take(self, places: NDArray[np.integer[Any]], axis: int = 0) -> StoredRows:
        """Some of the rows, as NumPy's ``take``; nothing is read."""
        if axis != 0:
            raise ValueError("rows can be taken, not columns")
        return self._at(self.places[places])

    def _at(self, places: NDArray[np.int64]) -> StoredRows:
        some = object.__new__(StoredRows)
        some.__dict__ |= self.__dict__ | {"places": places}
        return some

    def write(self, start: int, rows: Rows) -> None:
        """Write rows of the file, from one on."""
        data = np.ascontiguousarray(rows, np.float32).data.cast("B")
        with self._lock:
            self._file.seek(4 * start * self._width)
            while len(data):
                data = data[self._file.write(data) :]

    def __getitem__(self, which: slice | NDArray[Any]) -> Rows:
        """Read rows, float32 ``(m, d)``."""
        places = self.places[which]
        if len(places) and (np.diff(places) == 1).all():
            return self._read(places[0], places[-1] + 1)
        found = np.empty((len(places), self._width), np.float32)
        order = np.argsort(places, kind="stable")
        ranked = places[order]
        ends = [*(np.flatnonzero(np.diff(ranked) > _GAP) + 1).tolist(), len(ranked)]
        start = 0
        for end in ends:
            while start < end:
                stop = min(end, int(np.searchsorted(ranked, ranked[start] + _BLOCK)))
                some = ranked[start:stop]
                found[order[start:stop]] = self._read(some[0], some[-1] + 1)[some - some[0]]
                start = stop
        return found

    def column(self, number: int) -> Rows:
        """One column, float32 ``(n,)``."""
        return np.concatenate([self[block][:, number] for block in blocks_of(self)])

    def _read(self, start: int, end: int) -> Rows:
        rows = np.empty((end - start, self._width), np.float32)
        data = rows.data.cast("B")
        with self._lock:
            self._file.seek(4 * int(start) * self._width)
            while len(data):
                num_read = self._file.readinto(data)
                if not num_read:
                    raise EOFError("a temporary file was cut short")
                data = data[num_read:]
        return rows


#: Rows in memory or in a file; both have ``shape``, ``size``, ``take`` and indices.
ManyRows: TypeAlias = Rows | StoredRows


def blocks_of(rows: ManyRows) -> Iterator[slice]:
    """The places of rows that are processed together: all in memory, some of a file."""
    step = _BLOCK if isinstance(rows, StoredRows) else max(1, len(rows))
    starts = range(0, max(1, len(rows)), step)
    return (slice(start, min(start + step, len(rows))) for start in starts)


def join_rows(parts: Sequence[ManyRows]) -> ManyRows:
    """Rows one after another; in a file if any of them are."""
    stored = [part for part in parts if isinstance(part, StoredRows)]
    if not stored:
        return np.concatenate([part[:] for part in parts])
    joined, start = StoredRows(sum(map(len, parts)), parts[0].shape[1], stored[0].folder), 0
    for part in parts:
        for block in blocks_of(part):
            joined.write(start + block.start, part[block])
        start += len(part)
    return joined


@dataclass(frozen=True)
class TurnedRows:
    """Rows standardised and on some principal axes: ``(row - mean) / scale`` times the axes.

    Attributes:
        rows: ``(n, r)``.
        mean: float32 ``(d,)``.
        scale: float32 ``(d,)``.
        axes: float32 ``(r, d)``, orthonormal.
        squares: float64 ``(r,)``, the mean square along each.
        sampled: int64 ``(m,)``, the places in the file of a sample.
        sample: float32 ``(m, r)``, its rows, in memory.
    """

    rows: StoredRows
    mean: Rows
    scale: Rows
    axes: Rows
    squares: NDArray[np.float64]
    sampled: NDArray[np.int64]
    sample: Rows

    def take(self, places: NDArray[np.int64]) -> TurnedRows:
        """Some of the rows."""
        return replace(self, rows=self.rows.take(places))
