"""Files that are no photos of any class: hidden ones, other kinds, and what lies outside."""

from __future__ import annotations

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity, clean, count, found
from candid.auditing.left_out import OUTSIDE, left_out
from candid.auditing.naming import name_some


def run(evidence: Evidence) -> Outcome:
    """Name them, so that every file of the folder is accounted for."""
    paths: dict[str, list[str]] = {}
    for row in left_out(evidence, "other"):
        paths.setdefault(row.reason, []).append(row.path)
    if not paths:
        return clean()
    # What lies outside may be photos that somebody misses.
    order = sorted(paths, key=lambda reason: (reason != OUTSIDE, reason))
    findings = [
        Finding(f"{name_some(paths[r])}: {r}", tuple(Item(path, r) for path in paths[r]))
        for r in order
    ]
    number = sum(map(len, paths.values()))
    verb = "belongs" if number == 1 else "belong"
    return found(f"{count(number, 'file')} {verb} to no class", findings)


CHECK = Check(
    code="other-files",
    title="Files that are no photos of a class",
    severity=Severity.info,
    remedy="Nothing has to be done: they are left out. Photos outside the class folders belong to "
    "no class; move those that you want into one.",
    run=run,
    to_decide=False,
)
