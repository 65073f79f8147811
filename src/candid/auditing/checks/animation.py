"""Files of several frames or pages."""

from __future__ import annotations

from candid.auditing.each_photo import UNMEASURED, measured
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.wording import count, count_have

_WORDS = {"TIFF": "page", "HEIF": "picture"}


def run(evidence: Evidence) -> Outcome:
    """Name the photos of which only a part is used."""
    rows = list(measured(evidence))
    if not rows:
        return Outcome.not_applicable(UNMEASURED)
    items = []
    for place, properties in rows:
        if properties.num_frames > 1:
            frames = count(properties.num_frames, _WORDS.get(properties.format, "frame"))
            items.append(Item(evidence.photos[place].path, f"{frames}; the first is used"))
    if not items:
        return Outcome.clean()
    summary = f"{count_have(len(items), 'file')} more than one frame; only the first is used"
    return Outcome.found(summary, [Finding.of(items, "more than one frame")])


CHECK = Check(
    code="animation",
    title="Animations and files of several pages",
    severity=Severity.warning,
    remedy="Look whether the first frame shows what the class says: it may be a title or empty. If "
    "another one does, save that as a file of its own.",
    run=run,
)
