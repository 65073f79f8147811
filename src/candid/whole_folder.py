"""Writes a folder so that it is whole or absent, whenever the process is killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from candid.errors import UsageError

_PARTIAL: Final = ".partial-"
_OLD: Final = ".old-"


def write_whole(
    folder: Path, fill: Callable[[Path], None], *, require_free: Callable[[Path], None]
) -> Path:
    """Write a folder under a temporary name beside it, then move it into its place.

    Args:
        folder: Where it shall be. What is there already is replaced.
        fill: Writes the files into the temporary folder that it is given.
        require_free: Raises where the folder must not be replaced; asked before and after filling,
            as another process may have been faster.

    Returns:
        The folder, absolute.

    Raises:
        UsageError: It can't be written.
    """
    folder = folder.expanduser().absolute()
    require_free(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}{_PARTIAL}", dir=folder.parent))
    except OSError as error:
        raise UsageError(
            f"{folder} can't be written: {error.strerror}. Choose another --run."
        ) from error
    try:
        fill(partial)
        partial.chmod(0o755)
        require_free(folder)
        _move_into_place(partial, folder)
    except OSError as error:
        raise UsageError(
            f"{folder} can't be written: {error.strerror}. Free some space or choose another --run."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def is_unfinished(name: str) -> bool:
    """Whether a folder of this name is one that a killed process left behind."""
    return name.startswith(".") and (_PARTIAL in name or _OLD in name)


def _move_into_place(partial: Path, folder: Path) -> None:
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}{_OLD}", dir=folder.parent))
        folder.replace(old / "run")
        partial.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.replace(folder)
