"""Photos whose answer a person corrected, and whether a later training helped."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from candid.core.journal import append_line, read_lines
from candid.evaluation.stored import StoredRun
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.project import Project

#: In the state folder.
TRIED: Final = "tried.jsonl"
#: ``waiting`` for a training; ``right`` or ``wrong`` by a model that did not see it; ``learnt``, so
#: that its answer proves nothing; ``absent`` from the training.
Outcome = Literal["waiting", "right", "wrong", "learnt", "absent"]


@dataclass(frozen=True)
class Corrected:
    """A corrected answer.

    Attributes:
        content: SHA-256 of the photo.
        path: Where it lies, relative to the folder.
        label: The class that the person gave.
        answered: The class that was answered.
        probability: Of that class.
        run: Name of the run that answered.
        time_ns: When.
    """

    content: str
    path: str
    label: str
    answered: str
    probability: float
    run: str
    time_ns: int


class Tried:
    """The corrected answers of a project, in a file that is only added to."""

    def __init__(self, project: Project) -> None:
        """Begin with those that the state folder holds."""
        self._project = project
        self.file = project.state / TRIED
        self._read: tuple[int, tuple[Corrected, ...]] = (-1, ())

    def add(
        self, content: str, path: str, label: str, answered: str, probability: float, run: str
    ) -> None:
        """Remember that an answer was wrong; see `Corrected`.

        Raises:
            OSError: The file can't be written.
        """
        row = Corrected(content, path, label, answered, probability, run, time.time_ns())
        with self._project.lock:
            append_line(self.file, asdict(row))
            self._project.changed()

    def all(self) -> tuple[Corrected, ...]:
        """The last correction of each photo, the newest first."""
        with self._project.lock:
            size = self.file.stat().st_size if self.file.is_file() else 0
            if size != self._read[0]:
                self._read = size, self._load() if size else ()
            return self._read[1]

    def _load(self) -> tuple[Corrected, ...]:
        found: dict[str, Corrected] = {}
        for line in read_lines(self.file):
            with suppress(TypeError):  # of another version
                row = Corrected(**line)
                found.pop(row.content, None)
                found[row.content] = row
        return tuple(reversed(found.values()))

    def describe(self, judgements: Judgements) -> list[dict[str, Any]]:
        """Each with what the chosen run says of it; JSON values.

        Raises:
            ArtifactError: The run is incomplete or was changed.
        """
        rows, run = self.all(), judgements.chosen
        numbers = judgements.numbers_of({row.content for row in rows})
        later = [row for row in rows if run is not None and run.stamp > row.time_ns]
        told = {} if run is None or not later else _tell(judgements, run)
        described = []
        for row in rows:
            outcome: dict[str, Any] = {"outcome": "waiting"}
            if row in later:
                outcome = told.get(row.content, {"outcome": "absent"})
            number = numbers.get(row.content)
            described.append(asdict(row) | {"id": number, "now": outcome})
        return described


def _tell(judgements: Judgements, run: FoundRun) -> dict[str, dict[str, Any]]:
    """What a run says of each of its photos, by content."""
    stored = judgements.read(run)
    told: dict[str, dict[str, Any]] = {
        row.content: {"outcome": "learnt", "label": row.label}
        for row in stored.split.rows
        if row.part
    }
    for content, guess, probability, label in _held_out(stored):
        told[content] = {
            "outcome": "right" if guess == label else "wrong",
            "label": label,
            "guess": guess,
            "probability": probability,
        }
    return told


def _held_out(stored: StoredRun) -> list[tuple[str, str, float, str]]:
    """Content, guess, its probability and class of each photo that has a held-out prediction."""
    predictions, classes = stored.predictions, stored.manifest.classes
    contents = {row.path: row.content for row in stored.split.rows}
    return [
        (
            contents[path],
            classes[predictions.predicted[place]],
            float(predictions.probabilities[place, predictions.predicted[place]]),
            classes[predictions.truth[place]],
        )
        for place, path in enumerate(predictions.paths)
    ]
