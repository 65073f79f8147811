"""Default folders of runs and audits, and checks of a chosen folder before the work begins."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Final

from candid.data.npz import is_archive
from candid.errors import UsageError

RUNS: Final = Path("runs")


def next_folder(data: Path, kind: str) -> Path:
    """The first free ``runs/<data>-<kind>-<number>``; the kind is a recipe or ``audit``."""
    named = data.expanduser().resolve()
    name = named.stem if is_archive(named) else named.name
    folders = (RUNS / f"{name}-{kind}-{number}" for number in count(1))
    return next(folder for folder in folders if not folder.exists())


def require_outside(folder: Path, data: Path, *, option: str = "--run") -> None:
    """Refuse an output folder inside the data folder: the next scan would take it for a class.

    Args:
        folder: The output folder.
        data: The data folder.
        option: The option that sets the output folder, for the message.

    Raises:
        UsageError: It is inside, and not in a hidden folder (``data/.audit``), which scans skip.
    """
    inside, above = folder.expanduser().resolve(), data.expanduser().resolve()
    if not inside.is_relative_to(above):
        return
    if not any(name.startswith(".") for name in inside.relative_to(above).parts):
        raise UsageError(
            f"{folder} is inside the data folder {data}, where it would be taken for a class. "
            f"Choose another {option}, or a hidden folder such as {data}/.{folder.name}."
        )


def require_writable(folder: Path) -> None:
    """Raise UsageError if a folder can't be written, before hours of work are lost."""
    if os.path.ismount(folder.expanduser()):
        raise UsageError(
            f"{folder} is a mount point and can't be replaced as a whole. "
            f"Choose a folder inside it: {folder / '1'}"
        )
    above = folder.expanduser().absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} can't be written: {above} is not a folder you may write to.")


def shorten(path: Path) -> Path:
    """A path relative to the current folder, if it is inside it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
