"""An opened folder: its photos, embeddings and copies, read in the background."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache, default_folder
from candid.core.hashing import hash_bytes
from candid.core.progress import Advance
from candid.data.catalog import UNLABELLED, Catalog, Photo
from candid.data.file_reader import FileReader
from candid.data.images import Reading
from candid.data.sample_range import decide_range
from candid.data.scan import scan
from candid.data.walk import STATE, visible_folders
from candid.errors import CandidError, DataError
from candid.features.extract import Features
from candid.splits.duplicates import Groups, find_duplicates
from candid.splits.prepare import extract_catalog

_LOG: Final = logging.getLogger("candid.studio")
_LOOK_EVERY_S: Final = 2.0
_NICENESS: Final = 10


@dataclass
class Activity:
    """A step that the project is at: ``Reading the photos``, 120 of 300."""

    title: str
    total: int
    done: int = 0
    since: float = 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that it still takes at the speed so far; None if that is not known."""
        if not self.total or not self.done:
            return None
        return (self.total - self.done) * (time.monotonic() - self.since) / self.done

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens."""
        return {
            "title": self.title,
            "done": self.done,
            "total": self.total,
            "left_s": self.left_s,
        }


class Project:
    """An opened folder.

    Attributes:
        folder: The photos, one sub-folder per class.
        state: The folder that decisions, groups and journals are kept in.
        version: Rises with every change of what the screens show.
        num_scans: How often the folder was read.
        classes: Names of the classes, of empty ones too, in alphabetical order.
        num_by_class: Photos of each class; those without one are of the class "".
        photos: All photos that were ever seen, by number; the class of unlabelled ones is empty.
        present: Numbers of those that are there, sorted by path.
        catalog: As scanned, with unlabelled photos among the others, without decisions; None
            before, and of a folder without photos.
        features: Of the readable photos; None until all are embedded.
        embedded: Numbers of the photos of ``features``, in its order.
        groups: Copies among these; None until they are found.
        activities: The steps that it is at, the innermost last.
        problem: Why the folder can't be read; empty if it can.
    """

    def __init__(self, folder: Path) -> None:
        """Open it; `start` begins to read."""
        self.folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 (keeps links)
        self._files = FileReader()  # one with a cache is of one thread
        self.state = _state_folder(self.folder)
        self.lock = threading.RLock()
        self.version = 1
        self.num_scans = 0
        self.classes: tuple[str, ...] = ()
        self.num_by_class: dict[str, int] = {}
        self.photos: list[Photo] = []
        self.present: Sequence[int] = ()
        self.catalog: Catalog | None = None
        self.features: Features | None = None
        self.embedded: Sequence[int] = ()
        self.groups: Groups | None = None
        self.activities: list[Activity] = []
        self.problem = ""
        self.notes: tuple[str, ...] = ()
        self._numbers: dict[str, int] = {}
        self._stamps: dict[Path, int] = {}
        self._held_until = 0.0
        self._is_asked = threading.Event()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_reading, daemon=True)

    @property
    def keeps_state_elsewhere(self) -> bool:
        """Whether the folder can't be written to."""
        return self.state.parent != self.folder

    def start(self) -> None:
        """Begin to read, in a thread."""
        self._is_asked.set()
        self._thread.start()

    def close(self) -> None:
        """Stop reading; a file that is being read is finished."""
        self._is_closed.set()
        self._is_asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def rescan(self) -> None:
        """Read the folder again soon, as files were added or moved."""
        self._is_asked.set()

    def hold(self, seconds: float) -> None:
        """Let reading wait for some seconds, as photos are being recorded, which must not jerk."""
        self._held_until = time.monotonic() + seconds

    def changed(self) -> None:
        """Tell the screens that something changed."""
        with self.lock:
            self.version += 1

    def note_class(self, name: str) -> None:
        """Show a class whose folder was just made, before the folder is read again."""
        with self.lock:
            self.classes = tuple(sorted({*self.classes, name}))
            self.changed()

    def number_of(self, path: str) -> int | None:
        """The number of a photo by its path; None if it was never seen."""
        return self._numbers.get(path)

    def photo(self, number: int) -> Photo:
        """A photo by its number.

        Raises:
            DataError: There is no such number.
        """
        if not 0 <= number < len(self.photos):
            raise DataError(f"there is no photo {number}.")
        return self.photos[number]

    def read(self, photo: Photo) -> bytes:
        """The bytes of a photo.

        Raises:
            ImageError: It is gone, or was changed.
        """
        return self._files.read(self.folder / photo.path, photo.content)

    # --- Progress of the library's functions ------------------------------------------------------

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step; see `candid.core.progress.Progress`."""
        activity = Activity(title, total, since=time.monotonic())

        def advance(count: int) -> None:
            activity.done += count
            self._wait_while_held()
            if self._is_closed.is_set():
                raise _Closed

        self.activities.append(activity)
        self.changed()
        try:
            yield advance
        finally:
            self.activities.remove(activity)
            self.changed()

    def say(self, line: str) -> None:
        """Keep a line for the screens."""
        self.notes = (*self.notes, line)
        self.changed()

    # --- Reading ----------------------------------------------------------------------------------

    def _keep_reading(self) -> None:
        _let_others_first()
        with Cache(default_folder()) as cache, suppress(_Closed):
            reader = FileReader(cache)
            while not self._is_closed.is_set():
                self._wait_while_held()
                if self._is_asked.is_set() or self._was_touched():
                    self._is_asked.clear()
                    self._try_to_read(cache, reader)
                self._is_asked.wait(_LOOK_EVERY_S)

    def _wait_while_held(self) -> None:
        while (left := self._held_until - time.monotonic()) > 0 and not self._is_closed.is_set():
            self._is_closed.wait(left)

    def _try_to_read(self, cache: Cache, reader: FileReader) -> None:
        try:
            self._read(cache, reader)
        except CandidError as error:
            self.problem = str(error)
        except _Closed:
            raise
        except Exception:  # the studio goes on, and the error is known
            if self._is_closed.is_set():  # Python refuses new threads to what still computes
                raise _Closed from None
            _LOG.exception("reading %s failed", self.folder)
            self.problem = "reading the folder failed; the terminal says why."
        finally:
            self.changed()

    def _was_touched(self) -> bool:
        """Whether files were added to, or removed from, any folder since it was read."""
        return any(_stamp(folder) != stamp for folder, stamp in self._stamps.items())

    def _read(self, cache: Cache, reader: FileReader) -> None:
        self.notes = ()
        folders = [self.folder, *(Path(top) for top, _, _ in os.walk(self.folder) if _seen(top))]
        self._stamps = {folder: _stamp(folder) for folder in folders}
        classes = tuple(
            path.name
            for path in visible_folders(self.folder)
            if path.name.lower() not in UNLABELLED
        )
        with self.step("Finding the photos", 0) as advance:
            catalog: Catalog | None
            try:
                catalog = scan(
                    self.folder,
                    to_train=False,
                    allow_unlabelled=True,
                    reader=reader,
                    advance=advance,
                )
            except DataError as error:
                if not self.folder.is_dir():
                    raise error
                catalog = None  # nothing is in it yet
        if catalog is not None:
            every = sorted((*catalog.photos, *catalog.unlabelled), key=lambda photo: photo.path)
            catalog = replace(catalog, photos=tuple(every), unlabelled=())
        self._take(catalog, classes)
        if catalog is not None:
            self._embed(catalog, cache, reader)

    def _take(self, catalog: Catalog | None, classes: tuple[str, ...]) -> None:
        """Show the photos of a scan."""
        with self.lock:
            found = catalog.photos if catalog else ()
            for photo in found:
                number = self._numbers.setdefault(photo.path, len(self.photos))
                if number == len(self.photos):
                    self.photos.append(photo)
                self.photos[number] = photo
            self.present = [self._numbers[photo.path] for photo in found]
            self.classes = catalog.classes if catalog and catalog.parts else classes
            labels = Counter(photo.label for photo in found)
            self.num_by_class = dict.fromkeys(self.classes, 0) | labels
            self.catalog, self.problem = catalog, ""
            self.num_scans += 1
            self.changed()

    def _embed(self, catalog: Catalog, cache: Cache, reader: FileReader) -> None:
        reading, notes = decide_range(catalog, Reading(), reader=reader, cache=cache)
        features = extract_catalog(
            catalog, reading=reading, cache=cache, reader=reader, progress=self
        )
        with self.lock:
            self.notes = (*features.catalog.notes(), *notes)
            self.features = features
            self.embedded = [self._numbers[photo.path] for photo in features.catalog.photos]
            self.changed()
        with self.step("Looking for copies", 0):
            groups = find_duplicates(features, progress=self)
        with self.lock:
            self.groups = groups
            self.changed()


class _Closed(Exception):  # noqa: N818 - no error: the project was closed
    """The project was closed while it was read."""


def _let_others_first() -> None:
    """Lower the priority of this thread and those that it starts: the screens come first."""
    if sys.platform == "linux":  # elsewhere it would be that of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _state_folder(folder: Path) -> Path:
    """Where state is kept: in the folder, or beside the cache if it can't be written to."""
    state = folder / STATE
    if os.access(folder, os.W_OK | os.X_OK):
        return state
    return default_folder() / "studio" / f"{folder.name}-{hash_bytes(bytes(folder))[:8]}"


def _seen(folder: str) -> bool:
    return not any(step.startswith(".") for step in Path(folder).parts)


def _stamp(folder: Path) -> int:
    """When a file was last added to, or removed from, a folder, in ns; 0 if it is gone."""
    with suppress(OSError):
        return folder.stat().st_mtime_ns
    return 0


def places_of(numbers: Sequence[int], num_photos: int) -> NDArray[np.int64]:
    """For each photo its place in a list of numbers, int64 ``(num_photos,)``; -1 if it is not."""
    places = np.full(num_photos, -1, np.int64)
    places[np.asarray(numbers, np.int64)] = np.arange(len(numbers))
    return places
