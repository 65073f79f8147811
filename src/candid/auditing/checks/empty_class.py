"""Folders of classes without a photo that can be read, in the whole folder or in one part."""

from __future__ import annotations

from collections import Counter

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.catalog import HIDDEN_FOLDER
from candid.wording import count, name_some


def run(evidence: Evidence) -> Outcome:
    """Name the classes that have nothing to learn from, or nothing to be tested on."""
    filled = {photo.label for photo in evidence.photos}
    empty = [name for name in evidence.classes if name not in filled]
    unlabelled, lacking = _by_part(evidence)
    told = []
    if empty:
        verb = "has" if len(empty) == 1 else "have"
        told.append(f"{_classes(len(empty))} {verb} no photo that can be read")
    if lacking:
        verb = "is" if len(lacking) == 1 else "are"
        told.append(f"{_classes(len(lacking))} {verb} in some of the parts only")
    if unlabelled:
        told.append(f"{count(len(unlabelled), 'part')} without a photo of any class")
    if not told:
        return Outcome.clean()
    files = _files_by_class(evidence)
    lines = [_told(name, files[name]) for name in empty]
    lines += [f"{name} has no photo in {name_some(parts)}" for name, parts in lacking.items()]
    lines += [f"{part} has no photo of any class" for part in unlabelled]
    return Outcome.found("; ".join(told), [Finding(line) for line in lines])


def _by_part(evidence: Evidence) -> tuple[list[str], dict[str, list[str]]]:
    """The parts without any photo; and of each class, the other parts that lack it, if any do."""
    parts = evidence.scanned.parts
    there = {(evidence.scanned.part(photo), photo.label) for photo in evidence.photos}
    filled_parts = {part for part, _ in there}
    filled_classes = {name for _, name in there}
    lacking = {
        name: [part for part in parts if part in filled_parts and (part, name) not in there]
        for name in evidence.classes
        if name in filled_classes
    }
    unlabelled = [part for part in parts if part not in filled_parts]
    return unlabelled, {name: some for name, some in lacking.items() if some}


def _classes(number: int) -> str:
    return count(number, "class", "classes")


def _told(name: str, num_files: int) -> str:
    if not num_files:
        return f"{name} is empty"
    if num_files == 1:
        return f"{name} has one file, which is no photo that can be read"
    return f"{name} has {num_files} files, none of which is a photo that can be read"


def _files_by_class(evidence: Evidence) -> Counter[str]:
    """Files that were passed over, by class; a hidden folder is none."""
    catalog = evidence.features.catalog
    rows = (row for row in catalog.skipped if row.reason != HIDDEN_FOLDER)
    steps = (catalog.below_part(row.path) for row in rows)
    return Counter(some[0] for some in steps if some)


CHECK = Check(
    code="empty-class",
    title="Empty classes",
    severity=Severity.error,
    remedy="Put photos into these folders, or remove them. Of a class that a part lacks, that part "
    "can teach or test nothing.",
    run=run,
    to_decide=False,
)
