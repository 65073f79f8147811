"""New photos for a project: checked, named, and written into the folder of their class."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Literal

from candid.core.hashing import hash_bytes
from candid.core.text import reason_of
from candid.data.catalog import UNLABELLED
from candid.data.decisions.moving import REMOVED
from candid.data.images import PixelContract, decode
from candid.data.parts import find_parts, role_of
from candid.data.walk import nested, visible_folders
from candid.errors import ImageError, UsageError
from candid.server.settings import Settings
from candid.server.uploads import Upload
from candid.studio.bursts import Bursts
from candid.studio.naming import class_name, file_name, numbered, same_name
from candid.studio.project import Project

#: The folder of photos without a class, if there is none yet.
NO_CLASS: Final = "unlabelled"
#: In the state folder: photos that are being written.
_INCOMING: Final = "incoming"
_BURST: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
Outcome = Literal["saved", "copy", "refused"]


@dataclass(frozen=True)
class Added:
    """What became of a photo.

    Attributes:
        name: As it was sent.
        outcome: ``saved``; ``copy``, as the same file is there; or ``refused``.
        path: Where it lies, relative to the folder; of a copy, the file that is there.
        reason: Why it was refused.
    """

    name: str
    outcome: Outcome
    path: str = ""
    reason: str = ""


class Intake:
    """Takes new photos into a project."""

    def __init__(self, project: Project, settings: Settings | None = None) -> None:
        """Of a project; ``settings`` limit the size of a photo."""
        limits = settings or Settings()
        self._project = project
        self.bursts = Bursts(project)
        # Whatever the range of samples that all photos together will have, a photo can be read.
        self._contract = PixelContract(max_pixels=limits.max_pixels, sample_range=(0.0, 1.0))
        self._lock = threading.Lock()
        self._num_scans = -1
        self._contents: dict[str, str] = {}
        self._fresh: dict[str, str] = {}  # added since the last scan

    @property
    def refusal(self) -> str:
        """Why no photos can be added; empty if they can."""
        folder = self._project.folder
        if not folder.is_dir():
            return f"{folder} is no longer there."
        if not os.access(folder, os.W_OK | os.X_OK):
            return (
                f"{folder} can't be written to, so photos can't be added. Copy it to a place of "
                "yours and open the copy, or ask whoever owns it to let you write."
            )
        return ""

    def name_class(self, name: str) -> str:
        """Make a class, if there is none of this name; gives the name of its folder.

        Raises:
            UsageError: It can't be called so, or its folder can't be made.
        """
        return self._folder_of(name).name

    def add(self, label: str, photos: Sequence[Upload], *, burst: str = "") -> list[Added]:
        """Add photos to a class, one by one: those that are refused keep no other back.

        Args:
            label: A class, made if there is none of this name; empty for none yet.
            photos: Names and bytes.
            burst: Name of the burst that they are frames of; empty if they are of none.

        Raises:
            UsageError: Nothing can be added to this class.
        """
        if burst and not _BURST.fullmatch(burst):
            raise UsageError("a burst is named by up to 64 letters, figures, dots and dashes.")
        with self._lock:
            folder = self._folder_of(label)
            self._recall()
            return [self._add(folder, photo, burst) for photo in photos]

    def take_back(self, burst: str) -> int:
        """Move the frames of a burst out of their class, into the folder for removed photos.

        Returns:
            How many were moved; those that are gone already are passed over.

        Raises:
            UsageError: They can't be moved.
        """
        folder, num_moved = self._project.folder, 0
        with self._lock:
            paths = [path for path, name in self.bursts.group_by.items() if name == burst]
            for path in filter(lambda path: (folder / path).is_file(), paths):
                file = self._project.state / REMOVED / path
                free = (file.with_name(numbered(file.name, number)) for number in count(1))
                target = next(one for one in free if not os.path.lexists(one))
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(folder / path, target)
                except OSError as error:
                    why = reason_of(error)
                    raise UsageError(f"{path} can't be moved to {target.parent}: {why}.") from error
                num_moved += 1
        return num_moved

    # --- One photo --------------------------------------------------------------------------------

    def _add(self, folder: Path, photo: Upload, burst: str) -> Added:
        content = hash_bytes(photo.data)
        if there := self._find(content):
            return Added(photo.name, "copy", path=there)
        try:
            decode(photo.data, self._contract)
        except ImageError as error:
            return Added(photo.name, "refused", reason=str(error))
        try:
            path = self._write(folder, photo, burst)
        except OSError as error:
            why = reason_of(error)
            raise UsageError(
                f"{folder} can't be written: {why}. Free some space, or make the folder writable."
            ) from error
        self._fresh[content] = path
        return Added(photo.name, "saved", path=path)

    def _write(self, folder: Path, photo: Upload, burst: str) -> str:
        name = file_name(photo.name, photo.data)
        for number in count(1):
            file = folder / numbered(name, number)
            path = file.relative_to(self._project.folder).as_posix()
            if os.path.lexists(file) or path in self.bursts.group_by:
                continue
            if burst:
                self.bursts.add([path], burst)
            with suppress(FileExistsError):  # another program was quicker
                _write_new(file, photo.data, self._project.state / _INCOMING)
                return path
        raise AssertionError

    def _find(self, content: str) -> str:
        """The path of a file with this content; empty if there is none."""
        for known in (self._fresh, self._contents):
            path = known.get(content, "")
            if path and (self._project.folder / path).is_file():
                return path
        return ""

    def _recall(self) -> None:
        project = self._project
        with project.lock:
            if self._num_scans == project.num_scans:
                return
            self._num_scans = project.num_scans
            photos = [project.photos[number] for number in project.present]
        self._contents = {photo.content: photo.path for photo in photos}

    # --- Folders ----------------------------------------------------------------------------------

    def _folder_of(self, label: str) -> Path:
        """The folder of a class, made if it is missing."""
        if refusal := self.refusal:
            raise UsageError(refusal)
        root = self._root(is_labelled=bool(label.strip()))
        folders = visible_folders(root)
        if not label.strip():
            found = [one for one in folders if one.name.lower() in UNLABELLED]
            return _made(found[0] if found else root / NO_CLASS)
        exact = [one for one in folders if one.name == label]
        found = exact or [one for one in folders if same_name(one.name, label.strip())]
        if found and found[0].name.lower() not in UNLABELLED:
            return found[0]
        return _made(root / class_name(label))

    def _root(self, *, is_labelled: bool) -> Path:
        """The folder that holds those of the classes, which may be that of the training part."""
        folder = self._project.folder
        parts = find_parts(folder)
        if not parts:
            return folder
        training = [part for part in parts if role_of(part) == "train"]
        if not is_labelled:
            raise UsageError(
                f"this folder has parts ({', '.join(parts)}), in which every photo has a class: "
                "choose one."
            )
        if not training:
            raise UsageError(
                f"this folder has parts ({', '.join(parts)}) but none to train on, so there is no "
                "place for new photos. Make a folder train/ in it."
            )
        return nested(folder / training[0], role_of)[-1]


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        why = reason_of(error)
        raise UsageError(f"{folder} can't be made: {why}.") from error
    return folder


def _write_new(file: Path, data: bytes, aside: Path) -> None:
    """Write a file that appears as a whole, and never in place of another.

    Args:
        file: The file.
        data: Its bytes.
        aside: The folder that it is written to first, unless it is on another disk.

    Raises:
        FileExistsError: There is one of this name.
    """
    aside.mkdir(parents=True, exist_ok=True)
    if aside.stat().st_dev != file.parent.stat().st_dev:
        aside = file.parent
    partial = aside / f".{file.name}.{os.getpid()}.part"
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(partial, file)
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as FAT
            file.open("xb").close()
            partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
