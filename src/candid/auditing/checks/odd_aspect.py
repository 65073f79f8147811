"""Photos that are much longer than wide, or the other way round."""

from __future__ import annotations

from typing import Final

from candid.auditing.each_photo import Notable, measured, tell
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Outcome, Severity

#: CleanVision 0.3.7's threshold of the shorter side over the longer one.
MIN_RATIO: Final = 0.35


def run(evidence: Evidence) -> Outcome:
    """Name the photos of an odd shape."""
    rows = [(place, p.width_px, p.height_px) for place, p in measured(evidence)]
    notable = [
        Notable(
            place,
            f"{width}×{height} px, {_ratio(width, height):.1f} to 1",
            _ratio(width, height),
        )
        for place, width, height in rows
        if _ratio(width, height) > 1 / MIN_RATIO
    ]
    return tell(evidence, notable, num_judged=len(rows), what="of an odd shape")


def _ratio(width: int, height: int) -> float:
    return max(width, height) / min(width, height)


CHECK = Check(
    code="odd-aspect",
    title="Odd shapes",
    severity=Severity.info,
    remedy="A model looks at a square, so what is in these photos is squashed or cut off. Crop "
    "them to what the class is about, or see that the photos to come have such shapes too.",
    run=run,
)
