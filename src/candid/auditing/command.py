"""What `candid audit` does: audit, compare, write, and say where it is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from candid.artifact import DECISIONS
from candid.auditing.audit import AuditOptions, audit
from candid.auditing.compare import Change, changes_to_text, compare, find_previous, read_audit
from candid.auditing.files import (
    PAGE,
    require_free,
    to_json,
    write_audit,
)
from candid.auditing.result import Audit
from candid.packages import require_packages
from candid.progress import Progress
from candid.run_folder import next_folder, require_outside, require_writable, shorten

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
