"""Write a folder atomically (complete or absent), and replace only one that Candid wrote."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from candid.core.safe_json import read_object
from candid.core.temp_dir import hold_if_possible, locked_dir, make_held, release
from candid.core.text import join_names, sanitize
from candid.errors import UsageError

_PARTIAL: Final = ".partial-"
_OLD: Final = ".old-"
_BACKUP: Final = "run"  # name of the replaced folder within a folder of its own
_AT_CWD: Final = -100  # AT_FDCWD of fcntl.h
_EXCHANGE: Final = 2  # RENAME_EXCHANGE of linux/fs.h
#: Written by file managers when a folder is opened.
_OF_FILE_MANAGERS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def write_atomic_dir(
    folder: Path,
    fill: Callable[[Path], None],
    *,
    require_free: Callable[[Path], None],
    option: str = "--run",
) -> Path:
    """Write a folder under a temporary name beside its target, then rename it.

    What killed processes left of the same folder is removed.

    Args:
        folder: The target; an existing folder is replaced. A link is resolved first.
        fill: Writes the files into the temporary folder.
        require_free: Raises if the target must not be replaced; called before and after filling,
            as another process may have written it meanwhile.
        option: The command's option for the folder, for error messages.

    Returns:
        The folder, absolute.

    Raises:
        UsageError: It can't be written.
    """
    folder = folder.expanduser().absolute()
    folder = folder.resolve() if folder.is_symlink() else folder
    _restore_backup(folder)
    require_free(folder)
    remedy = f"Choose another {option}."
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked_dir(folder.parent, f".{folder.name}{_PARTIAL}") as partial:
            remedy = f"Free some space or choose another {option}."
            fill(partial)
            partial.chmod(0o755)
            _sync(partial)
            require_free(folder)
            _move_into_place(partial, folder)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{folder} can't be written: {reason}. {remedy}") from error
    return folder


def is_unfinished(name: str) -> bool:
    """Whether a folder name is that of a folder left behind by a killed process."""
    return name.startswith(".") and (_PARTIAL in name or _OLD in name)


def _sync(folder: Path) -> None:
    """Flush the files to disk before the folder is renamed, against a power failure."""
    if sys.platform == "win32":  # folders can't be opened, files opened for reading not flushed
        return
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # File systems that need no fsync of a folder answer so.
            if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
                raise
        finally:
            os.close(descriptor)


def _move_into_place(partial: Path, folder: Path) -> None:
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if is_empty and sys.platform == "win32":
        folder.rmdir()  # Windows does not rename onto an existing folder
    if is_empty or not folder.exists():
        partial.replace(folder)
    elif not _exchange(partial, folder):
        _move_in_two_steps(partial, folder)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically, on Linux; False where that is not possible."""
    if sys.platform != "linux":
        return False
    import ctypes

    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # an old libc
        return False
    return bool(swap(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE) == 0)


def _move_in_two_steps(partial: Path, folder: Path) -> None:
    """Without an exchange, neither folder exists for a moment; see `_restore_backup`."""
    old, lock = make_held(folder.parent, f".{folder.name}{_OLD}")
    try:
        folder.replace(old / _BACKUP)
        try:
            partial.replace(folder)
        except BaseException:
            (old / _BACKUP).replace(folder)  # if this fails, `_restore_backup` does it
            old.rmdir()
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        release(lock)


def _restore_backup(folder: Path) -> None:
    """Undo the first of two steps if a process was killed before the second."""
    for old in folder.parent.glob(f"{glob.escape(f'.{folder.name}{_OLD}')}*"):
        with suppress(OSError):  # another process may be between the two steps
            lock = hold_if_possible(old)
            try:
                if not folder.exists() and (old / _BACKUP).is_dir():
                    (old / _BACKUP).replace(folder)
                if {path.name for path in old.iterdir()} <= {_BACKUP}:
                    shutil.rmtree(old)
            finally:
                release(lock)


def require_overwritable(
    folder: Path,
    *,
    kind: str,
    manifest: str,
    option: str,
    overwrite: bool,
    below: Collection[str] = (),
) -> None:
    """Refuse to replace a folder if files would be lost that the user did not ask to delete.

    Args:
        folder: The folder; free if absent or empty.
        kind: What it has to be, for error messages: ``run``.
        manifest: Name of the JSON file that identifies it and lists its ``files``.
        option: The command's option for the folder, for error messages.
        overwrite: Whether the user asked to replace it.
        below: Sub-folders that belong to it with everything in them.

    Raises:
        UsageError: It is another kind of folder, may not be replaced, or has foreign files in it.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / manifest).is_file():
        remedy = f"It is no {kind}, so it is not replaced; choose another {option}."
    elif not overwrite:
        remedy = f"Choose another {option}, or pass --overwrite to replace it."
    elif foreign := _foreign_files(folder, manifest, below):
        remedy = (
            f"Its {manifest} does not name {sanitize(join_names(foreign, most=5))}, which "
            f"--overwrite would delete. Move that elsewhere, or choose another {option}."
        )
    else:
        return
    raise UsageError(f"{folder} exists already. {remedy}")


def _foreign_files(folder: Path, manifest: str, below: Collection[str]) -> list[str]:
    """Relative paths of files that the manifest does not list, sorted; links count as files."""
    try:
        listed = read_object(folder / manifest).get("files")
    except (OSError, ValueError):
        listed = None
    own = {manifest, *(listed if isinstance(listed, dict) else ())}
    names = (
        path.relative_to(folder)
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path.name not in _OF_FILE_MANAGERS
    )
    return sorted(
        name.as_posix()
        for name in names
        if name.as_posix() not in own and not (len(name.parts) > 1 and name.parts[0] in below)
    )
