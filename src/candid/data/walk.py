"""Walk folders and listings: links without loops, hidden files and folders recognised."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from candid.data.location import PhotoFile
from candid.errors import DataError

# In lower case. Files and folders of file managers, and the trash, thumbnails and snapshots that
# Windows, macOS, Linux, Synology (# and @), QNAP (@) and GoodSync keep beside a person's files.
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "network trash folder"}
    | {"$recycle.bin", "system volume information", "lost+found", "_gsdata_"}
    | {"#recycle", "#snapshot", "@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb"}
    | {"@synoresource", "@database", "@sharebin", "~snapshot", "recycler", "temporary items"}
    | {"windowsimagebackup", "_vti_cnf"}
)
#: Candid's own folder beside photos, of the studio's decisions and runs.
STATE: Final = ".candid"
_FOUND = re.compile(r"found\.\d{3}", re.IGNORECASE)  # of chkdsk


@dataclass(eq=False, slots=True)
class ListedPath:
    """A file or folder of a listing, with what is needed of a `pathlib.Path`.

    Attributes:
        path: Its name below the root, with forward slashes; empty for the root.
        file: Where its bytes are; None of a folder.
        below: What a folder holds, by name; that of a folder ends with a slash.
    """

    path: str = ""
    file: PhotoFile | None = None
    below: dict[str, ListedPath] = field(default_factory=dict)

    @classmethod
    def tree(cls, files: Mapping[str, PhotoFile]) -> ListedPath:
        """The root of files by their names, with forward slashes."""
        root = cls()
        for path, file in files.items():
            folder, steps = root, path.split("/")
            for number, step in enumerate(steps[:-1], 1):
                # A bucket may have a file a and a file a/b.
                folder = folder.below.setdefault(f"{step}/", cls("/".join(steps[:number])))
            folder.below[steps[-1]] = cls(path, file)
        return root

    @property
    def name(self) -> str:
        """The last step of its path."""
        return self.path.rpartition("/")[2]

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.file is None

    def iterdir(self) -> Iterator[ListedPath]:
        """What a folder holds."""
        return iter(self.below.values())

    def __truediv__(self, name: str) -> ListedPath:
        """A folder in it."""
        return self.below[f"{name}/"]

    def __lt__(self, other: ListedPath) -> bool:
        return self.path.split("/") < other.path.split("/")


AnyPath = TypeVar("AnyPath", Path, ListedPath)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or a system file, by its name."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES or bool(_FOUND.fullmatch(name))


def is_folder(path: Path | ListedPath) -> bool:
    """Whether it is a folder or a link to one; False if a link can't be followed."""
    try:
        return path.is_dir()
    except OSError:
        return False


def visible_folders(parent: AnyPath) -> list[AnyPath]:
    """The direct sub-folders that are not hidden, sorted.

    Raises:
        DataError: The folder can't be opened.
    """
    try:
        paths = list(parent.iterdir())
    except OSError as error:
        raise DataError(f"{parent} can't be opened: {error.strerror}.") from error
    return sorted(path for path in paths if not is_hidden(path.name) and is_folder(path))


def nested(folder: AnyPath, fits: Callable[[str], object]) -> list[AnyPath]:
    """Descend from a folder while its only sub-folder has a fitting name.

    Args:
        folder: The first folder, such as ``seg_train`` of ``seg_train/seg_train/cat``.
        fits: Whether to descend into a folder of this name.

    Returns:
        The folders, outermost first; at least one.

    Raises:
        DataError: One of them can't be opened.
    """
    chain = [folder]
    visited = {_identity(folder)}
    while len(below := visible_folders(chain[-1])) == 1 and fits(below[0].name):
        here = _identity(below[0])
        if here in visited:  # a link to a folder above would never end
            break
        visited.add(here)
        chain.append(below[0])
    return chain


def walk(folder: AnyPath) -> Iterator[AnyPath]:
    """All files below a folder, and its sub-folders that are hidden or can't be opened.

    Hidden folders are not entered. No folder is entered twice, whatever links lead to it, nor one
    that contains this folder, which would add the photos of other classes.
    """
    if isinstance(folder, ListedPath):
        for below in folder.iterdir():
            is_entered = below.is_dir() and not is_hidden(below.name)
            yield from walk(below) if is_entered else (below,)
    else:
        yield from _walk_disk(folder)


def _walk_disk(folder: Path) -> Iterator[Path]:
    parent = Path(os.path.abspath(folder)).parent  # noqa: PTH100  (that of "." is not ".")
    visited = {_identity(above) for above in (parent, *folder.resolve().parents)}
    closed: list[str] = []
    steps = os.walk(folder, followlinks=True, onerror=lambda error: closed.append(error.filename))
    for current, folders, files in steps:
        here = _identity(Path(current))
        if here in visited:
            folders.clear()
            continue
        visited.add(here)
        yield from (Path(current) / name for name in (*files, *filter(is_hidden, folders)))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
    yield from map(Path, closed)


def _identity(folder: Path | ListedPath) -> tuple[int, int]:
    """Device and inode, the same through whatever link."""
    if isinstance(folder, ListedPath):
        return 0, id(folder)
    status = folder.stat()
    return status.st_dev, status.st_ino


def find_files(folder: AnyPath) -> list[AnyPath]:
    """Files of a folder at any depth, sorted by path, without hidden ones."""
    return [path for path in sorted(walk(folder)) if not is_hidden(path.name)]
