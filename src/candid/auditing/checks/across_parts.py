"""The same picture in two of the parts that a folder comes with: what is tested was trained on."""

from __future__ import annotations

from collections import Counter

from candid.auditing.copies import TOO_FEW, copied
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.catalog import is_train
from candid.decisions import DROP
from candid.wording import count, name_some


def run(evidence: Evidence) -> Outcome:
    """Show the pictures that are in two parts or more, and count them for each pair of parts."""
    if len(evidence.scanned.parts) < 2:
        return Outcome.not_applicable("the folder has no parts of its own, such as train and test")
    if len(evidence.photos) < 2:
        return Outcome.not_applicable(TOO_FEW)
    parts = [evidence.scanned.part(photo) for photo in evidence.photos]
    groups = [places for places in copied(evidence) if len({parts[p] for p in places}) > 1]
    if not groups:
        return Outcome.clean()
    shared: Counter[tuple[str, str]] = Counter()
    for places in groups:
        here = sorted({parts[place] for place in places}, key=lambda name: (is_train(name), name))
        shared.update((one, other) for i, one in enumerate(here) for other in here[i + 1 :])
    total = Counter(part for places in evidence.pictures for part in {parts[p] for p in places})
    told = [
        f"{number} of {count(total[one], 'picture')} in {one} {'is' if number == 1 else 'are'} "
        f"in {other} too"
        for (one, other), number in shared.most_common()
    ]
    return Outcome.found("; ".join(told), [_finding(evidence, parts, places) for places in groups])


def _finding(evidence: Evidence, parts: list[str], places: tuple[int, ...]) -> Finding:
    ordered = sorted(places, key=lambda p: (is_train(parts[p]), evidence.photos[p].path))
    items = [
        Item(
            evidence.photos[place].path,
            f"in {parts[place]}",
            DROP if is_train(parts[place]) else "",
        )
        for place in ordered
    ]
    return Finding(f"the same picture: {name_some([i.path for i in items])}", tuple(items))


CHECK = Check(
    code="across-parts",
    title="Copies across train, val and test",
    severity=Severity.error,
    remedy="What a model was trained on tells nothing about it. Delete the copies in the training "
    "part, which leaves the test as others know it; or put all parts into one folder and let "
    "Candid split it.",
    run=run,
    to_decide=False,
)
