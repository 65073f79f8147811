"""What lies in a folder, at any depth: links are followed without loops, hidden things named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from candid.errors import DataError

_HIDDEN_NAMES = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})


def is_hidden(name: str) -> bool:
    """Whether a file or folder is by its name one that programs keep for themselves."""
    return name.startswith(".") or name in _HIDDEN_NAMES


def is_folder(path: Path) -> bool:
    """Whether it is a folder or a link to one; not where a link can't be followed."""
    try:
        return path.is_dir()
    except OSError:
        return False


def visible_folders(parent: Path) -> list[Path]:
    """The folders right below one that are not hidden, in order of name.

    Raises:
        DataError: It can't be opened.
    """
    try:
        paths = list(parent.iterdir())
    except OSError as error:
        raise DataError(f"{parent} can't be opened: {error.strerror}.") from error
    return sorted(path for path in paths if not is_hidden(path.name) and is_folder(path))


def nested(folder: Path, fits: Callable[[str], bool]) -> list[Path]:
    """A folder, and what lies in it as its only one, as long as that has a fitting name.

    Args:
        folder: Where to begin, ``seg_train`` of ``seg_train/seg_train/cat``.
        fits: Whether a folder of this name is one to go into.

    Returns:
        The folders from above; one at least.

    Raises:
        DataError: One of them can't be opened.
    """
    chain = [folder]
    visited = {identity(folder)}
    while len(below := visible_folders(chain[-1])) == 1 and fits(below[0].name):
        here = identity(below[0])
        if here in visited:  # a link to a folder above, which would never end
            break
        visited.add(here)
        chain.append(below[0])
    return chain


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, and the folders there that are hidden or can't be opened.

    What is in a hidden folder is not looked at. A folder that was visited already, by whatever
    link, is not again; nor is one that holds this folder, for it would bring the photos of the
    other classes in.
    """
    parent = Path(os.path.abspath(folder)).parent  # noqa: PTH100  (that of "." is not ".")
    visited = {identity(above) for above in (parent, *folder.resolve().parents)}
    closed: list[Path] = []
    steps = os.walk(folder, followlinks=True, onerror=lambda error: closed.append(_culprit(error)))
    for current, folders, files in steps:
        here = identity(Path(current))
        if here in visited:
            folders.clear()
            continue
        visited.add(here)
        yield from (Path(current) / name for name in (*files, *filter(is_hidden, folders)))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
    yield from closed


def identity(folder: Path) -> tuple[int, int]:
    """What tells a folder from all others, whatever link leads to it."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def _culprit(error: OSError) -> Path:
    return Path(error.filename)
