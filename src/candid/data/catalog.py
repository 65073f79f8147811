"""A folder of photos, one sub-folder a class → a `Catalog`. Files are read, never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from candid.core.text import plural, plural_have
from candid.core.threads import map_ahead
from candid.data.file_reader import FileReader
from candid.data.images import SUFFIXES, identify
from candid.data.walk import is_folder, is_hidden, nested, visible_folders, walk
from candid.errors import DataError, ImageError

#: Words by which a folder is one that holds a part, not a class: ``train``, ``Val``, ``test_set``.
PART_NAMES = frozenset(
    {"train", "training", "trn", "val", "valid", "validation", "dev", "test", "testing", "tst"}
    | {"eval", "evaluation", "holdout"}
)
_TRAIN_NAMES = frozenset({"train", "training", "trn"})
_PART_FILLERS = frozenset({"set", "data", "dataset", "images", "image", "img", "imgs", "photos"})
_PART_FILLERS |= {"split", "seg", "part"}

_HIDDEN = "hidden file"
#: The reason of a folder that is passed over with all that is in it, such as ``.git``.
HIDDEN_FOLDER: Final = "hidden folder"
_NO_IMAGE = "not an image"
_CLOSED = "a folder that can't be opened"
_DEAD_LINK = "a link that can't be followed"
#: The reason of what lies beside the folders of the classes.
OUTSIDE: Final = "outside the class folders"
#: Reasons of files that nobody would expect to be classified.
NOT_IMAGES = frozenset({_HIDDEN, HIDDEN_FOLDER, _NO_IMAGE})
#: The reason of photos that the person decided to leave out.
DROPPED: Final = "dropped by decision"

_NUM_NAMED = 5
_FILES_AHEAD = 256

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Photo:
    """One image file.

    Attributes:
        path: Relative to the catalog's folder, with forward slashes.
        label: The name of its class.
        content: SHA-256 of its bytes, hexadecimal; the photo's identity everywhere.
    """

    path: str
    label: str
    content: str


@dataclass(frozen=True)
class Skipped:
    """A file that is in no class, or a folder that was not looked into, and why.

    Attributes:
        path: Relative to the catalog's folder, with forward slashes.
        reason: Why, as a clause.
        content: SHA-256 of its bytes where it was a photo that somebody dropped; else empty.
    """

    path: str
    reason: str
    content: str = ""


@dataclass(frozen=True)
class Catalog:
    """What a folder holds.

    Attributes:
        folder: The folder, absolute.
        classes: Names of the classes in alphabetical order; a label's number is its place here.
        photos: The photos in the order of their path.
        skipped: What was passed over (hidden, not an image, unreadable), each with a reason.
        parts: Where the folder comes with its own parts, the names of their folders, above those of
            the classes; else none.
    """

    folder: Path
    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    parts: tuple[str, ...] = ()

    def file(self, photo: Photo) -> Path:
        """Where the photo lies."""
        return self.folder / photo.path

    def part(self, photo: Photo) -> str:
        """The name of the part folder that the photo lies in; empty where there are none."""
        return photo.path.partition("/")[0] if self.parts else ""

    def below_part(self, path: str) -> tuple[str, ...]:
        """The steps of a path of this catalog, from the folder of its class to its own name.

        Returns:
            The name of that folder first; nothing where the path is in no class.
        """
        steps = path.split("/")[1 if self.parts else 0 :]
        while self.parts and len(steps) > 1 and steps[0] not in self.classes and is_part(steps[0]):
            del steps[0]  # the part once more: seg_train/seg_train/cat
        return tuple(steps) if len(steps) > 1 and steps[0] in self.classes else ()

    def notes(self) -> tuple[str, ...]:
        """A line for each image that is left out, and one for all files that are none.

        What a person dropped gets no line: they know, and it may be hundreds.
        """
        others = [row.path for row in self.skipped if row.reason in NOT_IMAGES]
        images = [row for row in self.skipped if row.reason not in NOT_IMAGES | {DROPPED}]
        lines = [f"{row.path} is left out: {row.reason}" for row in images]
        if others:
            named = ", ".join(others[:_NUM_NAMED]) + (", …" if len(others) > _NUM_NAMED else "")
            folders = any(row.reason == HIDDEN_FOLDER for row in self.skipped)
            hidden = "hidden files or folders" if folders else "hidden files"
            lines.append(f"{len(others)} {hidden} and files that are no images: {named}")
        return tuple(lines)

    def without(self, unreadable: Iterable[Skipped]) -> Catalog:
        """The same catalog with some photos moved to ``skipped``."""
        gone = {row.path: row for row in unreadable}
        kept = tuple(photo for photo in self.photos if photo.path not in gone)
        return replace(self, photos=kept, skipped=(*self.skipped, *gone.values()))


def scan(
    folder: str | Path,
    *,
    to_train: bool = True,
    with_parts: bool = False,
    reader: FileReader | None = None,
    advance: Advance = lambda _: None,
) -> Catalog:
    """Find the photos of a folder that has one sub-folder a class.

    Files are found at any depth below a class's folder; links are followed, without loops. What a
    file is, is told by its content, not by its name.

    Args:
        folder: The folder of the data set.
        to_train: Whether two classes are needed, each with a photo, and not just any photo.
        with_parts: Whether the folder may come with its own ``train/ val/ test/`` (by any of the
            usual names), each with one sub-folder a class. Such a folder may be there twice, one
            in the other: ``seg_train/seg_train/cat``.
        reader: Reads the files; by default one that reads them all and remembers nothing.
        advance: Called with the number of files just looked at, for a progress bar.

    Returns:
        The catalog. Photos are not decoded yet, so a damaged one is still among them.

    Raises:
        DataError: The folder is missing, or has no class with a photo in it.
    """
    root = Path(folder).expanduser().resolve()
    _require_folder(root, given=folder)
    parts = _find_parts(root)
    if parts and not with_parts:
        raise _split_already(root, parts)
    chains = [nested(root / part, is_part) for part in parts] or [[root]]
    class_folders = [child for chain in chains for child in visible_folders(chain[-1])]
    skipped = _beside({root, *(parent for chain in chains for parent in chain)}, root)
    photos: list[Photo] = []
    for row in _look_at_all(class_folders, root, reader or FileReader()):
        (photos if isinstance(row, Photo) else skipped).append(row)  # type: ignore[arg-type]
        advance(1)
    classes = tuple(sorted({entry.name for entry in class_folders}))
    _require_classes(root, classes, photos, skipped, num_needed=2 if to_train else 1)
    photos.sort(key=lambda photo: photo.path)
    return Catalog(root, classes, tuple(photos), tuple(skipped), parts)


def _look_at_all(
    class_folders: Iterable[Path], root: Path, reader: FileReader
) -> Iterator[Photo | Skipped]:
    """Look at the files of each class, in threads; what was learnt of them is kept."""
    for class_folder in class_folders:
        paths = sorted(walk(class_folder))
        reader.recall(paths)
        look = partial(_look, root=root, label=class_folder.name, reader=reader)
        try:
            yield from map_ahead(look, paths, num_ahead=_FILES_AHEAD)
        finally:  # Ctrl-C or an error: what was learnt by then is kept
            reader.keep()


def _beside(parents: Iterable[Path], root: Path) -> list[Skipped]:
    """Rows for all that lies beside folders of classes: files, hidden things, dead links."""
    found = [path for parent in parents for path in parent.iterdir()]
    return [
        Skipped(path.relative_to(root).as_posix(), _outside_reason(path))
        for path in sorted(found)
        if is_hidden(path.name) or not is_folder(path)
    ]


def _outside_reason(path: Path) -> str:
    if is_hidden(path.name):
        return HIDDEN_FOLDER if is_folder(path) else _HIDDEN
    # What such a link led to may have been a class.
    return _DEAD_LINK if path.is_symlink() and not os.path.exists(path) else OUTSIDE  # noqa: PTH110


def _find_parts(root: Path) -> tuple[str, ...]:
    """Names of the part folders, where a folder has such sub-folders and no other ones."""
    names = [folder.name for folder in visible_folders(root)]
    return tuple(names) if names and all(map(is_part, names)) else ()


def is_train(name: str) -> bool:
    """Whether a part folder is by its name one to train on."""
    return _part_words(name) <= _TRAIN_NAMES


def is_part(name: str) -> bool:
    """Whether a folder is by its name one that holds a part of a set: ``train``, ``Test_set``."""
    words = _part_words(name)
    return len(words) == 1 and words <= PART_NAMES


def _part_words(name: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", name.lower())) - _PART_FILLERS


def find_images(folder: Path) -> list[Path]:
    """Image files of a folder at any depth, in order of path; others and hidden ones left out."""
    return [
        path
        for path in sorted(walk(folder))
        if not is_hidden(path.name) and (path.suffix.lower() in SUFFIXES or _is_image(path))
    ]


def _look(path: Path, *, root: Path, label: str, reader: FileReader) -> Photo | Skipped:
    name = path.relative_to(root).as_posix()
    if is_hidden(path.name):
        return Skipped(name, HIDDEN_FOLDER if is_folder(path) else _HIDDEN)
    try:
        learnt = reader.learn(path)
    except ImageError as error:
        return Skipped(name, _CLOSED if path.is_dir() else str(error))
    if not learnt.is_image and path.suffix.lower() not in SUFFIXES:
        return Skipped(name, _NO_IMAGE)
    return Photo(name, label, learnt.content)


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return identify(file.read(64)) is not None
    except OSError:
        return False


def _require_folder(root: Path, *, given: str | Path) -> None:
    if root.is_dir() and os.access(root, os.R_OK | os.X_OK):
        return
    what = "is a file" if root.is_file() else "does not exist"
    what = "can't be opened (permission denied)" if root.is_dir() else what
    raise DataError(
        f"{given} {what}; expected a folder with one sub-folder per class, "
        "such as data/happy and data/sad."
    )


def _split_already(root: Path, parts: tuple[str, ...]) -> DataError:
    return DataError(
        f"{root} is split already: its sub-folders are {', '.join(parts)}. Expected one "
        "sub-folder per class; put the classes of all parts into one folder, and Candid splits "
        "them so that no copy of a photo sits in two parts."
    )


def _explain_flat(root: Path, skipped: list[Skipped]) -> str:
    """What to do where photos lie beside the sub-folders; they are of no class."""
    beside = [row.path for row in skipped if row.reason == OUTSIDE]
    num_photos = sum(Path(path).suffix.lower() in SUFFIXES for path in beside)
    if not num_photos:
        return ""
    return (
        f" {plural_have(num_photos, 'photo')} no sub-folder. If {root} is one class, give the "
        "folder above; else sort them."
    )


def _require_classes(
    root: Path,
    classes: tuple[str, ...],
    photos: list[Photo],
    skipped: list[Skipped],
    *,
    num_needed: int,
) -> None:
    filled = {photo.label for photo in photos}
    if len(filled) < num_needed:
        found = ", ".join(sorted(filled)) or "none"
        raise DataError(
            f"{root} has {plural(len(filled), 'class', 'classes')} with photos ({found}); expected "
            f"{num_needed} or more sub-folders with photos in them, one per class."
            f"{_explain_flat(root, skipped)}"
        )
    empty = [name for name in classes if name not in filled]
    if empty and num_needed > 1:
        raise DataError(
            f"{root} has no photo in {', '.join(empty)}; add photos there or remove the folder."
        )
