"""Checkpoints after each epoch, from which an interrupted training resumes.

    runs/.resume-<fingerprint>/epoch-0006.npy  epoch-0007.npy

The fingerprint covers everything that determines the weights, so that no other training uses them.
A file has a checksum and is renamed when complete. The older of two files is overwritten for the
next epoch, which takes a third of the time of writing a new one.
"""

from __future__ import annotations

import json
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.temp_dir import hold, release
from candid.core.text import first_line

Arrays = Sequence[NDArray[Any]]

_PREFIX: Final = ".resume-"
_WHOLE: Final = "epoch-*.npy"
_NEXT: Final = "next.npy"
_KEPT_S: Final = 7 * 24 * 3600.0
# A file in an unfinished run: the checkpoints to delete once the run is complete.
_SPENT: Final = ".spent"
_CANNOT_WRITE: Final = "{} can't be written ({}); training continues without checkpoints"


@dataclass(frozen=True)
class Snapshot:
    """The state of a training after an epoch."""

    weights: Arrays  # a kernel and a bias per layer
    optimizer: Arrays  # its variables
    history: tuple[dict[str, float], ...]  # one row per epoch so far
    best: Arrays = ()  # weights of the best epoch so far, if they are kept


class Checkpoint:
    """The checkpoint folder of one training.

    Attributes:
        folder: The folder; None if nothing is kept.
        is_complete: Whether the training ended.
    """

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.is_complete = False
        self._say = say

    def read(self, fits: Callable[[Snapshot], bool]) -> Snapshot | None:
        """The latest snapshot of an earlier process that is undamaged and ``fits``, or None."""
        for file in reversed(self._files()):
            try:
                snapshot = _read(file)
                if not fits(snapshot):
                    raise ValueError("it belongs to another training")
            # NumPy, struct, zlib and json each raise their own errors for damaged bytes.
            except Exception as error:
                self._say(
                    f"{file} can't be used ({first_line(error)}); training resumes from an "
                    "earlier epoch"
                )
                with suppress(OSError):
                    file.unlink()  # otherwise it would count as the newest and evict a good one
            else:
                return snapshot
        return None

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot and keep the one before; on a write error keep no more of them."""
        if self.folder is None:
            return
        fresh = self.folder / _NEXT
        try:
            for outdated in self._files()[:-1]:
                outdated.replace(fresh)
            _write(fresh, snapshot)
            fresh.replace(self.folder / _WHOLE.replace("*", f"{len(snapshot.history):04d}"))
        except OSError as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            reason = error.strerror or error
            self._say(_CANNOT_WRITE.format(self.folder, reason))
            self.folder = None

    def _files(self) -> list[Path]:
        return [] if self.folder is None else sorted(self.folder.glob(_WHOLE))


class Checkpoints:
    """The checkpoint folders of the trainings of one run.

    Args:
        beside: The folder to create them in; None keeps nothing.
    """

    def __init__(self, beside: Path | None = None) -> None:
        self._beside = beside
        self._used: list[Checkpoint] = []

    @contextmanager
    def open(self, fingerprint: str, say: Callable[[str], None]) -> Iterator[Checkpoint]:
        """Lock and yield the checkpoint of the training with this fingerprint."""
        folder = None if self._beside is None else self._beside / f"{_PREFIX}{fingerprint[:16]}"
        held = None
        if folder is not None:
            _sweep_old(folder.parent)
            folder, held = _make_locked(folder, say)
        self._used.append(Checkpoint(folder, say))
        try:
            yield self._used[-1]
        finally:
            if folder is not None:
                with suppress(OSError):
                    folder.rmdir()  # only if it is empty, as no epoch ended
            release(held)

    def mark_spent(self, partial: Path) -> None:
        """Note in an unfinished run which checkpoints to delete, if all its trainings ended."""
        names = [used.folder.name for used in self._used if used.folder is not None]
        if names and all(used.is_complete for used in self._used):
            (partial / _SPENT).write_text("\n".join(names), encoding="utf-8")


def take_spent(partial: Path) -> list[str]:
    """Read and remove the names that `Checkpoints.mark_spent` noted in an unfinished run."""
    file = partial / _SPENT
    if not file.is_file():
        return []
    names = file.read_text(encoding="utf-8").split("\n")
    file.unlink()
    return names


def discard(beside: Path, names: Iterable[str]) -> None:
    """Delete checkpoints that no other process uses."""
    for name in names:
        if name.startswith(_PREFIX) and Path(name).name == name:
            _remove(beside / name)


def _make_locked(folder: Path, say: Callable[[str], None]) -> tuple[Path | None, int | None]:
    """Make and lock a folder; None if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder, hold(folder)
    except BlockingIOError:
        say(
            "another process runs the same training and writes its checkpoints; "
            "this one can't be resumed if it is interrupted"
        )
        return None, None
    except OSError as error:
        if folder.is_dir():  # no locks on this file system
            return folder, None
        say(_CANNOT_WRITE.format(folder, error.strerror))
        return None, None


def _sweep_old(beside: Path) -> None:
    until = time.time() - _KEPT_S
    for folder in beside.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if max(p.stat().st_mtime for p in (folder, *folder.iterdir())) < until:
                _remove(folder)


def _remove(folder: Path) -> None:
    held = None
    try:
        held = hold(folder)
    except (BlockingIOError, FileNotFoundError):
        return
    except OSError:  # no locks on this file system
        pass
    shutil.rmtree(folder, ignore_errors=True)
    release(held)


def _write(file: Path, snapshot: Snapshot) -> None:
    header = {
        "weights": len(snapshot.weights),
        "best": len(snapshot.best),
        "history": snapshot.history,
    }
    encoded = np.frombuffer(json.dumps(header).encode(), np.uint8)
    arrays = [*snapshot.weights, *snapshot.best, *snapshot.optimizer, encoded]
    counts = np.array([len(arrays), _checksum(arrays)], np.int64)
    with file.open("r+b" if file.exists() else "wb") as stream:
        for array in (counts, *arrays):
            np.save(stream, array, allow_pickle=False)
        stream.truncate()


def _read(file: Path) -> Snapshot:
    with file.open("rb") as stream:
        number, checksum = np.load(stream, allow_pickle=False).tolist()
        arrays = [np.load(stream, allow_pickle=False) for _ in range(number)]
    if _checksum(arrays) != checksum:
        raise ValueError("its checksum is wrong")
    header = json.loads(arrays.pop().tobytes())
    history, num_weights = header["history"], header["weights"]
    if not history or [row["epoch"] for row in history] != list(range(1, len(history) + 1)):
        raise ValueError("its epochs are not consecutive")
    first = num_weights + header["best"]
    weights, best, optimizer = arrays[:num_weights], arrays[num_weights:first], arrays[first:]
    return Snapshot(weights, optimizer, tuple(history), best)


def _checksum(arrays: Arrays) -> int:
    value = 0
    for array in arrays:
        value = zlib.crc32(f"{array.dtype.str}{array.shape}".encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, value)
    return value
