"""What is known of the photos at one time, and what is told of it: counts, and facts of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid.data.decisions import DROP, KEEP
from candid.studio.judgements import Columns
from candid.studio.project import Project

Numbers = NDArray[np.int64]
Values = NDArray[np.float64]
Sort = Literal["name", "confidence", "disagreement", "strangeness", "similarity", "size", "date"]
VERDICTS: Final = ("right", "wrong", "uncertain", "unknown")
#: Of decisions, as they are filtered by.
KINDS: Final = ("none", "keep", "drop", "moved")


@dataclass(frozen=True)
class Query:
    """Which photos, and in what order; what is empty does not filter.

    Attributes:
        label: Class, as decided if it was.
        unlabelled: Only photos without a class.
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
    unlabelled: bool = False
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

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether the run's guess is the label, bool ``(n,)``; false without a guess."""
        return np.asarray((self.guesses >= 0) & (self.guesses == self.labels))

    @cached_property
    def guesses(self) -> Numbers:
        """The run's guesses as places in ``classes``, int64 ``(n,)``; -1 for none."""
        if self.columns is None:
            return np.full(len(self.labels), -1)
        place = {name: i for i, name in enumerate(self.classes)}
        table = np.array([*(place.get(name, -1) for name in self.columns.classes), -1])
        return filled(table[self.columns.guess], len(self.labels), -1)

    @cached_property
    def probabilities(self) -> Values:
        """Of the guesses, float64 ``(n,)``; NaN for none."""
        if self.columns is None:
            return np.full(len(self.labels), np.nan)
        known = np.where(self.columns.guess >= 0, self.columns.probability, np.nan)
        return filled(known.astype(np.float64), len(self.labels), np.nan)

    @cached_property
    def verdicts(self) -> NDArray[np.str_]:
        """One of `VERDICTS`, or empty, as it is for a sure guess at a photo without a class."""
        if self.columns is None:
            return np.full(len(self.labels), "")
        told = filled(self.columns.verdict.astype("U9"), len(self.labels), "")
        judged = np.where(self.labels < 0, "", np.where(self.right, "right", "wrong"))
        return np.where(told == "sure", judged, told)

    @cached_property
    def kinds(self) -> NDArray[np.str_]:
        """Of the decisions: one of `KINDS`, ``(n,)``."""
        kinds = np.full(len(self.labels), "none", "U5")
        for number, word in self.decisions.items():
            kinds[number] = word if word in (KEEP, DROP) else "moved"
        return kinds

    @cached_property
    def num_copies(self) -> Numbers:
        """How many photos show the same picture, int64 ``(n,)``; 0 for those that are gone."""
        _, of, nums = np.unique(self.groups[self.numbers], return_inverse=True, return_counts=True)
        found = np.zeros(len(self.labels), np.int64)
        found[self.numbers] = nums[of]
        return found


@dataclass(frozen=True)
class FoundBy:
    """What a check of an audit found: its title, severity, and a note by the photo's number."""

    title: str
    severity: str
    notes: Mapping[int, str]


def facets(known: Known) -> dict[str, Any]:
    """How many photos there are of each class, part, verdict, finding and kind of decision."""
    here = known.numbers

    def counted(values: NDArray[np.str_], names: Sequence[str]) -> list[dict[str, Any]]:
        nums = [int((values[here] == name).sum()) for name in names]
        return [{"name": n, "num": num} for n, num in zip(names, nums, strict=True) if num]

    nums = np.bincount(known.labels[here] + 1, minlength=len(known.classes) + 1).tolist()
    present = set(here.tolist()) if known.findings else set()
    return {
        "labels": [{"name": n, "num": k} for n, k in zip(known.classes, nums[1:], strict=True)],
        "num_unlabelled": nums[0],
        "parts": counted(known.parts, ("train", "val", "test")),
        "verdicts": counted(known.verdicts, VERDICTS),
        "decisions": counted(known.kinds, KINDS),
        "findings": [
            {
                "name": code,
                "title": by.title,
                "severity": by.severity,
                "num": len(present & by.notes.keys()),
            }
            for code, by in known.findings.items()
        ],
        "num_pictures": len(np.unique(known.groups[here])),
        "has_run": known.columns is not None,
    }


def describe(project: Project, known: Known, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """A row of facts for each photo; JSON values."""
    rows = []
    for number in numbers:
        photo = project.photo(number)
        label, guess = int(known.labels[number]), int(known.guesses[number])
        rows.append(
            {
                "id": number,
                "path": photo.path,
                "label": photo.label if label < 0 else known.classes[label],
                "folder_label": photo.label,
                "decision": known.decisions.get(number, ""),
                "guess": "" if guess < 0 else known.classes[guess],
                "probability": None if guess < 0 else round(float(known.probabilities[number]), 4),
                "verdict": str(known.verdicts[number]),
                "part": str(known.parts[number]),
                "num_copies": max(1, int(known.num_copies[number])),
                "findings": [code for code, by in known.findings.items() if number in by.notes],
            }
        )
    return rows


def filled(values: NDArray[Any], num: int, missing: object) -> NDArray[Any]:
    """Values of the first photos, and of those that were found since the run ``missing``."""
    full = np.full(num, missing, values.dtype)
    full[: len(values)] = values[:num]
    return full
