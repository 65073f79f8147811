"""What changed between two audits of a folder.

Findings are told apart by the contents of their files, not by names or numbers, so a renamed file
is no change.

An `Audit`: what all checks said about a folder, as a value, as JSON and as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.core.atomic_dir import is_unfinished
from candid.core.safe_json import read_object
from candid.core.text import plural, sanitize
from candid.data.decisions import Decision
from candid.errors import ArtifactError, UsageError

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
            f"{plural(self.num_files, 'file')}, {plural(self.num_photos, 'readable photo')} of "
            f"{plural(self.num_pictures, 'different picture')} in "
            f"{plural(len(self.classes), 'class', 'classes')}",
            "",
        ]
        for row in self.found:
            summary = sanitize(row.outcome.summary)
            lines.append(f"{row.check.severity:8} {row.check.title}: {summary}")
            lines += [f"{'':9}{sanitize(f.summary)}" for f in row.outcome.findings[:_NUM_SHOWN]]
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
            f"{row.outcome.status}: {row.check.title} ({sanitize(row.outcome.summary)})"
            for row in self.checked
            if row.outcome.status not in ("found", "clean")
        ]


_NUM_SHOWN = 3


AUDIT_JSON = "audit.json"
_NUM_CHANGES_SHOWN = 10
_MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Change:
    """What is different about one check.

    Attributes:
        code: The check.
        title: Its title.
        before: Its status then; empty where that audit did not have it.
        now: Its status now; empty likewise.
        appeared: Summaries of the findings that are new.
        gone: Summaries of those that are no more.
    """

    code: str
    title: str
    before: str
    now: str
    appeared: tuple[str, ...]
    gone: tuple[str, ...]


def find_previous(runs: Path, data: Path) -> Path | None:
    """The newest audit of a folder among the runs in a folder, or None.

    Args:
        runs: Where runs and audits lie beside one another.
        data: The folder that was audited, absolute.
    """
    newest: tuple[int, Path] | None = None
    for file in [*runs.glob(f"*/{AUDIT_JSON}"), *runs.glob(f".*/{AUDIT_JSON}")]:
        if is_unfinished(file.parent.name):
            continue
        try:
            values = read_audit(file.parent)
        except ArtifactError:
            continue
        when = file.stat().st_mtime_ns
        if values["data"] == str(data) and (newest is None or when > newest[0]):
            newest = when, file.parent
    return None if newest is None else newest[1]


def read_audit(folder: Path) -> dict[str, Any]:
    """Read the values of an audit that was written.

    Raises:
        ArtifactError: There is none, or it is not as Candid writes it.
    """
    file = folder / AUDIT_JSON
    try:
        values = read_object(file, most_bytes=_MAX_BYTES)
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"it has format version {values['format_version']!r}")
        str(values["data"]), _findings_by_check(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{file} can't be read as an audit ({error}); expected what `candid audit` writes."
        ) from error
    return values


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    """The checks that ended differently, or found other things.

    Args:
        before: The values of an audit, as in its JSON.
        now: Those of a later one of the same folder.

    Raises:
        UsageError: They are of two folders.
    """
    if before["data"] != now["data"]:
        raise UsageError(
            f"the audits are of two folders, {before['data']} and {now['data']}; expected one."
        )
    old, new = _findings_by_check(before), _findings_by_check(now)
    changes = []
    for code in dict.fromkeys([*new, *old]):
        was, is_now = old.get(code, _Ended()), new.get(code, _Ended())
        appeared = [text for key, text in is_now.findings.items() if key not in was.findings]
        gone = [text for key, text in was.findings.items() if key not in is_now.findings]
        if appeared or gone or was.status != is_now.status:
            title = is_now.title or was.title
            changes.append(
                Change(code, title, was.status, is_now.status, tuple(appeared), tuple(gone))
            )
    return tuple(changes)


def changes_to_text(changes: Iterable[Change], previous: Path) -> str:
    """The changes, for a terminal."""
    lines = [f"since {previous}:"]
    for change in changes:
        status = f"{change.before or 'absent'}, now {change.now or 'absent'}"
        lines.append(f"  {change.title}" + (f" ({status})" if change.before != change.now else ""))
        lines += _some("new ", change.appeared) + _some("gone", change.gone)
    return "\n".join(lines if len(lines) > 1 else [f"since {previous}: nothing changed"])


def _some(word: str, summaries: Sequence[str]) -> list[str]:
    lines = [f"    {word}  {sanitize(text)}" for text in summaries[:_NUM_CHANGES_SHOWN]]
    more = len(summaries) - _NUM_CHANGES_SHOWN
    return [*lines, f"    {word}  and {more} more"] if more > 0 else lines


@dataclass(frozen=True)
class _Ended:
    title: str = ""
    status: str = ""
    findings: Mapping[tuple[str, ...], str] = field(default_factory=dict)


def _findings_by_check(values: Mapping[str, Any]) -> dict[str, _Ended]:
    """Status and findings by code; a finding is known by its files, or by its words without any."""
    ended = {}
    for check in values["checks"]:
        findings = {}
        for row in check["findings"]:
            files = tuple(sorted(file["content"] or file["path"] for file in row["files"]))
            findings[files or (str(row["summary"]),)] = str(row["summary"])
        ended[check["code"]] = _Ended(str(check["title"]), str(check["status"]), findings)
    return ended
