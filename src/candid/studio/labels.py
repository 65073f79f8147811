"""Batches of photos to be given a class, or whose class is to be checked, for the screen Label."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.journal import append_line, read_lines
from candid.core.text import reason_of
from candid.data.decisions import DROP, KEEP, class_as_decision
from candid.errors import UsageError
from candid.models.labelling import Batch, Labelling
from candid.server.schemas import Problem
from candid.studio.decided import Decided
from candid.studio.known import Known
from candid.studio.project import Project

#: Photos without a class, or those whose class a model doubts.
Mode = Literal["unlabelled", "doubted"]
_REFUSED: Final = "refused.jsonl"


class Labels:
    """Makes the batches of a project.

    Classes that a photo was said not to have are remembered in ``refused.jsonl`` of the state
    folder, a line for each batch, so that they are not suggested again::

        {"label": "happy", "contents": ["60f1…", "9f86…"]}
    """

    def __init__(self, project: Project) -> None:
        """Begin with what the state folder holds."""
        self._project = project
        self._file = project.state / _REFUSED
        self._lock = threading.Lock()
        self._prepared: tuple[object, Labelling | None] = (None, None)
        self._last: tuple[object, Known | None, object, Batch | None] = (None, None, None, None)
        self._refused: set[tuple[str, str]] = set()
        for line in read_lines(self._file):
            self._refused.update((content, line["label"]) for content in line.get("contents", ()))

    def batch(self, mode: Mode, known: Known) -> dict[str, Any]:
        """The next batch, as JSON values.

        Raises:
            Problem: The photos are not embedded yet.
        """
        with self._lock:
            features, embedded = self._project.features, np.asarray(self._project.embedded)
            if features is None:
                raise Problem(409, "not_ready", "the photos are still being read; a moment.")
            last, asked = self._last, (mode, len(self._refused))
            if last[0] is not features or last[1] is not known or last[2] != asked:
                if self._prepared[0] is not features:
                    with self._project.step("Preparing suggestions", 0):
                        self._prepared = features, Labelling(features.embeddings)
                self._last = features, known, asked, self._make(mode, known, embedded)
            found = self._last[3]
            assert found is not None
        return {
            "mode": mode,
            "guess": "" if found.guess < 0 else known.classes[found.guess],
            "ids": embedded[found.places].tolist(),
            "probabilities": [round(float(p), 3) for p in found.probabilities],
        }

    def accept(
        self,
        decided: Decided,
        mode: Mode,
        given: dict[int, str],
        refused: Sequence[int],
        guess: str,
    ) -> None:
        """Give photos classes, in one step that can be undone, and remember what others are not.

        Args:
            decided: Keeps the decisions.
            mode: Of the batch; classes that are doubted and were found right are kept.
            given: The class by the number of the photo.
            refused: Numbers of photos that have not the class that was guessed.
            guess: That class.

        Raises:
            UsageError: There is no such class, or the state can't be written.
        """
        words = {number: class_as_decision(label) for number, label in given.items()}
        if mode == "doubted":
            words |= dict.fromkeys(refused, KEEP)
        if words:
            decided.decide_each(words)
        if mode == "unlabelled" and guess:
            self._refuse(refused, guess)

    def _make(self, mode: Mode, known: Known, embedded: NDArray[np.int64]) -> Batch:
        labelling = self._prepared[1]
        assert labelling is not None
        words = np.array([known.decisions.get(int(number), "") for number in embedded], np.str_)
        is_here = np.isin(embedded, known.numbers) & (words != DROP)
        labels = np.where(is_here, known.labels[embedded], -1)
        if mode == "doubted":
            groups = known.groups[embedded]
            among = is_here & (words == "")
            return labelling.doubt(labels, len(known.classes), groups, among=among)
        if not known.classes:
            return labelling.suggest(labels, 1, among=is_here)
        refused = self._refused_of(known, embedded)
        return labelling.suggest(labels, len(known.classes), among=is_here, refused=refused)

    def _refused_of(self, known: Known, embedded: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        if not self._refused:
            return None
        place = {name: i for i, name in enumerate(known.classes)}
        by_content: dict[str, list[int]] = {}
        for content, label in self._refused:
            if label in place:
                by_content.setdefault(content, []).append(place[label])
        refused = np.zeros((len(embedded), len(place)), np.bool_)
        for row, number in enumerate(embedded.tolist()):
            refused[row, by_content.get(self._project.photos[number].content, [])] = True
        return refused

    def _refuse(self, numbers: Sequence[int], label: str) -> None:
        contents = [self._project.photo(number).content for number in numbers]
        with self._lock:
            new = sorted({content for content in contents if (content, label) not in self._refused})
            if not new:
                return
            try:
                append_line(self._file, {"label": label, "contents": new})
            except OSError as error:
                why = reason_of(error)
                raise UsageError(
                    f"what the photos are not can't be kept in {self._file.parent}: {why}. Free "
                    "some space, or make the folder writable."
                ) from error
            self._refused.update((content, label) for content in new)


def progress(known: Known) -> dict[str, int]:
    """How many of the photos that are not dropped have a class; JSON values."""
    here = known.numbers
    dropped = np.isin(here, [n for n, word in known.decisions.items() if word == DROP])
    labels = known.labels[here[~dropped]]
    return {"num": len(labels), "num_labelled": int((labels >= 0).sum())}
