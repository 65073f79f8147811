"""What changed between two audits of a folder.

Findings are told apart by the contents of their files, not by names or numbers, so a renamed file
is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from candid.auditing.result import FORMAT_VERSION
from candid.errors import ArtifactError, UsageError
from candid.showable import show_text
from candid.untrusted_json import read_object
from candid.whole_folder import is_unfinished

AUDIT_JSON = "audit.json"
_NUM_SHOWN = 10
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
    lines = [f"    {word}  {show_text(text)}" for text in summaries[:_NUM_SHOWN]]
    more = len(summaries) - _NUM_SHOWN
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
