"""Images that give no pixels."""

from __future__ import annotations

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.left_out import left_out
from candid.wording import count


def run(evidence: Evidence) -> Outcome:
    """Name the images that were left out because nothing can be made of them, by reason."""
    paths: dict[str, list[str]] = {}
    for row in left_out(evidence, "unreadable"):
        paths.setdefault(row.reason, []).append(row.path)
    if not paths:
        return Outcome.clean()
    findings = [
        Finding.of([Item(path, reason) for path in some], reason)
        for reason, some in sorted(paths.items(), key=lambda row: -len(row[1]))
    ]
    number = sum(map(len, paths.values()))
    verb = "is" if number == 1 else "are"
    return Outcome.found(f"{count(number, 'file')} can't be read, and {verb} left out", findings)


CHECK = Check(
    code="unreadable",
    title="Unreadable files",
    severity=Severity.error,
    remedy="Get them again from where they came from, or save them as JPEG or PNG with the program "
    "that made them. Until then they are left out.",
    run=run,
    to_decide=False,
)
