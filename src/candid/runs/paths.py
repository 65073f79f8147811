"""Default folders of runs and audits, and checks of a chosen folder before the work begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, overload

from candid.core.temp_dir import hold_if_possible, release
from candid.data.source import DataSource
from candid.errors import UsageError

RUNS: Final = Path("runs")


@contextmanager
def output_folder(
    chosen: str | Path | None, data: str | Path | DataSource, kind: str
) -> Iterator[Path]:
    """The chosen folder, or the first free ``runs/<data>-<kind>-<number>``, claimed until the end.

    A name is claimed by an empty, locked folder, so two trainings at once get two names. An empty
    folder without a lock was left by a killed process and is claimed again.

    Args:
        chosen: The folder that the user chose, if any.
        data: The data folder or another source, which names the output.
        kind: A recipe, or ``audit``.

    Raises:
        UsageError: The folder is inside the data, or can't be written.
    """
    if chosen:
        require_outside(Path(chosen), data)
        require_writable(Path(chosen))
        yield Path(chosen)
        return
    require_outside(RUNS / kind, data)
    require_writable(RUNS / kind)
    claims = map(_claim, _names(data, kind))
    folder, lock = next(claim for claim in claims if claim is not None)
    try:
        yield folder
    finally:
        with suppress(OSError):  # it was written
            folder.rmdir()
        release(lock)


def next_folder(data: str | Path | DataSource, kind: str) -> Path:
    """The first absent ``runs/<data>-<kind>-<number>``, which is not claimed."""
    return next(folder for folder in _names(data, kind) if not folder.exists())


def _names(data: str | Path | DataSource, kind: str) -> Iterator[Path]:
    name = DataSource.of(data).name
    return (RUNS / f"{name}-{kind}-{number}" for number in count(1))


def _claim(folder: Path) -> tuple[Path, int | None] | None:
    """Make and lock an empty folder; None if it has files, or another process has it."""
    try:
        folder.mkdir(parents=True)
        is_new = True
    except FileExistsError:
        is_new = False
    with suppress(BlockingIOError, FileNotFoundError, NotADirectoryError):
        lock = hold_if_possible(folder)
        # Where folders can't be locked, an old empty one may be another process's.
        if (is_new or lock is not None) and not any(folder.iterdir()):
            return folder, lock
        release(lock)
    return None


def require_outside(folder: Path, data: str | Path | DataSource, *, option: str = "--run") -> None:
    """Refuse an output folder inside the data folder: the next scan would take it for a class.

    Args:
        folder: The output folder.
        data: The data folder.
        option: The option that sets the output folder, for the message.

    Raises:
        UsageError: It is inside, and not in a hidden folder (``data/.audit``), which scans skip.
    """
    inside, above = folder.expanduser().resolve(), DataSource.of(data).path
    if above is None or not inside.is_relative_to(above):
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


@overload
def shorten(path: Path) -> Path: ...


@overload
def shorten(path: DataSource) -> str: ...


def shorten(path: Path | DataSource) -> Path | str:
    """A path relative to the current folder, if it is inside it."""
    if isinstance(path, DataSource):
        return str(path if path.path is None else shorten(path.path))
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
