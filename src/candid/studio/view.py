"""What the screen Photos shows: the photos that a query finds, in its order, and facts of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from candid.auditing.checks.labels import neighbour_distances
from candid.auditing.result import find_previous, read_audit
from candid.data.decisions import DROP, KEEP
from candid.data.source import DataSource
from candid.features.embedding_map import lay_out
from candid.runs.explaining.similar import Neighbours, fit_neighbours
from candid.server.schemas import Problem
from candid.studio.judgements import Columns
from candid.studio.known import FoundBy, Known, Numbers, Query, Values, filled
from candid.studio.project import Project, places_of

_LEAST_TO_COMPARE: Final = 8  # photos whose distances to neighbours say something
_T = TypeVar("_T")


class View:
    """Finds photos of a project."""

    def __init__(self, project: Project) -> None:
        """Begin; nothing is computed before it is asked for."""
        self._project = project
        self._lock = threading.RLock()
        self._kept: dict[str, tuple[tuple[object, ...], object]] = {}
        self._seen: tuple[object, ...] = ()
        self._stamps = count(1)
        self.stamp = 0

    def look(self, decisions: Mapping[int, str], columns: Columns | None) -> Known:
        """What is known now; `stamp` rises if it differs from what was known before."""
        project = self._project
        with self._lock, project.lock:
            audits = project.state / "audits"
            times = (audits.stat().st_mtime_ns,) if audits.is_dir() else ()
            parts = (project.catalog, project.classes, project.groups, columns)
            is_same = len(parts) == len(self._seen) - 2 and all(
                a is b for a, b in zip(parts, self._seen[2:], strict=True)
            )
            if not is_same or self._seen[:2] != (times, decisions):
                self._seen = (times, dict(decisions), *parts)
                self.stamp = next(self._stamps)
                self._kept.pop("known", None)
            return self._once("known", self._seen, lambda: self._gather(decisions, columns))

    def find(self, query: Query, known: Known) -> Numbers:
        """Numbers of the photos of a query, in its order.

        Raises:
            Problem: It sorts by what is not known yet.
        """
        numbers = known.numbers[self._matches(query, known)[known.numbers]]
        if query.sort != "name":
            values = self._values(query, known)[numbers]
            values = -values if query.descending else values
            numbers = numbers[np.argsort(values, kind="stable")]  # NaN comes last
        elif query.descending:
            numbers = numbers[::-1]
        if query.fold:
            _, first = np.unique(known.groups[numbers], return_index=True)
            numbers = numbers[np.sort(first)]
        return numbers

    def unfold(self, numbers: Sequence[int], known: Known) -> list[int]:
        """The numbers with those of all copies of their pictures."""
        wanted = np.isin(known.groups, known.groups[np.asarray(numbers, np.int64)])
        return [int(number) for number in known.numbers[wanted[known.numbers]]]

    def places(self) -> tuple[Numbers, NDArray[np.float32]]:
        """Where photos are on the map: numbers, int64 ``(m,)``, and places, float32 ``(m, 2)``.

        Raises:
            Problem: They are not embedded yet.
        """
        features = self._features()

        def compute() -> NDArray[np.float32]:
            index, rows = self._index()
            with self._project.step("Drawing the map", 0):
                return lay_out(index.rows)[rows]

        with self._lock:
            places = self._once("map", (features,), compute)
            return np.asarray(self._project.embedded, np.int64), places

    def alike(self, number: int, known: Known) -> tuple[Numbers, Values]:
        """All photos by their similarity to one, the most similar first, and the similarities.

        Raises:
            Problem: They are not embedded yet, or this one can't be read.
        """
        numbers = known.numbers
        values = self._similarity(number)[numbers]
        order = np.argsort(-values, kind="stable")
        order = order[np.isfinite(values[order])]
        return numbers[order], values[order]

    def nearest(self, number: int, known: Known, most: int) -> list[int]:
        """The most similar photos of other pictures, the most similar first."""
        ranked, _ = self.alike(number, known)
        ranked = ranked[known.groups[ranked] != known.groups[number]]
        _, first = np.unique(known.groups[ranked], return_index=True)
        return [int(n) for n in ranked[np.sort(first)[:most]]]

    def _gather(self, decisions: Mapping[int, str], columns: Columns | None) -> Known:
        project = self._project
        num, catalog = len(project.photos), project.catalog
        place = {name: i for i, name in enumerate(project.classes)}
        labels = np.array([place.get(photo.label, -1) for photo in project.photos], np.int64)
        for number, word in decisions.items():
            if word not in (KEEP, DROP):
                labels[number] = place.get(word.removesuffix("/"), -1)
        parts = np.full(num, "", "U5")
        if catalog is not None and catalog.parts:
            for number in project.present:
                parts[number] = catalog.role(project.photos[number])
        if columns is not None and (columns.part != "").any():
            parts = filled(columns.part.astype("U5"), num, "")
        groups = np.arange(num) + num
        if project.groups is not None and len(project.groups.of_photo) == len(project.embedded):
            groups[project.embedded] = project.groups.of_photo
        return Known(
            np.asarray(project.present, np.int64),
            self._once("paths", (project.catalog,), self._paths),
            project.classes,
            labels,
            dict(decisions),
            columns,
            parts,
            groups,
            self._findings(),
        )

    def _matches(self, query: Query, known: Known) -> NDArray[np.bool_]:
        """Which photos a query finds, bool ``(n,)``."""
        found = np.ones(len(known.labels), np.bool_)
        if query.unlabelled:
            found &= known.labels < 0
        for name, values in ((query.label, known.labels), (query.guess, known.guesses)):
            if name:
                found &= values == (known.classes.index(name) if name in known.classes else -2)
        if query.part:
            found &= known.parts == query.part
        if query.verdict:
            found &= known.verdicts == query.verdict
        if query.finding:
            by = known.findings.get(query.finding)
            found &= np.isin(np.arange(len(found)), [*by.notes] if by else [])
        if query.decision:
            found &= known.kinds == query.decision
        if query.name:
            found &= np.char.find(known.paths, query.name.casefold()) >= 0
        if query.copies_of >= 0:
            found &= known.groups == known.groups[self._require(query.copies_of)]
        return found

    def _values(self, query: Query, known: Known) -> Values:
        """What is sorted by, float64 ``(n,)``; NaN where it is not known."""
        if query.sort == "confidence":
            return known.probabilities
        if query.sort == "disagreement":
            against = np.where(known.right, -known.probabilities, known.probabilities)
            return np.where(known.labels < 0, np.nan, against)
        if query.sort == "strangeness":
            return self._strangeness()
        if query.sort == "similarity":
            return self._similarity(query.like)
        sizes = self._once("sizes", (self._project.catalog,), self._stat)
        return np.asarray(sizes[int(query.sort == "date")])

    def _strangeness(self) -> Values:
        """Distance to similar pictures, as the audit's check of outliers measures it."""
        features, groups = self._features(), self._project.groups
        if groups is None:
            raise Problem(409, "not_ready", "copies are still being looked for; a moment.")

        def compute() -> Values:
            contents = np.array(self._contents())
            order = np.argsort(contents, kind="stable")
            chosen = order[np.unique(groups.of_photo[order], return_index=True)[1]]
            of_picture = np.full(len(chosen), np.nan)
            if len(chosen) >= _LEAST_TO_COMPARE:
                shuffled = np.argsort(contents[chosen], kind="stable")  # in random order
                with self._project.step("Comparing all pictures", 0):
                    distances = neighbour_distances(features.embeddings, chosen[shuffled])
                of_picture[shuffled] = distances
            return self._by_number(of_picture[groups.of_photo])

        with self._lock:
            return self._once("strangeness", (features, groups), compute)

    def _similarity(self, number: int) -> Values:
        features, embedded = self._features(), self._project.embedded
        place = int(places_of(embedded, len(self._project.photos))[self._require(number)])
        if place < 0:
            raise Problem(422, "unreadable", "this photo can't be read, so none is like it.")
        with self._lock:
            index, rows = self._index()
        row = features.embeddings[np.array([place])][0]
        return self._by_number(index.similarities(row)[rows].astype(np.float64))

    def _index(self) -> tuple[Neighbours, Numbers]:
        """The embeddings on their principal axes, and the row of each embedded photo."""
        features, groups = self._features(), self._project.groups
        of_photo = None if groups is None else groups.of_photo

        def compute() -> tuple[Neighbours, Numbers]:
            contents = self._contents()
            with self._project.step("Comparing the photos", 0):
                index = fit_neighbours(features.embeddings, contents, of_photo)
            row = {bytes(content).hex(): i for i, content in enumerate(index.contents)}
            return index, np.array([row[content] for content in contents], np.int64)

        return self._once("index", (features, groups), compute)

    def _contents(self) -> list[str]:
        return [photo.content for photo in self._features().catalog.photos]

    def _paths(self) -> NDArray[np.str_]:
        return np.array([photo.path.casefold() for photo in self._project.photos], np.str_)

    def _stat(self) -> Values:
        """Bytes and time of last change of each file, float64 ``(2, n)``."""
        project = self._project
        known = np.full((2, len(project.photos)), np.nan)
        for number in project.present:
            with suppress(OSError):
                stat = (project.folder / project.photos[number].path).stat()
                known[:, number] = stat.st_size, stat.st_mtime
        return known

    def _findings(self) -> dict[str, FoundBy]:
        project = self._project
        folder = find_previous(project.state / "audits", DataSource.of(project.folder))
        if folder is None:
            return {}
        found = {}
        for check in read_audit(folder)["checks"]:
            notes: dict[int, str] = {}
            for finding in check["findings"]:
                for file in finding["files"]:
                    number = project.number_of(file["path"])
                    if number is not None:
                        notes.setdefault(number, file["note"] or finding["summary"])
            if notes:
                found[check["code"]] = FoundBy(check["title"], check["severity"], notes)
        return found

    def _features(self) -> Any:
        features = self._project.features
        if features is None:
            raise Problem(409, "not_ready", "the photos are still being read; a moment.")
        return features

    def _by_number(self, values: Values) -> Values:
        """From the order of the embedded photos to that of their numbers."""
        known = np.full(len(self._project.photos), np.nan)
        known[self._project.embedded] = values
        return known

    def _require(self, number: int) -> int:
        self._project.photo(number)
        return number

    def _once(self, name: str, of: tuple[object, ...], compute: Callable[[], _T]) -> _T:
        """What was computed of the same objects, or is now."""
        kept = self._kept.get(name)
        if kept is None or not all(a is b for a, b in zip(kept[0], of, strict=True)):
            self._kept[name] = of, compute()
        return cast(_T, self._kept[name][1])
