"""Runs `candid audit` and writes its files.

- audit.html: the page; opens without a network
- audit.json: the results for programs, as described by docs/audit.schema.json
- decisions.csv: a row for each file of a finding, with a decision column to fill in
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from candid.auditing.audit import AuditOptions, audit
from candid.auditing.page import LARGE_PX, write_page
from candid.auditing.result import (
    AUDIT_JSON,
    PAGE,
    Audit,
    Change,
    changes_to_text,
    find_changes,
    find_previous,
    read_audit,
)
from candid.core.atomic_dir import write_atomic_dir
from candid.core.extras import require_packages
from candid.core.progress import Progress
from candid.data.decisions import to_csv
from candid.data.source import DataSource
from candid.errors import UsageError
from candid.reporting.pages import file_previews
from candid.runs.artifact import DECISIONS
from candid.runs.paths import output_folder, require_outside, shorten


def write_audit(
    audit: Audit, folder: str | Path, *, changes: Sequence[Change] | None = None
) -> Path:
    """Write an audit's files.

    Args:
        audit: The audit.
        folder: Doesn't exist or is empty, so that earlier decisions are never overwritten.
        changes: Changes since an earlier audit, if compared.

    Returns:
        The folder, absolute.

    Raises:
        UsageError: The folder is not empty, lies among the photos, or can't be written.
    """
    target = Path(folder)
    require_outside(target, audit.data)

    def fill(partial: Path) -> None:
        text = json.dumps(to_json(audit, changes), indent=2, ensure_ascii=False)
        # Bytes of file names that are not UTF-8 become escapes, which JSON reads back unchanged.
        _write(partial / AUDIT_JSON, text + "\n", errors="backslashreplace")
        # Excel recognises UTF-8 by the byte order mark only.
        rows = "\ufeff" + to_csv(audit.decisions())
        _write(partial / DECISIONS, rows, errors="surrogateescape")
        large = file_previews(audit.find, size_px=LARGE_PX, reading=audit.reading)
        small = file_previews(audit.find, reading=audit.reading)
        page = write_page(audit, large, small)
        _write(partial / PAGE, page, errors="backslashreplace")

    return write_atomic_dir(target, fill, require_free=require_free)


def _write(file: Path, text: str, *, errors: str) -> None:
    file.write_text(text, encoding="utf-8", errors=errors)


def to_json(audit: Audit, changes: Sequence[Change] | None) -> dict[str, Any]:
    """Audit and changes, as described by ``docs/audit.schema.json``."""
    rows = None if changes is None else [asdict(change) for change in changes]
    return {**audit.to_json(), "changes": rows}


def require_free(folder: Path) -> None:
    """Raise `UsageError` if a folder is not empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists already, and decisions may be in it. Choose another --run."
        )


_PACKAGES: Final = ("jinja2", "onnx", "threadpoolctl")


@dataclass(frozen=True)
class WrittenAudit:
    """An audit, its folder, and the changes since the previous audit's folder, if compared."""

    audit: Audit
    folder: Path
    previous: Path | None = None
    changes: tuple[Change, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As described by ``docs/audit.schema.json``."""
        return to_json(self.audit, self.changes)

    def to_text(self) -> str:
        """Text for a terminal."""
        lines = [self.audit.to_text(), ""]
        if self.previous is not None and self.changes is not None:
            lines += [changes_to_text(self.changes, self.previous), ""]
        page, decisions = shorten(self.folder / PAGE), shorten(self.folder / DECISIONS)
        written = f"Written to {shorten(self.folder)}; open {page}"
        data = shorten(self.audit.data)
        command = shlex.join(
            ["candid", "train", data, *self.audit.data.options, "--decisions", str(decisions)]
        )
        decide = f"decide there, put the decisions.csv that it gives in the place of {decisions}"
        return "\n".join([*lines, f"{written}, {decide}, then", f"  {command}"])


def run_audit(
    data: str | Path | DataSource,
    options: AuditOptions,
    *,
    run: Path | None = None,
    compare: bool = False,
    progress: Progress,
) -> WrittenAudit:
    """Audit a folder and write the files to ``run``, by default the next free one below ``runs``.

    Raises:
        CandidError: The folder or the options are invalid, or the files can't be written.
    """
    require_packages(_PACKAGES, needed_by="an audit", extra="audit")
    source = DataSource.of(data)
    with output_folder(run, source, "audit") as folder:
        require_free(folder)
        return _audit_into(folder, source, options, compare=compare, progress=progress)


def _audit_into(
    folder: Path, data: DataSource, options: AuditOptions, *, compare: bool, progress: Progress
) -> WrittenAudit:
    previous, changes = None, None
    made = audit(data, options=options, progress=progress)
    if compare:
        previous = find_previous(folder.parent, made.data)
        if previous is None:
            progress.say(f"note: there is no earlier audit of {made.data} in {folder.parent}")
        else:
            changes = find_changes(read_audit(previous), made.to_json())
    with progress.step("Writing the page", 0):
        written = write_audit(made, folder, changes=changes)
    return WrittenAudit(made, written, previous, changes)
