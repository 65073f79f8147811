"""Folders that are removed with the process that made them, or after it.

A process holds a lock (flock) on each. The system lets go of it when the process ends, however it
ends, and knows it across containers that share a disk, where process numbers mean nothing. So what
is not locked was left behind, and what is locked is never touched.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_TRIES: Final = 100


@contextmanager
def temp_dir(prefix: str) -> Iterator[Path]:
    """Make an `locked_dir` among the system's temporary files."""
    with locked_dir(Path(tempfile.gettempdir()), prefix) as folder:
        yield folder


@contextmanager
def locked_dir(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that is removed at the end; if this process is killed before, by the next one.

    What killed processes left under such names is removed first, see `sweep`.

    Args:
        parent: Where it is made.
        prefix: How its name begins.

    Yields:
        The folder; nobody else may look into it. It may be moved away.

    Raises:
        OSError: It can't be made.
    """
    sweep(parent, prefix)
    folder, held = make_held(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        release(held)


def make_held(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """Make a folder that this process holds, and that is removed by nobody but a `sweep`.

    Returns:
        The folder, and what `release` takes; None where no folder can be locked.

    Raises:
        OSError: It can't be made.
    """
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with suppress(BlockingIOError, FileNotFoundError):  # swept before it was locked
            return folder, hold_if_possible(folder)
    raise FileExistsError(f"no folder {prefix}… could be kept in {parent}")


def sweep(parent: Path, prefix: str) -> None:
    """Remove this user's folders that begin so and of which no living process holds the lock."""
    for folder in _named(parent, prefix):
        with suppress(OSError, AttributeError):  # Windows has neither users nor locks
            if folder.lstat().st_uid != os.geteuid():
                continue
            held = hold(folder)
            shutil.rmtree(folder, ignore_errors=True)
            release(held)


def hold(folder: Path) -> int:
    """Lock a folder until `release`, or until this process ends.

    Returns:
        What `release` takes.

    Raises:
        BlockingIOError: Somebody holds it already, be it this process.
        OSError: It is no folder, or there are no locks here.
    """
    if sys.platform == "win32":
        raise OSError("no folder can be locked on Windows")
    import fcntl

    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it before may have removed or moved it between the two steps.
        if not os.path.samestat(os.fstat(held), folder.stat()):
            raise BlockingIOError(f"{folder} has become another folder")
    except BaseException:
        os.close(held)
        raise
    return held


def hold_if_possible(folder: Path) -> int | None:
    """`hold` a folder; None where folders have no locks, and so nobody sweeps.

    Raises:
        BlockingIOError: Somebody holds it already.
        FileNotFoundError: It is gone.
    """
    try:
        return hold(folder)
    except (BlockingIOError, FileNotFoundError):
        raise
    except OSError:
        return None


def release(held: int | None) -> None:
    """Let go of what `hold` gave; None is nothing."""
    if held is not None:
        os.close(held)


def _named(parent: Path, prefix: str) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.name.startswith(prefix)]
    except OSError:
        return []
