"""A folder whose sub-folders are not its classes, as when a level was missed in unpacking."""

from __future__ import annotations

from collections.abc import Sequence

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.catalog import is_part
from candid.wording import name_some

_SUMMARY = "the sub-folders don't look like two or more classes"


def run(evidence: Evidence) -> Outcome:
    """Say what the classes may be instead of those that were found."""
    told = _only_class(evidence) if len(evidence.classes) == 1 else _parts_as_classes(evidence)
    return Outcome.found(_SUMMARY, [Finding(told)]) if told else Outcome.clean()


def _only_class(evidence: Evidence) -> str:
    """Tell where classes may be below the only class that there is."""
    only = f"there is one class only, {evidence.classes[0]}"
    above, below = _branching([photo.path for photo in evidence.scanned.photos])
    catalog = evidence.scanned
    if len(below) < 2 or not catalog.below_part("/".join((*above, below[0]))):
        return f"{only}, so there is nothing to tell apart"
    place = "/".join((catalog.folder.name, *above))
    named = name_some(below)
    whose = "its sub-folders are" if above[-1] == catalog.classes[0] else f"{place} holds"
    return f"{only}; {whose} {named}. Did you mean {place}?"


def _branching(paths: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Go down as long as all files lie in one folder.

    Returns:
        The steps to the folder where they part, and the names of the folders there; nothing where
        a file lies directly in it.
    """
    folders = [path.split("/")[:-1] for path in paths]
    depth = 0
    while folders and all(len(steps) > depth for steps in folders):
        names = {steps[depth] for steps in folders}
        if len(names) > 1:
            return tuple(folders[0][:depth]), sorted(names)
        depth += 1
    return (), []


def _parts_as_classes(evidence: Evidence) -> str:
    """Tell which classes are parts by their names, where the others are not.

    One such name alone says little, as a class may well be called train; then its photos have to
    lie in sub-folders, as those of a part do.
    """
    parts = [name for name in evidence.classes if is_part(name)]
    others = [name for name in evidence.classes if not is_part(name)]
    if not parts or not others:
        return ""
    if len(parts) == 1 and not _all_deeper(evidence, parts[0]):
        return ""
    verb = "is taken for a class" if len(parts) == 1 else "are taken for classes"
    return f"{name_some(parts)} {verb}, beside {name_some(others)}"


def _all_deeper(evidence: Evidence, name: str) -> bool:
    """Whether the photos of a class lie in two or more sub-folders of it, and nowhere else."""
    steps = [evidence.scanned.below_part(photo.path) for photo in evidence.scanned.photos]
    inside = [some for some in steps if some[:1] == (name,)]
    return all(len(some) > 2 for some in inside) and len({some[1] for some in inside}) > 1


CHECK = Check(
    code="folder-shape",
    title="Sub-folders that are not the classes",
    severity=Severity.error,
    remedy="Point Candid at the folder whose sub-folders are the classes, such as data with "
    "data/happy and data/sad. Where train, val and test lie above the classes, keep nothing else "
    "beside them.",
    run=run,
    to_decide=False,
)
