"""Whether a folder may be replaced as a whole: one of ours, with nothing of others in it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from candid.core.safe_json import read_object
from candid.core.text import join_names, sanitize
from candid.errors import UsageError

#: What looking into a folder leaves there.
_OF_FILE_MANAGERS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def require_overwritable(
    folder: Path,
    *,
    kind: str,
    manifest: str,
    option: str,
    overwrite: bool,
    below: Collection[str] = (),
) -> None:
    """Refuse a folder in which something would be lost that was not asked to go.

    Args:
        folder: The folder; one that is absent or empty is free.
        kind: What it has to be: ``run``.
        manifest: The name of the file that makes it one, and whose ``files`` are its own.
        option: What the user may choose another folder by.
        overwrite: Whether the user asked to replace it.
        below: Folders of its own, all that lies in them included.

    Raises:
        UsageError: It is none, is not to be replaced, or has other people's files in it.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / manifest).is_file():
        remedy = f"It is no {kind}, so it is not replaced; choose another {option}."
    elif not overwrite:
        remedy = f"Choose another {option}, or pass --overwrite to replace it."
    elif foreign := _foreign(folder, manifest, below):
        named = sanitize(join_names(foreign, most=5))
        remedy = (
            f"Its {manifest} does not name {named}, which --overwrite would delete. "
            f"Move that elsewhere, or choose another {option}."
        )
    else:
        return
    raise UsageError(f"{folder} exists already. {remedy}")


def _foreign(folder: Path, manifest: str, below: Collection[str]) -> list[str]:
    """The files that are not the folder's own, by their path in it, sorted; links are files."""
    own = {manifest, *_listed(folder / manifest)}
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


def _listed(manifest: Path) -> Collection[str]:
    """The files that a manifest lists; of one that can't be read, none is known."""
    try:
        files = read_object(manifest).get("files")
    except (OSError, ValueError):
        return ()
    return files if isinstance(files, dict) else ()
