"""The same picture, saved anew: re-encoded, shrunken, mirrored, cropped."""

from __future__ import annotations

from candid.auditing.copies import (
    TOO_FEW,
    best_first,
    copied,
    describe,
    in_one_class,
    in_one_part,
    keep_the_first,
    least_correlation,
)
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.wording import count, name_some


def run(evidence: Evidence) -> Outcome:
    """Show the pictures of one class that are there as different files, the most often first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    groups = [
        places
        for places in copied(evidence)
        if in_one_class(evidence, places)
        and in_one_part(evidence, places)
        and len({evidence.photos[place].content for place in places}) > 1
    ]
    if not groups:
        return Outcome.clean()
    least = least_correlation(evidence)
    number = sum(map(len, groups))
    return Outcome.found(
        f"{number} files show {count(len(groups), 'picture')}, saved in different ways",
        [_finding(evidence, places, least) for places in groups],
    )


def _finding(evidence: Evidence, places: tuple[int, ...], least: dict[int, float]) -> Finding:
    ordered = best_first(evidence, places)
    notes = [
        ", ".join(filter(None, [describe(evidence, place), f"details agree by {least[place]:.2f}"]))
        for place in ordered
    ]
    paths = [evidence.photos[place].path for place in ordered]
    items = keep_the_first(evidence, ordered, notes)
    return Finding(f"the same picture: {name_some(paths)}", tuple(items))


CHECK = Check(
    code="near-copies",
    title="Near copies",
    severity=Severity.warning,
    remedy="Candid keeps copies together when it splits, so they make no figure wrong here; other "
    "tools put one into training and the other into the test. Drop all but the largest, or keep "
    "them.",
    run=run,
)
