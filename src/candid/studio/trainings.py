"""Training on the project: the command, and a wish that waits until the photos are read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

from candid.core.text import first_line
from candid.data.decisions import DROP, KEEP
from candid.errors import CandidError
from candid.runs.artifact import SPLIT
from candid.server.schemas import Problem
from candid.studio.bursts import Bursts
from candid.studio.decided import DECISIONS, Decided
from candid.studio.jobs import Job, Jobs
from candid.studio.judgements import Judgements
from candid.studio.project import Project
from candid.studio.studio import Studio
from candid.training.quality import expected_seconds

#: How thorough: a quality, or fast on all photos, without a test.
Effort = Literal["fast", "good", "best", "unmeasured"]
_OPTIONS: Final[Mapping[Effort, list[str]]] = {
    "fast": [],  # the command's default
    "good": ["--quality", "good"],
    "best": ["--quality", "best"],
    "unmeasured": ["--no-figures"],
}
_LOOK_EVERY_S: Final = 0.1


def words_to_train(studio: Studio) -> dict[Effort, list[str]]:
    """What is typed after ``candid`` to train on the project, by the effort.

    Photos keep the part that they had in the newest run, so that the two can be compared.
    """
    project, judgements = studio.project, studio.part(Judgements)
    run = judgements.home / _free_name(judgements.home, project.folder.name or "run")
    words = ["train", str(project.folder)]
    if studio.part(Decided).is_any:
        words += ["--decisions", str(project.state / DECISIONS)]
    learnt = labels_of(project, studio.part(Decided).current)
    bursts = studio.part(Bursts)
    if bursts.are_needed(project.photos[number].path for number in learnt):
        words += ["--group-by", str(bursts.file)]
    if earlier := _earlier_split(project, judgements):
        words += ["--split", earlier]
    return {effort: [*words, *options, "--run", str(run)] for effort, options in _OPTIONS.items()}


def seconds_to_train(num_photos: int, effort: Effort) -> float:
    """About how long it takes, of so many photos with known embeddings."""
    return expected_seconds(num_photos, "fast" if effort == "unmeasured" else effort)


def _free_name(home: Path, name: str) -> str:
    """A name that no run has, nor one that is being written, perhaps since before a restart."""
    taken = {path.name for path in home.iterdir()} if home.is_dir() else set()
    taken |= {path.split(".partial-")[0].removeprefix(".") for path in taken if path[0] == "."}
    return next(free for number in count(1) if (free := f"{name}-{number}") not in taken)


def _earlier_split(project: Project, judgements: Judgements) -> str:
    """The split of the newest measured run on photos of the project; empty without one."""
    if project.catalog is not None and project.catalog.parts:  # the folder's own are kept
        return ""
    with project.lock:
        here = {project.photos[number].content for number in project.present}
    for run in judgements.runs():
        try:
            rows = judgements.read(run).split.rows
        except CandidError:
            continue
        is_measured = any(row.part == "test" for row in rows)
        if is_measured and any(row.content in here for row in rows if row.part):
            return str(run.folder / SPLIT)
    return ""


def labels_of(project: Project, decided: Mapping[int, str]) -> dict[int, str]:
    """The classes that photos would be trained with, by their numbers, as decided.

    Dropped photos and those without a class are missing, and, when all are read, those that can't
    be.
    """
    found = {}
    with project.lock:
        readable = project.present if project.features is None else project.embedded
        for number in sorted({*project.present} & {*readable}):
            word = decided.get(number, KEEP)
            label = project.photos[number].label if word == KEEP else word.removesuffix("/")
            if word != DROP and label:
                found[number] = label
    return found


class Trainings:
    """Starts trainings of a project, at once or when its photos are read."""

    def __init__(self, project: Project) -> None:
        """Begin with no wish."""
        self._project = project
        self._wish: threading.Event | None = None
        self.effort: Effort = "fast"
        self.problem = ""

    @property
    def is_waiting(self) -> bool:
        """Whether a training is to start when the photos are read."""
        return self._wish is not None

    @property
    def is_ready(self) -> bool:
        """Whether the photos are read; a command would read them a second time."""
        project = self._project
        is_read = project.features is not None or project.catalog is None
        return project.num_scans > 0 and is_read and not project.activities

    def start(self, studio: Studio, effort: Effort) -> Job | None:
        """Train, by the command that is shown; None if the photos are still being read.

        Raises:
            Problem: 409, another command runs.
        """
        self.problem, self.effort = "", effort
        last = studio.part(Jobs).last
        if self.is_ready or (last is not None and last.is_running):
            return self._begin(studio)
        with self._project.lock:
            if self._wish is None:
                self._wish = threading.Event()
                wait = threading.Thread(target=self._wait, args=(studio, self._wish), daemon=True)
                wait.start()
            self._project.changed()
        return None

    def close(self) -> None:
        """Give the wish up."""
        with self._project.lock:
            if self._wish is not None:
                self._wish.set()
                self._wish = None
                self._project.changed()

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens."""
        return {"is_waiting": self.is_waiting, "effort": self.effort, "problem": self.problem}

    def _begin(self, studio: Studio) -> Job:
        job = studio.part(Jobs).start("train", words_to_train(studio)[self.effort])
        studio.part(Judgements).choose(None)
        return job

    def _wait(self, studio: Studio, wish: threading.Event) -> None:
        while not wish.wait(_LOOK_EVERY_S):
            if self._project.problem:
                self.problem = self._project.problem
                self.close()
            elif self.is_ready:
                with self._project.lock:
                    if not wish.is_set():
                        self._fulfil(studio)

    def _fulfil(self, studio: Studio) -> None:
        self.close()
        try:
            self._begin(studio)
        except (Problem, CandidError, OSError) as error:
            self.problem = first_line(error)
            self._project.changed()
