"""Temporary folders that are removed even if the process that made them is killed.

A process holds a lock (flock) on each of its folders. The system releases it when the process ends,
across containers that share a disk too, where process numbers mean nothing. An unlocked folder was
left behind and may be removed; a locked one is in use.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from candid.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIES: Final = 100
_Value = TypeVar("_Value", bound="np.generic")


@contextmanager
def temp_dir(prefix: str) -> Iterator[Path]:
    """Make a `locked_dir` in the system's temporary folder."""
    with locked_dir(Path(tempfile.gettempdir()), prefix) as folder:
        yield folder


@contextmanager
def locked_dir(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that is removed at the end, or by the next call if this process is killed.

    Folders with this prefix that killed processes left behind are removed first, see `sweep`.

    Yields:
        The folder, accessible to this user only. It may be moved away.

    Raises:
        OSError: It can't be made.
    """
    sweep(parent, prefix)
    folder, lock = make_held(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        release(lock)


def make_held(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Make and lock a folder; only `sweep` removes it, once the lock is released.

    Returns:
        The folder, and the lock for `release`; None where folders can't be locked.

    Raises:
        OSError: It can't be made.
    """
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(BlockingIOError, FileNotFoundError):  # swept before it was locked
            return folder, hold_if_possible(folder)
    raise FileExistsError(f"no folder {prefix}… could be locked in {parent}")


def sweep(parent: Path, prefix: str) -> None:
    """Remove this user's folders with the prefix that no running process has locked."""
    try:
        folders = [path for path in parent.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return
    for folder in folders:
        with suppress(OSError, AttributeError):  # Windows has neither user ids nor locks
            if folder.lstat().st_uid == os.geteuid():
                lock = hold(folder)
                shutil.rmtree(folder, ignore_errors=True)
                release(lock)


def hold(folder: Path) -> int:
    """Lock a folder until `release`, or until this process ends.

    Returns:
        The lock, for `release`.

    Raises:
        BlockingIOError: It is locked already, perhaps by this process.
        OSError: It is no folder, or folders can't be locked here.
    """
    if sys.platform == "win32":
        raise OSError("no folder can be locked on Windows")
    import fcntl

    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The previous holder may have removed or moved it between the two steps.
        if not os.path.samestat(os.fstat(lock), folder.stat()):
            raise BlockingIOError(f"{folder} has become another folder")
    except BaseException:
        os.close(lock)
        raise
    return lock


def hold_if_possible(folder: Path) -> int | None:
    """`hold` a folder; None where folders can't be locked, and so are never swept.

    Raises:
        BlockingIOError: It is locked already.
        FileNotFoundError: It does not exist any more.
    """
    try:
        return hold(folder)
    except (BlockingIOError, FileNotFoundError):
        raise
    except OSError:
        return None


def release(lock: int | None) -> None:
    """Release a lock of `hold`; None is ignored."""
    if lock is not None:
        os.close(lock)


@contextmanager
def mapped_array(
    prefix: str, dtype: type[_Value], shape: tuple[int, ...]
) -> Iterator[NDArray[_Value]]:
    """Make an array of zeros in a temporary file that is mapped into memory; see `temp_dir`.

    Raises:
        UsageError: There is no space for it.
    """
    import numpy as np

    with temp_dir(prefix) as folder:
        file = folder / "array"
        with file.open("wb") as empty:
            reserve(empty.fileno(), np.dtype(dtype).itemsize * math.prod(shape), folder.parent)
        yield np.memmap(file, dtype, "r+", shape=shape)


def reserve(file: int, num_bytes: int, folder: Path) -> None:
    """Fill an open file of a folder with zeros, so that a full disk is met now and not later.

    Raises:
        UsageError: There is no space for them.
    """
    if hasattr(os, "posix_fallocate") and num_bytes:
        try:
            os.posix_fallocate(file, 0, num_bytes)
        except OSError as error:
            raise UsageError(
                f"the folder for temporary files, {folder}, has no {num_bytes / 1e6:,.0f} MB for "
                f"what is computed from the photos: {error.strerror}. Free some there, or set "
                "TMPDIR (for the cache, CANDID_CACHE) to another folder."
            ) from error
