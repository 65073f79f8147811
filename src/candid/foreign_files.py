"""What else lies in a folder of ours: it would be lost with the folder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from candid.showable import show_text
from candid.wording import name_some

#: What looking into a folder leaves there.
_OF_FILE_MANAGERS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def foreign_files(folder: Path, own: Collection[str], *, below: Collection[str] = ()) -> list[str]:
    """Find the files in a folder that are not its own.

    Args:
        folder: The folder.
        own: Its own files, by their path in it, with slashes.
        below: Folders of its own, all that lies in them included.

    Returns:
        Their paths in the folder, sorted; links count as files.
    """
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


def name_foreign(names: list[str]) -> str:
    """Name some of them in a sentence."""
    return show_text(name_some(names, most=5))
