"""Writes an audit: a folder with the page, the JSON, and the decisions for a person to take.

audit.html      to look at; needs no network
audit.json      the same for machines, as docs/audit.schema.json describes it
decisions.csv   a row for each file of a finding, its last column to be filled in
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from candid.artifact import DECISIONS
from candid.auditing.compare import AUDIT_JSON, Change
from candid.auditing.page import write_page
from candid.auditing.result import Audit
from candid.decisions import Decision, to_csv
from candid.errors import UsageError
from candid.pages import file_previews
from candid.run_folder import require_outside
from candid.whole_folder import write_whole

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

    return write_whole(target, fill, require_free=require_free)


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
