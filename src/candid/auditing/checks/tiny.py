"""Photos with too few pixels to show much."""

from __future__ import annotations

from statistics import median
from typing import Final

from candid.auditing.each_photo import UNMEASURED, Notable, by_picture, measured, mostly_in
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.wording import count_are

#: Backbones look at 224 px or more; of this, they see blown-up squares.
MIN_SIDE_PX: Final = 64
_OF_THE_MEDIAN = 0.5  # a photo that is not much smaller than the others is not the odd one


def run(evidence: Evidence) -> Outcome:
    """Name the tiny photos among larger ones; a folder that is tiny as a whole is one finding."""
    rows = [(place, p.width_px, p.height_px) for place, p in measured(evidence)]
    if not rows:
        return Outcome.not_applicable(UNMEASURED)
    usual = median(min(width, height) for _, width, height in rows)
    notable = [
        Notable(place, f"{width}×{height} px", -min(width, height))
        for place, width, height in rows
        if min(width, height) < min(MIN_SIDE_PX, _OF_THE_MEDIAN * usual)
    ]
    told = []
    if usual < MIN_SIDE_PX:
        small = f"half of the photos have {usual:g} px or less on the shorter side"
        told.append((small, [Finding(f"{small}, where a model looks at 224 px or more")]))
    if notable:
        places = [row.place for row in notable]
        tiny = f"{count_are(len(notable), 'photo')} tiny{mostly_in(evidence, places)}"
        told.append((tiny, by_picture(evidence, notable)))
    if not told:
        return Outcome.clean()
    return Outcome.found("; ".join(text for text, _ in told), [f for _, rows in told for f in rows])


CHECK = Check(
    code="tiny",
    title="Tiny pictures",
    severity=Severity.warning,
    remedy="Look for the originals; thumbnails are often saved in their place. What stays tiny is "
    "learnt from best where the photos to come are as tiny.",
    run=run,
)
