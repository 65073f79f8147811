"""Where runs and audits lie, and what is asked of the place before the work begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from candid.errors import UsageError

RUNS: Final = Path("runs")


def next_folder(data: Path, kind: str) -> Path:
    """The first free ``runs/<folder>-<kind>-<number>``.

    Args:
        data: The folder of photos.
        kind: A recipe, or ``audit``.
    """
    name = f"{data.expanduser().resolve().name}-{kind}"
    number = 1
    while (RUNS / f"{name}-{number}").exists():
        number += 1
    return RUNS / f"{name}-{number}"


def require_outside(folder: Path, data: Path, *, option: str = "--run") -> None:
    """Refuse a folder among the photos: the next scan would take it for a class.

    Args:
        folder: Where something is to be written.
        data: The folder of photos.
        option: What the user may choose another folder by.

    Raises:
        UsageError: It is one, and not hidden below DATA (``data/.audit``), where no scan looks.
    """
    inside, above = folder.expanduser().resolve(), data.expanduser().resolve()
    if not inside.is_relative_to(above):
        return
    steps = inside.relative_to(above).parts
    if not any(name.startswith(".") for name in steps):
        raise UsageError(
            f"{folder} lies in the data folder {data}, where it would be taken for a class. "
            f"Choose another {option}, or a hidden folder such as {data}/.{folder.name}."
        )


def require_writable(folder: Path) -> None:
    """Refuse a place that can't be written, before hours of work are lost on it.

    Raises:
        UsageError: It can't be.
    """
    if os.path.ismount(folder.expanduser()):
        raise UsageError(
            f"{folder} is where a disk is mounted, and can't be replaced as a whole. "
            f"Choose a folder in it: {folder / '1'}"
        )
    above = folder.expanduser().absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} can't be written: {above} is no folder that you may write to.")


def shorten(path: Path) -> Path:
    """A path as a person would type it: relative to the current folder, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
