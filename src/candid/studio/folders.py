"""Folders of this machine: choosing one to open, and making one to fill. Only names are shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from candid.core.text import reason_of
from candid.data.walk import visible_folders
from candid.errors import DataError, UsageError
from candid.studio.naming import class_name, folder_name, numbered, same_name

_MOST: Final = 1000
#: What the folder of the drawn sample set is called.
SAMPLE: Final = "candid-sample"


@dataclass(frozen=True)
class Listing:
    """What is in a folder, to choose from.

    Attributes:
        path: The folder.
        above: The folder that it is in; None at the top.
        names: Of its visible sub-folders, sorted; those that are not UTF-8 are left out.
        num_more: How many are not listed.
        refusal: Why it should not be opened; empty if it may.
    """

    path: str
    above: str | None
    names: list[str]
    num_more: int
    refusal: str


def list_folder(given: str) -> Listing:
    """The sub-folders of a folder.

    Args:
        given: Its path; empty for the folder that the studio was started in.

    Raises:
        DataError: There is no such folder, or it can't be opened.
    """
    folder = as_folder(given or str(start_folder()))
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; check how it is written.")
    names = [path.name for path in visible_folders(folder) if _is_text(path.name)]
    above = None if folder.parent == folder else str(folder.parent)
    return Listing(
        str(folder), above, names[:_MOST], max(0, len(names) - _MOST), refusal_of(folder)
    )


def as_folder(given: str) -> Path:
    """A path that a person typed, absolute.

    Raises:
        UsageError: It is empty, or no path.
    """
    text = given.strip().strip("\"'")
    if not text or "\0" in text:
        raise UsageError("type the path of a folder, such as /home/ada/photos.")
    return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 (keeps links)


def refusal_of(folder: Path) -> str:
    """Why a folder should not be opened: it holds far more than photos of one data set."""
    home = Path.home()
    if folder == home or folder in home.parents or folder.parent == folder:
        return (
            "This holds all that you have, and Candid would read every file. Choose the folder "
            "whose sub-folders are the classes."
        )
    return ""


def start_folder() -> Path:
    """Where new folders are made: the folder that the studio was started in, or the home."""
    here = Path.cwd()
    return here if os.access(here, os.W_OK | os.X_OK) else Path.home()


def free_sample_folder() -> Path:
    """Where the sample set is drawn to: the first folder that is free or may hold it already."""
    return next(
        folder
        for number in count(1)
        if not (folder := start_folder() / numbered(SAMPLE, number)).exists()
        or (folder / ".candid-demo.json").is_file()
    )


def make_folder(parent: str, name: str, classes: Sequence[str]) -> Path:
    """Make a folder with an empty sub-folder for each class.

    Args:
        parent: The folder to make it in.
        name: Its name.
        classes: Names.

    Returns:
        The folder.

    Raises:
        UsageError: A name does not do, there is something already, or it can't be written.
    """
    folder = as_folder(parent) / folder_name(name, "project")
    names = [class_name(one) for one in classes if one.strip()]
    for place, one in enumerate(names):
        if any(same_name(one, other) for other in names[:place]):
            raise UsageError(f"the class {one!r} is named twice.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} is there already, with something in it. Open it, or choose another name."
            )
        for below in (folder, *(folder / one for one in names)):
            below.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = reason_of(error)
        raise UsageError(
            f"{folder} can't be made: {why}. Choose a folder that you may write to."
        ) from error
    return folder


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
