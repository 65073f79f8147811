"""Names of parts, of a data set that comes with some: ``train/``, ``Val/``, ``test_set/``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from candid.data.walk import AnyPath, nested, visible_folders

PARTS: Final = ("train", "val", "test")
#: The part of a photo that is in none.
NO_PART: Final = ""
# Words in the names of split folders: ``train``, ``Val``, ``test_set``, ``TestData``.
_ROLES: Final = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout"), "test"),
}
_FILLER: Final = r"(?:dataset|data|set|images?|imgs?|photos|split|seg|part|[\W\d_])*"
_PART_NAME: Final = re.compile(f"{_FILLER}({'|'.join(_ROLES)}){_FILLER}", re.IGNORECASE)


def find_parts(root: AnyPath) -> tuple[str, ...]:
    """Names of the split folders: all sub-folders, or those that hold the same classes."""
    folders = visible_folders(root)
    parts = [folder for folder in folders if role_of(folder.name)]
    is_split = len(parts) == len(folders) or _have_common_classes(parts)
    return tuple(part.name for part in parts) if is_split else ()


def _have_common_classes(parts: Iterable[AnyPath]) -> bool:
    """Whether a class of a training part is in another part too."""
    classes: dict[bool, set[str]] = {True: set(), False: set()}
    for part in parts:
        below = visible_folders(nested(part, role_of)[-1])
        classes[role_of(part.name) == "train"].update(folder.name for folder in below)
    return not classes[True].isdisjoint(classes[False])


def role_of(name: str) -> str:
    """Which of train, val and test a folder is, by its name (``Test_set``); empty for none."""
    found = _PART_NAME.fullmatch(name)
    return _ROLES[found[1].lower()] if found else NO_PART


def part_of_file(path: str) -> str:
    """The name of the part that a file is of, or else a folder above it; empty for none.

    ``data/test-00000-of-00002.parquet`` is of ``test``, and so is ``test/0000.parquet``.
    """
    *folders, name = path.split("/")
    stem = re.sub(r"(?<=.)[-_.]\d+([-_]of[-_]\d+)?$", "", name.partition(".")[0])
    return next((step for step in (stem, *reversed(folders)) if role_of(step)), "")
