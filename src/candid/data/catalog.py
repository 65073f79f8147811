"""The photos of a folder or another source, and what of it was skipped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from candid.core.text import plural_are
from candid.data.images import remedy
from candid.data.listing import Listing
from candid.data.location import PhotoFile
from candid.data.parts import role_of
from candid.data.source import DataSource

#: Reason of a hidden file.
HIDDEN: Final = "hidden file"
#: Reason of a folder that is skipped with everything in it, such as ``.git``.
HIDDEN_FOLDER: Final = "hidden folder"
#: Reason of a file that is no image.
NO_IMAGE: Final = "not an image"
#: Reason of files beside the class folders.
OUTSIDE: Final = "outside the class folders"
#: Reason of rows of a table without a class, and of photos in a folder `UNLABELLED`.
NO_LABEL: Final = "without a class"
#: Folders beside the class folders, in lower case, whose photos have no class yet.
UNLABELLED: Final = frozenset({"unlabelled", "unlabeled"})
#: Reasons of files that are no photos.
NOT_IMAGES = frozenset({HIDDEN, HIDDEN_FOLDER, NO_IMAGE})
#: Reason of photos dropped by ``decisions.csv``.
DROPPED: Final = "dropped by decision"

_NUM_NAMED = 5
#: What of a reason is about one row.
_DETAIL: Final = re.compile("[;:,]")


@dataclass(frozen=True, slots=True)
class Photo:
    """One image file."""

    path: str  # relative to the catalog's folder, with forward slashes
    label: str  # name of its class
    content: str  # SHA-256 of its bytes, hexadecimal; identifies the photo everywhere
    group: str = ""  # of the person's own groups, where the source has such


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was skipped, and why."""

    path: str  # relative to the catalog's folder, with forward slashes
    reason: str  # why, as a clause
    content: str = ""  # SHA-256 of its bytes for a photo dropped by decision; else empty
    foreign: str = ""  # name of its format if that is known, and not one that is read


@dataclass(frozen=True)
class Catalog:
    """The photos of a folder or another source.

    Attributes:
        source: What was scanned.
        classes: Class names in alphabetical order; the index here is the class number.
        photos: The photos, sorted by path.
        skipped: Skipped files and folders (hidden, not an image, unreadable) with reasons.
        unlabelled: Photos without a class, which are in ``skipped`` too: those beside the class
            folders, or in a folder called so. A decision gives them one.
        parts: Names of the split folders above the class folders, if the folder has its own split.
        listing: What the source lists; None of a folder of class folders on this machine.
    """

    source: DataSource
    classes: tuple[str, ...]
    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    parts: tuple[str, ...] = ()
    listing: Listing | None = None
    unlabelled: tuple[Photo, ...] = ()

    def file(self, photo: Photo) -> PhotoFile:
        """Where a photo is: its absolute path, or its location."""
        found = self.find(photo.path)
        assert found is not None
        return found

    def find(self, path: str) -> PhotoFile | None:
        """Where the photo of a path is; None if no such photo is listed."""
        if self.listing is not None:
            row = self.listing.by_path.get(path)
            return None if row is None else row.file
        return None if self.source.path is None else self.source.path / path

    def part(self, photo: Photo) -> str:
        """Name of the split folder that holds the photo; empty without split folders."""
        if self.listing is not None and not self.listing.is_folder:
            return self.listing.by_path[photo.path].part if self.parts else ""
        return photo.path.partition("/")[0] if self.parts else ""

    def role(self, photo: Photo) -> str:
        """Which of train, val and test the photo's split folder is; empty without any."""
        return role_of(self.part(photo))

    def below_part(self, path: str) -> tuple[str, ...]:
        """Path components from the class folder to the file; empty for a path in no class."""
        if self.listing is not None and not self.listing.is_folder:
            row = self.listing.by_path.get(path)
            return () if row is None or not row.label else (row.label, *path.split("/"))
        steps = path.split("/")[1 if self.parts else 0 :]
        while self.parts and len(steps) > 1 and steps[0] not in self.classes and role_of(steps[0]):
            del steps[0]  # repeated: seg_train/seg_train/cat
        return tuple(steps) if len(steps) > 1 and steps[0] in self.classes else ()

    def notes(self) -> tuple[str, ...]:
        """One line per skipped image, one per foreign format, one for all other skipped files.

        Photos dropped by decision are not listed: the user knows, and it may be hundreds.
        """
        left_out = [row for row in self.skipped if row.reason in NOT_IMAGES]
        left_out.sort(key=lambda row: row.reason != HIDDEN_FOLDER)  # folders first
        others = [row.path for row in left_out]
        known = NOT_IMAGES | {DROPPED}
        images = [row for row in self.skipped if row.reason not in known and not row.foreign]
        listed = self.listing
        is_folder = listed is None or listed.is_folder
        lines = [] if listed is None else [*listed.notes]
        lines += _note_images(images) if is_folder else _note_rows(images)
        lines += note_foreign(self.skipped)
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


def _note_rows(skipped: Iterable[Skipped]) -> Iterator[str]:
    """A line a row, but one for many that are left out for the same reason."""
    of_reason: dict[str, list[Skipped]] = {}
    for row in skipped:
        of_reason.setdefault(_DETAIL.split(row.reason)[0], []).append(row)
    for rows in of_reason.values():
        if len(rows) <= _NUM_NAMED:
            yield from _note_images(rows)
        else:
            first = f"{rows[0].path}: {rows[0].reason}"
            yield f"{len(rows):,} rows are left out for the same reason, the first: {first}"


def _note_images(skipped: Iterable[Skipped]) -> Iterator[str]:
    """A line an image, but one for many beside class folders: a test part without labels."""
    beside: dict[tuple[str, str], list[str]] = {}
    for row in skipped:
        if row.reason in (OUTSIDE, NO_LABEL):
            beside.setdefault((row.path.rpartition("/")[0], row.reason), []).append(row.path)
        else:
            yield f"{row.path} is left out: {row.reason}"
    for (folder, reason), paths in beside.items():
        if len(paths) <= _NUM_NAMED:
            yield from (f"{path} is left out: {reason}" for path in paths)
        else:
            yield f"{len(paths):,} files in {folder or 'the folder'} are left out: {reason}"


def note_foreign(skipped: Iterable[Skipped]) -> list[str]:
    """Lines such as ``12 PDF files are left out: save their pages as JPEG or PNG``."""
    counts = Counter(row.foreign for row in skipped if row.foreign)
    return [
        f"{plural_are(number, f'{name} file')} left out: {remedy(name, number)}"
        for name, number in counts.most_common()
    ]
