"""Writes a folder so that it is whole or absent, whenever the process is killed."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from candid.core.temp_dir import hold_if_possible, locked_dir, make_held, release
from candid.errors import UsageError

_PARTIAL: Final = ".partial-"
_OLD: Final = ".old-"
_ASIDE: Final = "run"  # what is moved aside is called so, in a folder of its own
_AT_CWD: Final = -100  # AT_FDCWD of fcntl.h
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of linux/fs.h


def write_atomic_dir(
    folder: Path,
    fill: Callable[[Path], None],
    *,
    require_free: Callable[[Path], None],
    option: str = "--run",
) -> Path:
    """Write a folder under a temporary name beside it, then move it into its place.

    What killed processes left of the same folder is removed.

    Args:
        folder: Where it shall be. What is there already is replaced; of a link, what it points to.
        fill: Writes the files into the temporary folder that it is given.
        require_free: Raises where the folder must not be replaced; asked before and after filling,
            as another process may have been faster.
        option: What the user may choose another folder by.

    Returns:
        The folder, absolute.

    Raises:
        UsageError: It can't be written.
    """
    folder = folder.expanduser().absolute()
    folder = folder.resolve() if folder.is_symlink() else folder
    _bring_back(folder)
    require_free(folder)
    prefix = f".{folder.name}{_PARTIAL}"
    begun = False
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked_dir(folder.parent, prefix) as partial:
            begun = True
            fill(partial)
            partial.chmod(0o755)
            _sync(partial)
            require_free(folder)
            _move_into_place(partial, folder)
    except OSError as error:
        remedy = f"Free some space or choose another {option}."
        remedy = remedy if begun else f"Choose another {option}."
        reason = error.strerror or error
        raise UsageError(f"{folder} can't be written: {reason}. {remedy}") from error
    return folder


def is_unfinished(name: str) -> bool:
    """Whether a folder of this name is one that a killed process left behind."""
    return name.startswith(".") and (_PARTIAL in name or _OLD in name)


def _sync(folder: Path) -> None:
    """Have the disk keep the files before their folder gets its name: the power may fail."""
    if sys.platform == "win32":  # which opens no folder, and flushes nothing opened to be read
        return
    for path in (*folder.rglob("*"), folder):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        except OSError as error:
            # Some file systems keep folders by themselves, and say so in this way.
            if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
                raise
        finally:
            os.close(opened)


def _move_into_place(partial: Path, folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()  # Windows does not rename onto it
    if not folder.exists():
        partial.replace(folder)
    elif not _exchange(partial, folder):
        _move_in_two_steps(partial, folder)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, as Linux can; False where it can't be done."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # an old libc
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(swap(_AT_CWD, paths[0], _AT_CWD, paths[1], _EXCHANGE) == 0)


def _move_in_two_steps(partial: Path, folder: Path) -> None:
    """Without an exchange there is a moment in which neither is there; see `_bring_back`."""
    old, held = make_held(folder.parent, f".{folder.name}{_OLD}")
    try:
        folder.replace(old / _ASIDE)
        try:
            partial.replace(folder)
        except BaseException:
            (old / _ASIDE).replace(folder)  # if this fails, `_bring_back` does it
            old.rmdir()
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        release(held)


def _bring_back(folder: Path) -> None:
    """Undo the first of two steps, where a process was killed before the second."""
    for old in folder.parent.glob(f"{glob.escape(f'.{folder.name}{_OLD}')}*"):
        with suppress(OSError):  # another process may be between the two steps
            held = hold_if_possible(old)
            try:
                if not folder.exists() and (old / _ASIDE).is_dir():
                    (old / _ASIDE).replace(folder)
                if {path.name for path in old.iterdir()} <= {_ASIDE}:
                    shutil.rmtree(old)
            finally:
                release(held)
