"""An `Audit` as a value, as JSON and as text, and what changed since an earlier audit.

Findings are identified by the contents of their files, so a renamed file is no change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.core.atomic_dir import is_unfinished
from candid.core.notebook import card
from candid.core.safe_json import read_object
from candid.core.text import brief, plural, sanitize
from candid.data.decisions import Decision
from candid.data.images import Reading
from candid.data.location import FindFile
from candid.data.source import DataSource
from candid.errors import ArtifactError, UsageError

#: Incremented when the meaning of the JSON changes; additions don't count.
FORMAT_VERSION: Final = 1
AUDIT_JSON: Final = "audit.json"
PAGE: Final = "audit.html"
_MAX_BYTES = 512 * 2**20
_NUM_SHOWN = 3
_NUM_CHANGES_SHOWN = 10


@dataclass(frozen=True)
class Checked:
    """A check and its outcome."""

    check: Check
    outcome: Outcome


@dataclass(frozen=True)
class ClassCount:
    """Number of readable photos of a class, and of the different pictures they show."""

    name: str
    num_photos: int
    num_pictures: int


@dataclass(frozen=True)
class Audit:
    """The outcomes of all checks of a folder.

    Attributes:
        data: What was audited.
        find: From the path of a file of it to where it is.
        classes: The classes in alphabetical order.
        parts: Names of the folder's own part folders; empty if it is not split.
        num_files: Files below it, without those that decisions drop.
        num_photos: Readable photos.
        num_pictures: Different pictures that these show.
        checked: Every check with its outcome, errors first.
        settings: Backbone, seed and version, by name.
        contents: SHA-256 by path, of every readable file that a finding names.
        labels: Class by path, of the same files.
        typical: Paths of typical photos by class, to compare with.
        notes: How samples of more than 8 bits are read, and the effects of decisions.
        decided: The decisions that were applied.
        reading: What of a file became a picture.
    """

    data: DataSource
    find: FindFile
    classes: tuple[ClassCount, ...]
    parts: tuple[str, ...]
    num_files: int
    num_photos: int
    num_pictures: int
    checked: tuple[Checked, ...]
    settings: dict[str, str | int]
    contents: dict[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    typical: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    decided: tuple[Decision, ...] = ()
    reading: Reading = field(default_factory=Reading)

    def __repr__(self) -> str:
        return brief("Audit", repr(str(self.data)), self.verdict, self._counts())

    def _repr_html_(self) -> str:
        """The checks that found something, for a notebook."""
        rows = [
            (f"{row.check.severity}: {row.check.title}", row.outcome.summary) for row in self.found
        ]
        return card(f"{self.verdict}: {self._counts()}", rows)

    def _counts(self) -> str:
        return (
            f"{plural(self.num_files, 'file')}, {plural(self.num_photos, 'readable photo')} of "
            f"{plural(self.num_pictures, 'different picture')} in "
            f"{plural(len(self.classes), 'class', 'classes')}"
        )

    @property
    def found(self) -> tuple[Checked, ...]:
        """Checks with findings."""
        return tuple(row for row in self.checked if row.outcome.status == "found")

    @property
    def verdict(self) -> str:
        """Number of checks with errors and warnings: ``1 error, 3 warnings``."""
        number = Counter(row.check.severity for row in self.found)
        errors, warnings = number[Severity.error], number[Severity.warning]
        if not errors and not warnings:
            return "No errors, no warnings"
        return f"{plural(errors, 'error')}, {plural(warnings, 'warning')}"

    def fails_on(self, severity: Severity | Literal["error", "warning", "info"]) -> bool:
        """Whether a check of this or a higher severity found something, or any check failed."""
        order = list(Severity)
        bad = order[: order.index(Severity(severity)) + 1]
        failed = any(row.outcome.status == "failed" for row in self.checked)
        return failed or any(row.check.severity in bad for row in self.found)

    def items(self) -> Iterator[tuple[Check, Finding, Item]]:
        """Every file of every finding, in order."""
        for row in self.found:
            for finding in row.outcome.findings:
                yield from ((row.check, finding, item) for item in finding.items)

    def decisions(self) -> Iterator[Decision]:
        """The rows of decisions.csv.

        Those that were applied, then an undecided one for each trait, or file of known content, and
        check whose findings a person can decide about.
        """
        yield from self.decided
        done = {(row.path, row.content, row.finding) for row in self.decided}
        rows = [row for row in self.found if row.check.to_decide]
        asked = [
            Decision(f.about, "", row.check.code, f.suggestion)
            for row in rows
            for f in row.outcome.findings
            if f.about
        ]
        for check, _, item in self.items():
            content = self.contents.get(item.path)
            if check.to_decide and content is not None:
                asked.append(Decision(item.path, content, check.code, item.suggestion))
        for decision in asked:
            key = decision.path, decision.content, decision.finding
            if key not in done:
                done.add(key)
                yield decision

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
            "checks": [self._check_to_json(row.check, row.outcome) for row in self.checked],
        }

    def _check_to_json(self, check: Check, outcome: Outcome) -> dict[str, Any]:
        return {
            "code": check.code,
            "title": check.title,
            "severity": str(check.severity),
            "status": outcome.status,
            "summary": outcome.summary,
            "remedy": check.remedy,
            "findings": [self._finding_to_json(finding) for finding in outcome.findings],
            "chart": None if outcome.chart is None else asdict(outcome.chart),
            "num_kept": outcome.num_kept,
        }

    def _finding_to_json(self, finding: Finding) -> dict[str, Any]:
        content = self.contents.get
        files = [{"path": i.path, "content": content(i.path), **vars(i)} for i in finding.items]
        return {"summary": finding.summary, "about": finding.about, "files": files}

    def to_text(self) -> str:
        """Text for a terminal: one line per check, and the first findings of each."""
        lines = [
            self.verdict,
            self._counts(),
            "",
        ]
        for row in self.found:
            summary = sanitize(row.outcome.summary)
            lines.append(f"{row.check.severity:8} {row.check.title}: {summary}")
            summaries = [finding.summary for finding in row.outcome.findings]
            lines += _first_lines(" " * 9, summaries, _NUM_SHOWN, rest=f" ({PAGE})")
        if not self.found:
            lines.append("nothing was found")
        lines.append("")
        clean = [row.check.title for row in self.checked if row.outcome.status == "clean"]
        if clean:
            lines.append(f"clean: {'; '.join(clean)}")
        lines += [
            f"{row.outcome.status}: {row.check.title} ({sanitize(row.outcome.summary)})"
            for row in self.checked
            if row.outcome.status not in ("found", "clean")
        ]
        return "\n".join(lines)


def _first_lines(prefix: str, summaries: Sequence[str], limit: int, *, rest: str = "") -> list[str]:
    lines = [f"{prefix}{sanitize(text)}" for text in summaries[:limit]]
    more = len(summaries) - limit
    return [*lines, f"{prefix}… and {more} more{rest}"] if more > 0 else lines


@dataclass(frozen=True)
class Change:
    """Changed status of a check (empty if absent), and summaries of its new and gone findings."""

    code: str
    title: str
    before: str
    now: str
    appeared: tuple[str, ...]
    gone: tuple[str, ...]


def find_previous(runs: Path, data: DataSource) -> Path | None:
    """Find the newest audit of a data folder in a folder of runs."""
    found = []
    for file in [*runs.glob(f"*/{AUDIT_JSON}"), *runs.glob(f".*/{AUDIT_JSON}")]:
        if is_unfinished(file.parent.name):
            continue
        with suppress(ArtifactError):
            if read_audit(file.parent)["data"] == str(data):
                found.append(file)
    newest = max(found, key=lambda file: file.stat().st_mtime_ns, default=None)
    return newest and newest.parent


def read_audit(folder: Path) -> dict[str, Any]:
    """Read an audit's JSON.

    Raises:
        ArtifactError: It is missing or invalid.
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


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    """The checks with another status or other findings, of two audits as JSON.

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
        title_then, status_then, then = old.get(code, _ABSENT)
        title_now, status_now, found = new.get(code, _ABSENT)
        appeared = tuple(text for key, text in found.items() if key not in then)
        gone = tuple(text for key, text in then.items() if key not in found)
        if appeared or gone or status_then != status_now:
            title = title_now or title_then
            changes.append(Change(code, title, status_then, status_now, appeared, gone))
    return tuple(changes)


def changes_to_text(changes: Iterable[Change], previous: Path) -> str:
    """The changes, for a terminal."""
    lines = []
    for change in changes:
        status = f"{change.before or 'absent'}, now {change.now or 'absent'}"
        lines.append(f"  {change.title}" + (f" ({status})" if change.before != change.now else ""))
        lines += _first_lines("    new   ", change.appeared, _NUM_CHANGES_SHOWN)
        lines += _first_lines("    gone  ", change.gone, _NUM_CHANGES_SHOWN)
    if not lines:
        return f"since {previous}: nothing changed"
    return "\n".join([f"since {previous}:", *lines])


#: Title, status, and the summary of each finding by its files, or by itself without files.
_Result = tuple[str, str, dict[tuple[str, ...], str]]
_ABSENT: Final[_Result] = ("", "", {})


def _findings_by_check(values: Mapping[str, Any]) -> dict[str, _Result]:
    results = {}
    for check in values["checks"]:
        findings = {}
        for row in check["findings"]:
            files = tuple(sorted(file["content"] or file["path"] for file in row["files"]))
            key = files or (str(row.get("about") or row["summary"]),)
            findings[key] = str(row["summary"])
        results[check["code"]] = str(check["title"]), str(check["status"]), findings
    return results
