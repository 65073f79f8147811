"""What a long training keeps on disk after each epoch, to go on from there after it was killed.

    runs/.resume-<fingerprint>/epoch-0006.npy  epoch-0007.npy

The fingerprint is of all that decides the weights, so another training never takes it for its own.
A file gets its name when it is whole, and has a checksum. The one before the last is written over
for the next epoch, which takes a third of the time that a new file takes.
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
# In a run that is being written: the checkpoints that are worth nothing once it is whole.
_SPENT: Final = ".spent"


@dataclass(frozen=True)
class Snapshot:
    """What there is after an epoch.

    Attributes:
        weights: A kernel and a bias a layer.
        optimizer: The optimizer's variables, so that training can go on.
        history: A row for each epoch so far.
    """

    weights: Arrays
    optimizer: Arrays
    history: tuple[dict[str, float], ...]


class Checkpoint:
    """The place of one training.

    Attributes:
        folder: Where the snapshot lies; None where none is kept.
        is_complete: Whether the training came to its end.
    """

    def __init__(self, folder: Path | None, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.is_complete = False
        self._say = say

    def read(self, fits: Callable[[Snapshot], bool]) -> Snapshot | None:
        """What an earlier process left; None where it left nothing, or nothing that can be used.

        Args:
            fits: Tells whether a snapshot is of this training.
        """
        for file in reversed(self._files()):
            try:
                snapshot = _read(file)
                if not fits(snapshot):
                    raise ValueError("it is of another training")
            # NumPy, struct, zlib and json each have errors of their own for damaged bytes.
            except Exception as error:
                self._say(f"{file} can't be used ({first_line(error)}); training begins before it")
                with suppress(OSError):
                    file.unlink()  # else it would count as the newest, and push out a good one
            else:
                return snapshot
        return None

    def write(self, snapshot: Snapshot) -> None:
        """Keep a snapshot beside the one before; where the disk is full, keep none."""
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
            self._say(f"{self.folder} can't be written ({reason}); training goes on without it")
            self.folder = None

    def _files(self) -> list[Path]:
        """The snapshots, by their epochs."""
        return [] if self.folder is None else sorted(self.folder.glob(_WHOLE))


class Checkpoints:
    """The places of the trainings that make one run.

    Args:
        beside: The folder in which they lie; None keeps nothing.
    """

    def __init__(self, beside: Path | None = None) -> None:
        self._beside = beside
        self._used: list[Checkpoint] = []

    @contextmanager
    def open(self, fingerprint: str, say: Callable[[str], None]) -> Iterator[Checkpoint]:
        """The place of one training, for this process alone.

        Args:
            fingerprint: SHA-256 of all that decides the weights.
            say: Told what a person should know.
        """
        folder = None if self._beside is None else self._beside / f"{_PREFIX}{fingerprint[:16]}"
        held = None
        if folder is not None:
            _sweep_old(folder.parent)
            folder, held = _occupy(folder, say)
        self._used.append(Checkpoint(folder, say))
        try:
            yield self._used[-1]
        finally:
            if folder is not None:
                with suppress(OSError):
                    folder.rmdir()  # where no epoch ended, there is nothing in it
            release(held)

    def mark_spent(self, partial: Path) -> None:
        """Note in an unfinished run what can go once it is whole: all, if no training broke off."""
        names = [used.folder.name for used in self._used if used.folder is not None]
        if names and all(used.is_complete for used in self._used):
            (partial / _SPENT).write_text("\n".join(names), encoding="utf-8")


def take_spent(partial: Path) -> list[str]:
    """Take the names that `Checkpoints.mark_spent` noted out of an unfinished run."""
    file = partial / _SPENT
    if not file.is_file():
        return []
    names = file.read_text(encoding="utf-8").split("\n")
    file.unlink()
    return names


def discard(beside: Path, names: Iterable[str]) -> None:
    """Remove checkpoints, unless another process uses them."""
    for name in names:
        if name.startswith(_PREFIX) and Path(name).name == name:
            _remove(beside / name)


def _occupy(folder: Path, say: Callable[[str], None]) -> tuple[Path | None, int | None]:
    """Make and lock a folder; no folder where that can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder, hold(folder)
    except BlockingIOError:
        say("another process trains the same, so this one can't be resumed if it is killed")
        return None, None
    except OSError as error:
        if folder.is_dir():  # there are no locks here
            return folder, None
        say(f"{folder} can't be written ({error.strerror}); training goes on without it")
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
    except OSError:  # no locks here
        pass
    shutil.rmtree(folder, ignore_errors=True)
    release(held)


def _write(file: Path, snapshot: Snapshot) -> None:
    told = {"weights": len(snapshot.weights), "history": snapshot.history}
    head = np.frombuffer(json.dumps(told).encode(), np.uint8)
    arrays = [*snapshot.weights, *snapshot.optimizer, head]
    counts = np.array([len(arrays), _checksum(arrays)], np.int64)
    with file.open("r+b" if file.exists() else "wb") as opened:
        for array in (counts, *arrays):
            np.save(opened, array, allow_pickle=False)
        opened.truncate()


def _read(file: Path) -> Snapshot:
    with file.open("rb") as opened:
        number, checksum = np.load(opened, allow_pickle=False).tolist()
        arrays = [np.load(opened, allow_pickle=False) for _ in range(number)]
    if _checksum(arrays) != checksum:
        raise ValueError("its checksum is another")
    told = json.loads(arrays.pop().tobytes())
    history, split_at = told["history"], told["weights"]
    if not history or [row["epoch"] for row in history] != list(range(1, len(history) + 1)):
        raise ValueError("its epochs are not one after the other")
    return Snapshot(arrays[:split_at], arrays[split_at:], tuple(history))


def _checksum(arrays: Arrays) -> int:
    value = 0
    for array in arrays:
        value = zlib.crc32(f"{array.dtype.str}{array.shape}".encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, value)
    return value
