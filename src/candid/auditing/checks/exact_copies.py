"""Files with the same bytes in one class.

Where the picture is in another class too, `two_classes` reports all of its files, and this check
none of them: a file is not suggested to be kept by one and to be moved by the other.
"""

from __future__ import annotations

from candid.auditing.copies import TOO_FEW, copied, in_one_class, in_one_part, keep_the_first
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.wording import count, name_some


def run(evidence: Evidence) -> Outcome:
    """Show the files of one class that have the same bytes, the most first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    same: dict[str, list[int]] = {}
    for places in copied(evidence):
        if in_one_class(evidence, places) and in_one_part(evidence, places):
            for place in places:
                same.setdefault(evidence.photos[place].content, []).append(place)
    groups = [places for places in same.values() if len(places) > 1]
    if not groups:
        return Outcome.clean()
    groups.sort(key=lambda places: (-len(places), evidence.photos[places[0]].path))
    number = sum(len(places) - 1 for places in groups)
    what = "is an exact copy of another" if number == 1 else "are exact copies of others"
    return Outcome.found(f"{count(number, 'file')} {what}", [_finding(evidence, g) for g in groups])


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
