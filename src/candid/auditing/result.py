"""An `Audit`: what all checks said about a folder, as a value, as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.decisions import Decision
from candid.showable import show_text
from candid.wording import count

#: Raised when what the JSON means changes; what is only added does not count.
FORMAT_VERSION: Final = 1


@dataclass(frozen=True)
class Checked:
    """A check and how it ended."""

    check: Check
    outcome: Outcome


@dataclass(frozen=True)
class ClassCount:
    """How many photos a class has that can be read, and how many different pictures they show."""

    name: str
    num_photos: int
    num_pictures: int


@dataclass(frozen=True)
class Audit:
    """What is wrong with a folder.

    Attributes:
        data: The folder, absolute.
        classes: The classes in alphabetical order.
        parts: Names of the folder's own part folders; none where it is not split.
        num_files: The files that were found below it, without those that decisions drop.
        num_photos: Those that can be read.
        num_pictures: How many different pictures these show.
        checked: Every check, errors first, each with its outcome.
        settings: Backbone, seed and version, by name.
        contents: SHA-256 by path, of every file that a finding names and that has one.
        notes: What became of a person's decisions, if there were any.
        decided: These decisions.
    """

    data: Path
    classes: tuple[ClassCount, ...]
    parts: tuple[str, ...]
    num_files: int
    num_photos: int
    num_pictures: int
    checked: tuple[Checked, ...]
    settings: dict[str, str | int]
    contents: dict[str, str]
    notes: tuple[str, ...] = ()
    decided: tuple[Decision, ...] = ()

    @property
    def found(self) -> tuple[Checked, ...]:
        """The checks that found something."""
        return tuple(row for row in self.checked if row.outcome.status == "found")

    def fails_on(self, severity: Severity | Literal["error", "warning", "info"]) -> bool:
        """Whether a check of this severity or a worse one found something, or one broke."""
        order = list(Severity)
        bad = order[: order.index(Severity(severity)) + 1]
        broken = any(row.outcome.status == "failed" for row in self.checked)
        return broken or any(row.check.severity in bad for row in self.found)

    def items(self) -> Iterator[tuple[Check, Finding, Item]]:
        """Every file of every finding, in order."""
        for row in self.found:
            for finding in row.outcome.findings:
                for item in finding.items:
                    yield row.check, finding, item

    def to_json(self) -> dict[str, Any]:
        """The audit as ``docs/audit.schema.json`` describes it."""
        return {
            "format_version": FORMAT_VERSION,
            "data": str(self.data),
            "settings": dict(self.settings),
            "num_files": self.num_files,
            "num_photos": self.num_photos,
            "num_pictures": self.num_pictures,
            "parts": list(self.parts),
            "classes": [asdict(row) for row in self.classes],
            "notes": list(self.notes),
            "checks": [self._check_to_json(row) for row in self.checked],
        }

    def _check_to_json(self, row: Checked) -> dict[str, Any]:
        check, outcome = row.check, row.outcome
        return {
            "code": check.code,
            "title": check.title,
            "severity": str(check.severity),
            "status": outcome.status,
            "summary": outcome.summary,
            "remedy": check.remedy,
            "findings": [
                {
                    "summary": finding.summary,
                    "files": [
                        {
                            "path": item.path,
                            "content": self.contents.get(item.path),
                            "note": item.note,
                            "suggestion": item.suggestion,
                        }
                        for item in finding.items
                    ],
                }
                for finding in outcome.findings
            ],
            "chart": None if outcome.chart is None else asdict(outcome.chart),
        }

    def to_text(self) -> str:
        """What was found, for a terminal: a line a check, and the first findings of each."""
        lines = [
            f"{count(self.num_files, 'file')}, {count(self.num_photos, 'readable photo')} of "
            f"{count(self.num_pictures, 'different picture')} in "
            f"{count(len(self.classes), 'class', 'classes')}",
            "",
        ]
        for row in self.found:
            summary = show_text(row.outcome.summary)
            lines.append(f"{row.check.severity:8} {row.check.title}: {summary}")
            lines += [f"{'':9}{show_text(f.summary)}" for f in row.outcome.findings[:_NUM_SHOWN]]
            more = len(row.outcome.findings) - _NUM_SHOWN
            lines += [f"{'':9}and {more} more"] if more > 0 else []
        if not self.found:
            lines.append("nothing was found")
        return "\n".join([*lines, "", *self._quiet_lines()])

    def _quiet_lines(self) -> list[str]:
        """The checks that found nothing, by how they ended."""
        lines = []
        clean = [row.check.title for row in self.checked if row.outcome.status == "clean"]
        if clean:
            lines.append(f"clean: {'; '.join(clean)}")
        return lines + [
            f"{row.outcome.status}: {row.check.title} ({show_text(row.outcome.summary)})"
            for row in self.checked
            if row.outcome.status not in ("found", "clean")
        ]


_NUM_SHOWN = 3
