"""The same picture in more than one class: one of its labels has to be wrong."""

from __future__ import annotations

from collections import Counter

from candid.auditing.copies import TOO_FEW, copied, in_one_class
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.decisions import class_as_decision
from candid.wording import count_are, name_some


def run(evidence: Evidence) -> Outcome:
    """Show the pictures whose copies have different labels, the most files first."""
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    if len(evidence.classes) < 2:
        return Outcome.not_applicable("there is one class only")
    groups = [places for places in copied(evidence) if not in_one_class(evidence, places)]
    if not groups:
        return Outcome.clean()
    return Outcome.found(
        f"{count_are(len(groups), 'picture')} in two classes or more",
        [_finding(evidence, places) for places in groups],
    )


def _finding(evidence: Evidence, places: tuple[int, ...]) -> Finding:
    """The files by label; what most of them say is suggested, where there is such a label."""
    photos = [evidence.photos[place] for place in places]
    (first, most), (_, next_most), *_ = Counter(photo.label for photo in photos).most_common()
    suggestion = class_as_decision(first) if most > next_most else ""
    ordered = sorted(photos, key=lambda photo: (photo.label, photo.path))
    items = [
        Item(photo.path, f"labelled {photo.label}", "" if photo.label == first else suggestion)
        for photo in ordered
    ]
    names = name_some([photo.path for photo in ordered])
    return Finding(f"the same picture: {names}", tuple(items))


CHECK = Check(
    code="two-classes",
    title="Same picture in two classes",
    severity=Severity.error,
    remedy="Candid trains and tests on none of them. Decide which class is right, and write it, or "
    "drop, into decisions.csv.",
    run=run,
)
