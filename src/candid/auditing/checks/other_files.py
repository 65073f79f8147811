"""What is no photo of any class: hidden things, other kinds of files, and what lies outside."""

from __future__ import annotations

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.left_out import left_out
from candid.catalog import HIDDEN_FOLDER, OUTSIDE
from candid.wording import count


def run(evidence: Evidence) -> Outcome:
    """Name them, so that all that is in the folder is accounted for."""
    paths: dict[str, list[str]] = {}
    for row in left_out(evidence, "other"):
        paths.setdefault(row.reason, []).append(row.path)
    if not paths:
        return Outcome.clean()
    # What lies outside may be photos that somebody misses.
    order = sorted(paths, key=lambda reason: (reason != OUTSIDE, reason))
    findings = [Finding.of([Item(path, r) for path in paths[r]], r) for r in order]
    return Outcome.found(_counted({reason: len(some) for reason, some in paths.items()}), findings)


def _counted(numbers: dict[str, int]) -> str:
    number = sum(numbers.values())
    num_folders = numbers.get(HIDDEN_FOLDER, 0)
    told = [count(number - num_folders, "file")] if number > num_folders else []
    told += [count(num_folders, "hidden folder")] if num_folders else []
    return f"{' and '.join(told)} {'belongs' if number == 1 else 'belong'} to no class"


CHECK = Check(
    code="other-files",
    title="Files that are no photos of a class",
    severity=Severity.info,
    remedy="Nothing has to be done: they are left out. Photos outside the class folders belong to "
    "no class; move those that you want into one.",
    run=run,
    to_decide=False,
)
