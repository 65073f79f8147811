"""What the screen Try asks of the run that is chosen: its web export, similar photos, culprits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from candid.core.linalg import Rows
from candid.errors import DataError, UsageError
from candid.runs.artifact import NEIGHBOURS
from candid.runs.explaining.culprits import Culprits, open_culprits
from candid.runs.explaining.similar import Neighbours
from candid.studio.exports import Exports, find_variant
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.project import Project

#: The variant of the export that the page runs.
WEB: Final = "web"
#: That by which the page asks for camera frames; an export without it was made by an older version.
_NEEDED: Final = b"isQuick"


class Trying:
    """Of the runs of a project."""

    def __init__(self, project: Project) -> None:
        """Begin; files are read when they are first asked for."""
        self._project = project
        self._lock = threading.Lock()
        self._files: tuple[object, dict[str, Path]] = (None, {})
        self._neighbours: tuple[object, Neighbours | None] = (None, None)
        self._culprits: tuple[object, Culprits | None] = (None, None)

    # --- The web export ---------------------------------------------------------------------------

    def files(self, exports: Exports, run: FoundRun) -> tuple[str, dict[str, Path]]:
        """The stamp of the run's web export and its files by name; empty if there is none."""
        found = exports.of(run).get(WEB)
        if found is None:
            return "", {}
        key = found.folder, found.stamp
        with self._lock:
            if self._files[0] != key:
                root = found.folder.resolve()
                files = {file.relative_to(root).as_posix(): file for file in found.files}
                engine = files.get("app/engine.js")
                is_usable = engine is not None and _NEEDED in engine.read_bytes()
                self._files = key, files if is_usable else {}
            return str(found.stamp), self._files[1]

    def words(self, exports: Exports, run: FoundRun) -> list[str]:
        """What is typed after ``candid`` to make it."""
        return exports.words(run, find_variant(WEB))

    # --- What an answer comes from ----------------------------------------------------------------

    def similar(
        self, judgements: Judgements, run: FoundRun, embedding: Rows, count: int
    ) -> list[dict[str, Any]]:
        """The training photos that are most like an embedding, float32 ``(d,)``; JSON values.

        Raises:
            ArtifactError: The run is incomplete or was changed.
            UsageError: The embedding is of another model.
        """
        stored = judgements.read(run)
        with self._lock:
            key = run.folder, run.stamp
            if self._neighbours[0] != key:
                file = run.folder / NEIGHBOURS
                read = Neighbours.from_bytes(file.read_bytes()) if file.is_file() else None
                self._neighbours = key, read
            neighbours = self._neighbours[1]
        if neighbours is None:
            return []
        (found,) = neighbours.search(embedding[None], count=count)
        labels = {row.content: row.label for row in stored.split.rows if row.part}
        numbers = judgements.numbers_of({one.content for one in found})
        return [
            {
                "id": numbers.get(one.content),
                "label": labels.get(one.content, ""),
                "similarity": round(float(one.similarity), 4),
            }
            for one in found
        ]

    def culprits(self, run: FoundRun) -> Culprits:
        """Those of a run; the last one's are kept.

        Raises:
            UsageError: They can't be told; see `open_culprits`.
            DataError: The photos are still being read.
        """
        catalog = self._project.catalog
        if catalog is None:
            raise DataError("the photos are still being read; a moment.")
        with self._lock:
            key = run.folder, run.stamp
            if self._culprits[0] != key or self._culprits[1] is None:
                opened = open_culprits(run.folder, catalog, progress=self._project)
                self._culprits = key, opened
            opened_now = self._culprits[1]
        assert opened_now is not None
        return opened_now

    def pulls(
        self,
        judgements: Judgements,
        run: FoundRun,
        embedding: Rows,
        answered: str,
        against: str,
        *,
        without: Sequence[int],
        own: int | None,
    ) -> dict[str, Any]:
        """The photos that pulled an answer, and the answer without some; JSON values.

        Args:
            judgements: Finds the numbers of photos.
            run: Whose answer it is.
            embedding: float32 ``(d,)``, of the asked photo.
            answered: The class that was answered.
            against: The class that was expected.
            without: Numbers of training photos that are left out.
            own: Number of the asked photo, if it is one of the project: it and its copies are left
                out as well.

        Raises:
            UsageError: There is no such class, or a photo can't be left out.
        """
        culprits = self.culprits(run)
        places = [_place(culprits.classes, name) for name in (answered, against)]
        base = self._contents([] if own is None else [own], culprits, is_lenient=True)
        chosen = [*base, *self._contents(without, culprits, is_lenient=False)]
        found = culprits.pulls(embedding, *places, without=base)
        contents = {content for pull in found for content in pull.contents}
        numbers = judgements.numbers_of(contents)
        return {
            "answered": answered,
            "against": against,
            "is_own": bool(base),
            "before": _by_class(culprits, culprits.answer(embedding, without=base)),
            "after": _by_class(culprits, culprits.answer(embedding, without=chosen)),
            "pulls": [
                {
                    "ids": [numbers[one] for one in pull.contents if one in numbers],
                    "num": len(pull.contents),
                    "label": pull.label,
                    "nats": round(pull.nats, 4),
                    "alone": _by_class(culprits, pull.probabilities),
                }
                for pull in found
            ],
        }

    def _contents(
        self, numbers: Sequence[int], culprits: Culprits, *, is_lenient: bool
    ) -> list[str]:
        contents = [self._project.photo(number).content for number in numbers]
        return [one for one in contents if not is_lenient or culprits.knows(one)]


def _place(classes: Sequence[str], name: str) -> int:
    if name not in classes:
        raise UsageError(f"the run has no class {name!r}; its classes: {', '.join(classes)}.")
    return classes.index(name)


def _by_class(culprits: Culprits, probabilities: Rows) -> dict[str, float]:
    rounded = np.asarray(probabilities, np.float64).round(6)
    return dict(zip(culprits.classes, rounded.tolist(), strict=True))
