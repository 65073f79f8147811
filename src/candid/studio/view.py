"""What the screen Photos shows: the photos that a query finds, in its order, and facts of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal, TypeVar, cast

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
from candid.studio.project import Project, places_of

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]
Sort = Literal["name", "confidence", "disagreement", "strangeness", "similarity", "size", "date"]
VERDICTS: Final = ("right", "wrong", "uncertain", "unknown")
_LEAST_TO_COMPARE: Final = 8  # photos whose distances to neighbours say something
_T = TypeVar("_T")


@dataclass(frozen=True)
class Query:
    """Which photos, and in what order; what is empty does not filter.

    Attributes:
        label: Class, as decided if it was.
        guess: What the run predicts.
        part: ``train``, ``val`` or ``test``.
        verdict: One of `VERDICTS`.
        finding: Code of an audit's check.
        decision: ``none``, ``keep``, ``drop`` or ``moved``.
        name: Part of the path, in any case.
        like: Number of the photo that similarity is measured to; -1 for none.
        copies_of: Number of a photo: only the copies of its picture; -1 for all.
        sort: What by; photos of unknown value come last.
        descending: Largest first.
        fold: Only the first of the copies of a picture.
    """

    label: str = ""
    guess: str = ""
    part: str = ""
    verdict: str = ""
    finding: str = ""
    decision: str = ""
    name: str = ""
    like: int = -1
    copies_of: int = -1
    sort: Sort = "name"
    descending: bool = False
    fold: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of the photos at one time, all by number.

    Attributes:
        numbers: int64 ``(m,)``, those that are there, by path.
        paths: Of all n photos.
        classes: Names.
        labels: int64 ``(n,)``, places in ``classes``, as decided; -1 for any other.
        decisions: The decision by number.
        columns: Of a run; see `Columns`.
        parts: ``(n,)``.
        groups: int64 ``(n,)``, the picture; each photo that was not compared has one of its own.
        findings: By the check's code.
    """

    numbers: Numbers
    paths: NDArray[np.str_]
    classes: tuple[str, ...]
    labels: Numbers
    decisions: Mapping[int, str]
    columns: Columns | None
    parts: NDArray[np.str_]
    groups: Numbers
    findings: Mapping[str, FoundBy]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the run's guess is the label, bool ``(n,)``; false without a guess."""
        guess = self.guesses
        return np.asarray((guess >= 0) & (guess == self.labels))

    @property
    def guesses(self) -> Numbers:
        """The run's guesses as places in ``classes``, int64 ``(n,)``; -1 for none."""
        if self.columns is None:
            return np.full(len(self.labels), -1)
        place = {name: i for i, name in enumerate(self.classes)}
        table = np.array([*(place.get(name, -1) for name in self.columns.classes), -1])
        return _filled(table[self.columns.guess], len(self.labels), -1)

    @property
    def probabilities(self) -> Values:
        """Of the guesses, float64 ``(n,)``; NaN for none."""
        if self.columns is None:
            return np.full(len(self.labels), np.nan)
        known = np.where(self.columns.guess >= 0, self.columns.probability, np.nan)
        return _filled(known.astype(np.float64), len(self.labels), np.nan)

    @property
    def verdicts(self) -> NDArray[np.str_]:
        """One of `VERDICTS`, or empty."""
        if self.columns is None:
            return np.full(len(self.labels), "")
        told = _filled(self.columns.verdict.astype("U9"), len(self.labels), "")
        return np.where(told == "sure", np.where(self.right, "right", "wrong"), told)


@dataclass(frozen=True)
class FoundBy:
    """What a check of an audit found: its title, severity, and a note by the photo's number."""

    title: str
    severity: str
    notes: Mapping[int, str]


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

    def nearest(self, number: int, known: Known, most: int) -> list[int]:
        """The most similar photos of other pictures, the most similar first."""
        values = self._similarity(number)
        order = np.argsort(-values[known.numbers], kind="stable")
        ranked = known.numbers[order]
        ranked = ranked[known.groups[ranked] != known.groups[number]]
        _, first = np.unique(known.groups[ranked], return_index=True)
        return [int(n) for n in ranked[np.sort(first)[:most]] if np.isfinite(values[n])]

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
            parts = _filled(columns.part.astype("U5"), num, "")
        groups = np.arange(num) + num
        if project.groups is not None and len(project.groups.of_photo) == len(project.embedded):
            groups[project.embedded] = project.groups.of_photo
        return Known(
            np.asarray(project.present, np.int64),
            np.array([photo.path.casefold() for photo in project.photos], np.str_),
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
            found &= _kinds(known) == query.decision
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
            return np.where(known.right, -known.probabilities, known.probabilities)
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


def facets(known: Known) -> dict[str, Any]:
    """How many photos there are of each class, part, verdict, finding and kind of decision."""
    here = known.numbers

    def counted(values: NDArray[np.str_], names: Sequence[str]) -> list[dict[str, Any]]:
        found, nums = np.unique(values[here], return_counts=True)
        num = dict(zip(found.tolist(), nums.tolist(), strict=True))
        return [{"name": name, "num": num[name]} for name in names if name in num]

    nums = np.bincount(known.labels[here] + 1, minlength=len(known.classes) + 1)[1:].tolist()
    return {
        "labels": [{"name": n, "num": k} for n, k in zip(known.classes, nums, strict=True)],
        "parts": counted(known.parts, ("train", "val", "test")),
        "verdicts": counted(known.verdicts, VERDICTS),
        "decisions": counted(_kinds(known), ("none", "keep", "drop", "moved")),
        "findings": [
            {"name": code, "title": by.title, "severity": by.severity, "num": len(by.notes)}
            for code, by in known.findings.items()
        ],
        "num_pictures": len(np.unique(known.groups[here])),
        "has_run": known.columns is not None,
    }


def describe(project: Project, known: Known, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """A row of facts for each photo; JSON values."""
    guesses, probabilities, verdicts = known.guesses, known.probabilities, known.verdicts
    sizes = np.bincount(np.unique(known.groups[known.numbers], return_inverse=True)[1])
    _, inverse = np.unique(known.groups[known.numbers], return_inverse=True)
    size_of = dict(zip(known.numbers.tolist(), sizes[inverse].tolist(), strict=True))
    rows = []
    for number in numbers:
        photo = project.photo(number)
        label, guess = int(known.labels[number]), int(guesses[number])
        rows.append(
            {
                "id": number,
                "path": photo.path,
                "label": photo.label if label < 0 else known.classes[label],
                "folder_label": photo.label,
                "decision": known.decisions.get(number, ""),
                "guess": "" if guess < 0 else known.classes[guess],
                "probability": None if guess < 0 else round(float(probabilities[number]), 4),
                "verdict": str(verdicts[number]),
                "part": str(known.parts[number]),
                "num_copies": size_of.get(number, 1),
                "findings": [code for code, by in known.findings.items() if number in by.notes],
            }
        )
    return rows


def _kinds(known: Known) -> NDArray[np.str_]:
    """Of the decisions: ``none``, ``keep``, ``drop`` or ``moved``, ``(n,)``."""
    kinds = np.full(len(known.labels), "none", "U5")
    for number, word in known.decisions.items():
        kinds[number] = word if word in (KEEP, DROP) else "moved"
    return kinds


def _filled(values: NDArray[Any], num: int, missing: object) -> NDArray[Any]:
    """Values of the first photos, and of those that were found since the run ``missing``."""
    filled = np.full(num, missing, values.dtype)
    filled[: len(values)] = values[:num]
    return filled
