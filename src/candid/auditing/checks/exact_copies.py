"""Files with the same bytes in one class."""

from __future__ import annotations

from candid.auditing.copies import TOO_FEW, keep_the_first
from candid.auditing.evidence import Evidence
from candid.auditing.finding import (
    Check,
    Finding,
    Outcome,
    Severity,
    clean,
    count,
    found,
    not_applicable,
)
from candid.auditing.naming import name_some


def run(evidence: Evidence) -> Outcome:
    """Group files by class and content."""
    if len(evidence.photos) < 2:
        return not_applicable(TOO_FEW)
    same: dict[tuple[str, str], list[int]] = {}
    for place, photo in enumerate(evidence.photos):
        same.setdefault((photo.label, photo.content), []).append(place)
    groups = [places for places in same.values() if len(places) > 1]
    if not groups:
        return clean()
    groups.sort(key=lambda places: (-len(places), evidence.photos[places[0]].path))
    number = sum(len(places) - 1 for places in groups)
    what = "is an exact copy of another" if number == 1 else "are exact copies of others"
    return found(f"{count(number, 'file')} {what}", [_finding(evidence, g) for g in groups])


def _finding(evidence: Evidence, places: list[int]) -> Finding:
    paths = sorted(evidence.photos[place].path for place in places)
    by_path = sorted(places, key=lambda place: evidence.photos[place].path)
    items = keep_the_first(evidence, by_path, ["the same bytes"] * len(places))
    return Finding(f"the same bytes: {name_some(paths)}", tuple(items))


CHECK = Check(
    code="exact-copies",
    title="Exact copies",
    severity=Severity.warning,
    remedy="Candid keeps copies together when it splits, so they make no figure wrong here; other "
    "tools put one into training and the other into the test. Drop all but one, or keep them.",
    run=run,
)
