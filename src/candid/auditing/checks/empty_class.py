"""Folders of classes without a photo that can be read."""

from __future__ import annotations

from collections import Counter

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity, clean, count, found


def run(evidence: Evidence) -> Outcome:
    """Name the classes that have nothing to learn from."""
    filled = {photo.label for photo in evidence.photos}
    empty = [name for name in evidence.classes if name not in filled]
    if not empty:
        return clean()
    files = _files_by_class(evidence)
    verb = "has" if len(empty) == 1 else "have"
    summary = f"{count(len(empty), 'class', 'classes')} {verb} no photo that can be read"
    return found(summary, [Finding(_told(name, files[name])) for name in empty])


def _told(name: str, num_files: int) -> str:
    if not num_files:
        return f"{name} is empty"
    if num_files == 1:
        return f"{name} has one file, which is no photo that can be read"
    return f"{name} has {num_files} files, none of which is a photo that can be read"


def _files_by_class(evidence: Evidence) -> Counter[str]:
    """Files that were passed over, by class."""
    catalog = evidence.features.catalog
    depth = 1 if catalog.parts else 0  # the class lies below the part
    folders = (row.path.split("/")[:-1] for row in catalog.skipped)
    return Counter(parts[depth] for parts in folders if len(parts) > depth)


CHECK = Check(
    code="empty-class",
    title="Empty classes",
    severity=Severity.error,
    remedy="Put photos into these folders, or remove them.",
    run=run,
    to_decide=False,
)
