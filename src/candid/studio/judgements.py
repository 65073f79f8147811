"""What runs say of the photos of the project, each by a model that did not see it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.safe_json import read_object
from candid.data.source import DataSource
from candid.errors import CandidError, DataError
from candid.evaluation.reliability import Answering, measure_answering
from candid.evaluation.stored import StoredRun, read_stored
from candid.runs.artifact import MANIFEST
from candid.runs.paths import RUNS
from candid.studio.project import Project

#: Runs whose predictions are held in memory: two are compared.
_MOST_READ: Final = 4


@dataclass(frozen=True)
class Columns:
    """A run's held-out predictions, by the number of the photo.

    Attributes:
        run: The run's folder.
        classes: Its classes.
        guess: int64 ``(n,)``, places in ``classes``; -1 for photos that it has no prediction of.
        probability: float32 ``(n,)``, of the guess; 0 where there is none.
        verdict: ``(n,)``, ``sure``, ``uncertain``, ``unknown`` or empty.
        part: ``(n,)``, ``train``, ``val``, ``test`` or empty.
    """

    run: str
    classes: tuple[str, ...]
    guess: NDArray[np.int64]
    probability: NDArray[np.float32]
    verdict: NDArray[np.str_]
    part: NDArray[np.str_]


@dataclass(frozen=True)
class FoundRun:
    """A run on the project's folder.

    Attributes:
        number: Of the run, as long as the project is open.
        stamp: When it was written, in ns.
        values: Its manifest, as JSON; not checked.
    """

    number: int
    folder: Path
    stamp: int
    values: dict[str, Any]


class Judgements:
    """Runs on the project's photos.

    They are those in the project's state folder, and those in ``runs`` of the current folder that
    were trained on the project's folder.
    """

    def __init__(self, project: Project) -> None:
        """Look for runs on the project's folder."""
        self._project = project
        self._lock = threading.RLock()  # requests are answered in several threads
        self._manifests: dict[Path, tuple[int, dict[str, Any]]] = {}
        self._numbers: dict[Path, int] = {}
        self._chosen: Path | None = None
        self._stored: dict[tuple[Path, int], StoredRun] = {}
        self._columns: tuple[object, Columns | None] = (None, None)
        self._answering: tuple[object, tuple[NDArray[np.int64], tuple[Answering, ...]]]
        self._answering = None, (np.array([], np.int64), ())

    @property
    def home(self) -> Path:
        """The folder that new runs are written into."""
        return self._project.state / RUNS

    def runs(self) -> list[FoundRun]:
        """All runs, the newest first."""
        with self._project.lock:
            found = []
            for folder in dict.fromkeys((self.home, RUNS.absolute())):
                for file in folder.glob(f"[!.]*/{MANIFEST}"):
                    if file.parent.is_symlink() or not (stamp := self._read(file)):
                        continue
                    values = self._manifests[file][1]
                    number = self._numbers.setdefault(file.parent, len(self._numbers))
                    found.append(FoundRun(number, file.parent, stamp, values))
            return sorted(found, key=lambda run: -run.stamp)

    def run(self, number: int) -> FoundRun:
        """A run by its number.

        Raises:
            DataError: There is none.
        """
        for run in self.runs():
            if run.number == number:
                return run
        raise DataError(f"there is no run {number} any more.")

    @property
    def chosen(self) -> FoundRun | None:
        """The run that the screens show: that which was chosen, else the newest."""
        runs = self.runs()
        return next((run for run in runs if run.folder == self._chosen), (*runs, None)[0])

    def choose(self, number: int | None) -> None:
        """Choose a run; None for the newest, whichever that will be."""
        self._chosen = None if number is None else self.run(number).folder
        self._project.changed()

    def read(self, run: FoundRun) -> StoredRun:
        """The figures and predictions of a run.

        Raises:
            ArtifactError: It is incomplete or was changed.
        """
        key = run.folder, run.stamp
        with self._lock:
            if key not in self._stored:
                stored = read_stored(run.folder)
                while len(self._stored) >= _MOST_READ:
                    del self._stored[next(iter(self._stored))]
                self._stored[key] = stored
            return self._stored[key]

    def answering(self, run: FoundRun) -> tuple[NDArray[np.int64], tuple[Answering, ...]]:
        """What answering less often brings; see `measure_answering`."""
        key = run.folder, run.stamp
        with self._lock:
            if self._answering[0] != key:
                stored = self.read(run)
                self._answering = key, measure_answering(stored.predictions, stored.verdicts)
            return self._answering[1]

    def columns(self) -> Columns | None:
        """Those of the run that is chosen, by default the newest; None without a run."""
        project, run = self._project, self.chosen
        if run is None:
            return None
        key = run.folder, run.stamp, len(project.photos), id(project.catalog)
        if self._columns[0] != key:
            with project.lock:
                contents = [photo.content for photo in project.photos]
            try:
                columns = _align(self.read(run), contents)
            except CandidError:
                columns = None
            self._columns = key, columns
        return self._columns[1]

    def numbers_of(self, contents: set[str]) -> dict[str, int]:
        """The number of the first photo of each content that is there."""
        project = self._project
        with project.lock:
            found = ((project.photos[number].content, number) for number in project.present)
            return {
                content: number for content, number in reversed([*found]) if content in contents
            }

    def locate(self, files: Sequence[tuple[str, str]]) -> list[int]:
        """The numbers of photos by path and content; -1 for those that are gone.

        A photo that was renamed is found by its content.
        """
        project = self._project
        by_content = self.numbers_of({content for _, content in files})
        with project.lock:
            here = {
                (project.photos[number].path, project.photos[number].content): number
                for number in project.present
            }
        return [here.get(file, by_content.get(file[1], -1)) for file in files]

    def _read(self, file: Path) -> int:
        """Read a manifest unless it is known; gives its stamp, or 0 if it is of another folder."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            stamp = file.stat().st_mtime_ns
            if self._manifests.get(file, (0, {}))[0] != stamp:
                self._manifests[file] = stamp, read_object(file)
            values = self._manifests[file][1]
            trained_on, is_of_classes = values["data"]["folder"], bool(values["classes"])
            # Of those beside the photos, the folder may have been moved.
            is_here = file.is_relative_to(self.home)
            is_on_folder = trained_on == str(DataSource.of(self._project.folder))
            return stamp if is_of_classes and (is_here or is_on_folder) else 0
        return 0


def _align(stored: StoredRun, contents: list[str]) -> Columns:
    """Align predictions with photos by content, as photos may have been renamed or moved."""
    predictions, rows = stored.predictions, {row.path: row for row in stored.split.rows}
    by_content = {rows[path].content: place for place, path in enumerate(predictions.paths)}
    parts = {row.content: row.part for row in stored.split.rows if row.part}
    places = np.array([by_content.get(content, -1) for content in contents], np.int64)
    known = np.arange(len(predictions.predicted))
    probability = predictions.probabilities[known, predictions.predicted]
    return Columns(
        run=str(stored.folder),
        classes=stored.manifest.classes,
        guess=np.append(predictions.predicted, -1)[places],
        probability=np.append(probability, np.float32(0))[places],
        verdict=np.append(stored.verdicts, "")[places],
        part=np.array([parts.get(content, "") for content in contents], "<U5"),
    )
