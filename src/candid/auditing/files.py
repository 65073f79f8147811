"""What `candid audit` does: audit, compare, write, and say where it is.

Writes an audit: a folder with the page, the JSON, and the decisions for a person to take.

audit.html      to look at; needs no network
audit.json      the same for machines, as docs/audit.schema.json describes it
decisions.csv   a row for each file of a finding, its last column to be filled in
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from candid.auditing.audit import AuditOptions, audit
from candid.auditing.page import write_page
from candid.auditing.result import (
    AUDIT_JSON,
    Audit,
    Change,
    changes_to_text,
    compare,
    find_previous,
    read_audit,
)
from candid.core.atomic_dir import write_atomic_dir
from candid.core.extras import require_packages
from candid.core.progress import Progress
from candid.data.decisions import Decision, to_csv
from candid.errors import UsageError
from candid.reporting.pages import file_previews
from candid.runs.artifact import DECISIONS
from candid.runs.paths import next_folder, require_outside, require_writable, shorten

PAGE: Final = "audit.html"


def write_audit(
    audit: Audit, folder: str | Path, *, changes: Sequence[Change] | None = None
) -> Path:
    """Write an audit's files.

    Args:
        audit: What was found.
        folder: A folder that is not there yet, or empty: decisions in an earlier one are never
            written over.
        changes: What is different since an earlier audit, if it was compared with one.

    Returns:
        The folder, absolute.

    Raises:
        UsageError: The folder is taken, lies among the photos, or can't be written.
    """
    target = Path(folder)
    require_outside(target, audit.data)

    def fill(partial: Path) -> None:
        text = json.dumps(to_json(audit, changes), indent=2, ensure_ascii=False)
        # What of a file name is not UTF-8 becomes an escape, which JSON reads as what it was.
        _write(partial / AUDIT_JSON, text + "\n", errors="backslashreplace")
        # With a mark, or Excel takes it for another encoding.
        rows = "\ufeff" + to_csv([*audit.decided, *undecided(audit)])
        _write(partial / DECISIONS, rows, errors="surrogateescape")
        page = write_page(audit, file_previews(audit.data))
        _write(partial / PAGE, page, errors="backslashreplace")

    return write_atomic_dir(target, fill, require_free=require_free)


def to_json(audit: Audit, changes: Sequence[Change] | None) -> dict[str, Any]:
    """Audit and changes, as ``docs/audit.schema.json`` describes them."""
    rows = None if changes is None else [asdict(change) for change in changes]
    return {**audit.to_json(), "changes": rows}


def undecided(audit: Audit) -> Iterator[Decision]:
    """A row for each file of each finding that a person can decide about and has not."""
    seen = {(row.path, row.finding) for row in audit.decided}
    for check, _, item in audit.items():
        content = audit.contents.get(item.path)
        if check.to_decide and content is not None and (item.path, check.code) not in seen:
            seen.add((item.path, check.code))
            yield Decision(item.path, content, check.code, item.suggestion)


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UsageError: It does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists already, and decisions may be in it. Choose another --run."
        )


def _write(file: Path, text: str, *, errors: str) -> None:
    file.write_text(text, encoding="utf-8", errors=errors)


_PACKAGES: Final = ("cleanlab", "jinja2", "onnx", "threadpoolctl")


@dataclass(frozen=True)
class AuditRequest:
    """What was asked for on the command line.

    Attributes:
        data: The folder.
        options: How it is audited.
        run: Where the audit is written; None for the next free folder below ``runs``.
        compare: Whether to compare with the last audit of the folder.
    """

    data: Path
    options: AuditOptions
    run: Path | None = None
    compare: bool = False


@dataclass(frozen=True)
class WrittenAudit:
    """An audit, and where it lies.

    Attributes:
        audit: What was found.
        folder: Where its files are.
        previous: The audit that it was compared with, if there was one.
        changes: What is different since; None where nothing was to be compared.
    """

    audit: Audit
    folder: Path
    previous: Path | None = None
    changes: tuple[Change, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As ``docs/audit.schema.json`` describes it."""
        return to_json(self.audit, self.changes)

    def to_text(self) -> str:
        """For a terminal."""
        lines = [self.audit.to_text()]
        if self.previous is not None and self.changes is not None:
            lines += ["", changes_to_text(self.changes, self.previous)]
        return "\n".join([*lines, "", *self._next_steps()])

    def _next_steps(self) -> list[str]:
        page, decisions = shorten(self.folder / PAGE), shorten(self.folder / DECISIONS)
        where = f"Written to {shorten(self.folder)}; open {page}"
        if self.audit.parts:  # `candid train` splits by itself, and takes no such folder
            return [where]
        command = shlex.join(
            ["candid", "train", str(shorten(self.audit.data)), "--decisions", str(decisions)]
        )
        return [f"{where}, decide in {decisions}, then", f"  {command}"]


def run_audit(request: AuditRequest, *, progress: Progress) -> WrittenAudit:
    """Audit a folder and write what was found.

    Raises:
        CandidError: Something about the folder, the options or the disk is not as it must be.
    """
    require_packages(_PACKAGES, needed_by="an audit", extra="audit")
    folder = request.run or next_folder(request.data, "audit")
    require_outside(folder, request.data)
    require_free(folder)
    require_writable(folder)
    previous, changes = None, None
    made = audit(request.data, options=request.options, progress=progress)
    if request.compare:
        previous = find_previous(folder.parent, made.data)
        if previous is None:
            progress.say(f"note: there is no earlier audit of {made.data} in {folder.parent}")
        else:
            changes = compare(read_audit(previous), made.to_json())
    with progress.step("Writing the page", 1) as advance:
        written = write_audit(made, folder, changes=changes)
        advance(1)
    return WrittenAudit(made, written, previous, changes)
