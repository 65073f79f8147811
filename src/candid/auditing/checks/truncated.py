"""Images whose end is missing."""

from __future__ import annotations

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.left_out import left_out
from candid.auditing.properties import Properties
from candid.wording import count_are


def run(evidence: Evidence) -> Outcome:
    """Name the images that break off, and say how much of each can be decoded."""
    rows = left_out(evidence, "truncated")
    if not rows:
        return Outcome.clean()
    photos = {photo.path: photo for photo in evidence.scanned.photos}
    items = []
    for row in rows:
        photo = photos.get(row.path)
        properties = evidence.properties_of(photo) if photo else None
        items.append(Item(row.path, _note(properties)))
    return Outcome.found(
        f"{count_are(len(rows), 'file')} cut off, and left out", [Finding.of(items, "cut off")]
    )


def _note(properties: Properties | None) -> str:
    share = properties.decodable_share if properties else 0.0
    if properties is None or share == 0:
        return "no part of it can be decoded"
    if share == 1:
        return "all of it can be decoded, but only coarsely"
    percent = f"{int(100 * share)} %" if share >= 0.01 else "less than 1 %"
    # Rows are missing below as the file stores them, which may be another side as it is seen.
    if properties.orientation in (1, 2):
        return f"the upper {percent} can be decoded"
    return f"{percent} of it can be decoded"


CHECK = Check(
    code="truncated",
    title="Truncated files",
    severity=Severity.error,
    remedy="Copy or download them again: they were cut off on the way. Until then they are left "
    "out.",
    run=run,
    to_decide=False,
)
