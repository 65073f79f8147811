"""Selects what the page of an audit shows: the most important findings, within size limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from candid.auditing.finding import Check, Finding, Item, Status
from candid.auditing.result import Audit, Checked
from candid.core.text import plural

#: Thumbnails in all, shared fairly between the checks.
MAX_THUMBNAILS: Final = 700
#: Findings of a check that are shown with thumbnails.
MAX_PICTURED: Final = 24
#: Thumbnails of a finding, and of the only finding of a check.
MAX_SIDE_BY_SIDE: Final = 8
MAX_ALONE: Final = 24
#: Lines of text in all for what has no thumbnail: one per finding, and one per file.
MAX_LINES: Final = 2500
#: Findings of a check that are listed as text.
MAX_LISTED: Final = 200
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
    """A check with findings: ``pictured`` with thumbnails or about no file, ``listed`` as text."""

    checked: Checked
    pictured: tuple[ShownFinding, ...]
    listed: tuple[ShownFinding, ...]

    @property
    def num_left_out(self) -> int:
        """Number of findings that are neither pictured nor listed."""
        return len(self.checked.outcome.findings) - len(self.pictured) - len(self.listed)


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
        sum(min(len(f.items), _max_thumbnails(row)) for f in row.outcome.findings[:MAX_PICTURED])
        for row in found
    ]
    lines = [sum(1 + len(finding.items) for finding in row.outcome.findings) for row in found]
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


def _section(checked: Checked, num_thumbnails: int, num_lines: int) -> Section:
    findings = checked.outcome.findings
    # Half of the lines are reserved for findings without pictures.
    num_reserved = num_lines // 2 if len(findings) > MAX_PICTURED else 0
    thumbnails, lines = _Budget(num_thumbnails), _Budget(num_lines - num_reserved)
    pictured = tuple(_pictured(findings, _max_thumbnails(checked), thumbnails, lines))
    further = findings[len(pictured) : len(pictured) + MAX_LISTED]
    listed = _listed(further, _Budget(num_reserved + lines.left))
    return Section(checked, pictured, tuple(listed))


def _pictured(
    findings: Sequence[Finding], most: int, thumbnails: _Budget, lines: _Budget
) -> Iterator[ShownFinding]:
    for finding in findings[:MAX_PICTURED]:
        num_wanted = min(len(finding.items), most)
        # Files to compare are shown in twos at least.
        if min(num_wanted, 2) > thumbnails.left:
            return
        num_pictured = thumbnails.take(num_wanted)
        others = finding.items[num_pictured:]
        named = others[: lines.take(min(len(others), MAX_NAMED))]
        yield ShownFinding(finding, finding.items[:num_pictured], named)


def _listed(findings: Sequence[Finding], lines: _Budget) -> Iterator[ShownFinding]:
    for finding in findings:
        if not lines.take(1):
            return
        named = finding.items[: lines.take(min(len(finding.items), MAX_SIDE_BY_SIDE))]
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
