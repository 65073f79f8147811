"""Selects what the page of an audit shows: the most important findings, within size limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import accumulate
from typing import Any, Final

from candid.auditing.finding import Check, Finding, Item, Status
from candid.auditing.result import Audit, Checked
from candid.core.hashing import hash_bytes
from candid.core.text import plural, sanitize
from candid.data.decisions import class_as_decision

#: Thumbnails in all, shared fairly between the checks, and those of them that are large.
MAX_THUMBNAILS: Final = 1500
MAX_LARGE: Final = 300
#: Findings of a check that are shown with thumbnails at first; the others are folded up.
MAX_PICTURED: Final = 24
#: Thumbnails of a finding, and of the only finding of a check.
MAX_SIDE_BY_SIDE: Final = 8
MAX_ALONE: Final = 24
#: Lines of text in all for what has no thumbnail: one per finding, and one per file.
MAX_LINES: Final = 2500
#: Rows of decisions.csv that can be decided on the page, in characters of JSON.
MAX_ROWS_CHARACTERS: Final = 2_500_000
#: Classes to which a photo can be moved on the page, and those with typical photos.
MAX_CLASSES: Final = 1000
MAX_TYPICAL_CLASSES: Final = 12
_MAX_USUAL_LENGTH: Final = 200  # of a file's name and note
#: Files of a finding that are named as text.
MAX_NAMED: Final = 100

#: Labels of the severities.
SEVERITY_LABELS: Final[dict[str, str]] = {"error": "Error", "warning": "Warning", "info": "Note"}

#: Labels of the statuses, in the order of display.
_STATUS_LABELS: Final[dict[Status, str]] = {
    "found": "found something",
    "failed": "failed",
    "skipped": "skipped",
    "not applicable": "not applicable",
    "clean": "clean",
}
_NOT_RUN: Final[tuple[Status, ...]] = ("failed", "skipped")

#: Headings of the checks without findings: those that did not run are kept apart from the clean.
_HEADINGS: Final[tuple[tuple[str, tuple[Status, ...]], ...]] = (
    ("Did not run: result unknown", _NOT_RUN),
    ("Not applicable", ("not applicable",)),
    ("Clean: nothing found", ("clean",)),
)


@dataclass(frozen=True)
class ShownFinding:
    """A finding, with those of its files that have a thumbnail and those named as text."""

    finding: Finding
    pictured: tuple[Item, ...]
    named: tuple[Item, ...]

    @property
    def num_left_out(self) -> int:
        """Number of files that are neither pictured nor named."""
        return len(self.finding.items) - len(self.pictured) - len(self.named)


@dataclass(frozen=True)
class Section:
    """A check with findings: with thumbnails or about no file, and ``listed`` as text.

    Of those with thumbnails, the first are ``pictured``, and the others ``folded`` up.
    """

    checked: Checked
    pictured: tuple[ShownFinding, ...]
    folded: tuple[ShownFinding, ...]
    listed: tuple[ShownFinding, ...]

    @property
    def with_thumbnails(self) -> tuple[ShownFinding, ...]:
        """``pictured`` and ``folded``."""
        return *self.pictured, *self.folded

    @property
    def num_left_out(self) -> int:
        """Number of findings that are neither pictured nor listed."""
        return self.num_findings - len(self.with_thumbnails) - len(self.listed)

    @property
    def num_findings(self) -> int:
        """Number of findings, shown or not."""
        return len(self.checked.outcome.findings)


@dataclass(frozen=True)
class StatusGroup:
    """Checks without findings under one heading."""

    heading: str
    rows: tuple[Checked, ...]

    @property
    def did_run(self) -> bool:
        """Whether all of them ran, or did not apply."""
        return all(row.outcome.status not in _NOT_RUN for row in self.rows)


def sections(audit: Audit) -> tuple[Section, ...]:
    """One section per check with findings, with at most `MAX_THUMBNAILS` thumbnails in all."""
    found = audit.found
    pictures = [
        sum(min(len(f.items), _max_thumbnails(row)) * _weight(f) for f in row.outcome.findings)
        for row in found
    ]
    lines = [sum((1 + len(f.items)) * _weight(f) for f in row.outcome.findings) for row in found]
    shares = fair_shares(pictures, MAX_THUMBNAILS), fair_shares(lines, MAX_LINES)
    return tuple(map(_section, found, *shares))


def fair_shares(wanted: Sequence[int], total: int) -> list[int]:
    """Divide ``total`` by max-min fairness.

    No share exceeds what is wanted, and those that are lower are equal (give or take 1).

    >>> fair_shares([100, 3, 50], 43)
    [20, 3, 20]
    """
    shares = [0] * len(wanted)
    left = total
    for rank, index in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[index] = min(wanted[index], left // (len(wanted) - rank))
        left -= shares[index]
    return shares


def large_pictures(sections: Sequence[Section], typical: Mapping[str, Sequence[str]]) -> set[str]:
    """Files whose pictures are large, to be judged: typical ones, and the first of each check."""
    paths = [[i.path for s in section.with_thumbnails for i in s.pictured] for section in sections]
    shares = fair_shares([len(some) for some in paths], MAX_LARGE)
    chosen = {path for some, share in zip(paths, shares, strict=True) for path in some[:share]}
    return chosen.union(*typical.values())


def typical_photos(audit: Audit) -> dict[str, tuple[str, ...]]:
    """Typical photos of the classes that a finding asks about, the most frequent first."""
    asked: Counter[str] = Counter()
    for check, _, item in audit.items():
        if check.by_picture:
            label = audit.labels.get(item.path, "")
            asked.update({label, item.suggestion.removesuffix("/")})
    names = [name for name, _ in asked.most_common() if audit.typical.get(name)]
    return {name: audit.typical[name] for name in sorted(names[:MAX_TYPICAL_CLASSES])}


@dataclass(frozen=True)
class Decidable:
    """What can be decided on the page.

    Attributes:
        values: For the page's script: rows of decisions.csv with the number of each file's class,
            the classes as written there and as shown, and a key for the browser's storage.
        num_left_out: Number of rows that are in decisions.csv only.
    """

    values: dict[str, Any]
    num_left_out: int
    _numbers: Mapping[tuple[str, str], int] = field(repr=False)

    def numbers(self, check: Check, *paths: str) -> str:
        """The numbers of a check's rows about files or a trait: ``3 4``."""
        found = (self._numbers.get((path, check.code)) for path in paths)
        return " ".join(str(number) for number in found if number is not None)


def decidable(audit: Audit) -> Decidable:
    """The rows of decisions.csv, as many as the page may hold, and the classes."""
    names = [row.name for row in audit.classes[:MAX_CLASSES]]
    classes = [[class_as_decision(name), sanitize(name)] for name in names]
    numbers = {name: number for number, name in enumerate(names)}
    decisions = tuple(audit.decisions())
    rows = [[*astuple(d), numbers.get(audit.labels.get(d.path, ""), -1)] for d in decisions]
    sizes = accumulate(map(_json_size, rows), initial=_json_size(classes))
    rows = [row for row, size in zip(rows, sizes, strict=False) if size < MAX_ROWS_CHARACTERS]
    key = hash_bytes(json.dumps([str(audit.data), classes, rows]).encode())
    places = {(row.path, row.finding): n for n, row in enumerate(decisions[: len(rows)])}
    values = {"key": f"candid-audit-{key[:32]}", "rows": rows, "classes": classes}
    return Decidable(values, len(decisions) - len(rows), places)


def _json_size(values: object) -> int:
    """Characters as JSON within HTML, where ``<>&'`` become six each."""
    text = json.dumps(values)
    return len(text) + 5 * sum(map(text.count, "<>&'"))


def other_groups(audit: Audit) -> tuple[StatusGroup, ...]:
    """Checks without findings, grouped by status; those that did not run first."""
    order = list(_STATUS_LABELS)
    rows = sorted(audit.checked, key=lambda row: order.index(row.outcome.status))
    groups = [
        StatusGroup(heading, tuple(row for row in rows if row.outcome.status in statuses))
        for heading, statuses in _HEADINGS
    ]
    return tuple(group for group in groups if group.rows)


def remark(finding: Finding) -> str:
    """The summary of a finding without the name of its first file at the beginning.

    >>> remark(Finding("a.jpg: blurred", (Item("cat/a.jpg"),)))
    'blurred'
    """
    path = finding.items[0].path
    for name in (path, path.rpartition("/")[2]):
        if finding.summary.startswith(name):
            return finding.summary.removeprefix(name).lstrip(": ")
    return finding.summary


def rest(check: Check) -> str:
    """Where to find what the page leaves out."""
    return f"all of them are in audit.json{' and decisions.csv' if check.to_decide else ''}"


def with_chart_only(audit: Audit) -> tuple[Checked, ...]:
    """Checks without findings that have a chart."""
    return tuple(
        row for row in audit.checked if row.outcome.status != "found" and row.outcome.chart
    )


def not_run(audit: Audit) -> str:
    """Number of checks that did not run; empty if all did."""
    number = sum(row.outcome.status in _NOT_RUN for row in audit.checked)
    return f"{plural(number, 'check')} did not run" if number else ""


def tally(audit: Audit) -> str:
    """Number of checks by status, as a sentence."""
    ends = Counter(row.outcome.status for row in audit.checked)
    parts = [f"{ends[status]} {label}" for status, label in _STATUS_LABELS.items() if ends[status]]
    return f"{plural(len(audit.checked), 'check')}: {', '.join(parts)}."


def _max_thumbnails(checked: Checked) -> int:
    """Thumbnails of one finding of a check."""
    return MAX_ALONE if len(checked.outcome.findings) == 1 else MAX_SIDE_BY_SIDE


def _weight(finding: Finding) -> int:
    """How many thumbnails or lines one of a finding counts for: several if names are long."""
    longest = max((len(item.path) + len(item.note) for item in finding.items), default=0)
    return 1 + longest // _MAX_USUAL_LENGTH


def _section(checked: Checked, num_thumbnails: int, num_lines: int) -> Section:
    findings = checked.outcome.findings
    # Half of the lines are reserved for findings without pictures.
    num_reserved = num_lines // 2 if len(findings) > MAX_PICTURED else 0
    thumbnails, lines = _Budget(num_thumbnails), _Budget(num_lines - num_reserved)
    shown = tuple(_pictured(findings, _max_thumbnails(checked), thumbnails, lines))
    listed = _listed(findings[len(shown) :], _Budget(num_reserved + lines.left))
    return Section(checked, shown[:MAX_PICTURED], shown[MAX_PICTURED:], tuple(listed))


def _pictured(
    findings: Sequence[Finding], most: int, thumbnails: _Budget, lines: _Budget
) -> Iterator[ShownFinding]:
    for finding in findings:
        num_wanted, weight = min(len(finding.items), most), _weight(finding)
        # Files to compare are shown in twos at least.
        if min(num_wanted, 2) * weight > thumbnails.left:
            return
        num_pictured = thumbnails.take(num_wanted * weight) // weight
        others = finding.items[num_pictured:]
        named = others[: lines.take(min(len(others), MAX_NAMED) * weight) // weight]
        yield ShownFinding(finding, finding.items[:num_pictured], named)


def _listed(findings: Sequence[Finding], lines: _Budget) -> Iterator[ShownFinding]:
    for finding in findings:
        weight = _weight(finding)
        if lines.take(weight) < weight:
            return
        num_named = lines.take(min(len(finding.items), MAX_SIDE_BY_SIDE) * weight) // weight
        named = finding.items[:num_named]
        yield ShownFinding(finding, (), named)


class _Budget:
    """What is left of a share."""

    def __init__(self, share: int) -> None:
        self.left = share

    def take(self, wanted: int) -> int:
        """Take as much as is left of what is wanted."""
        taken = min(wanted, self.left)
        self.left -= taken
        return taken
