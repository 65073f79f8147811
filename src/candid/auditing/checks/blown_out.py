"""Photos in which almost everything is white."""

from __future__ import annotations

from candid.auditing.checks.blank import is_blank
from candid.auditing.each_photo import Notable, seen, tell
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Outcome, Severity

#: CleanVision 0.3.7's threshold of the brightness that 95 % of the pixels are above.
MIN_DARK_END = 0.95


def run(evidence: Evidence) -> Outcome:
    """Name the photos that are blown out."""
    rows = [(place, pixels) for place, pixels in seen(evidence) if not is_blank(pixels)]
    notable = [
        Notable(
            place,
            f"95 % of its pixels are above {100 * pixels.dark_end:.0f} % of full brightness",
            pixels.dark_end,
        )
        for place, pixels in rows
        if pixels.dark_end > MIN_DARK_END
    ]
    return tell(evidence, notable, num_judged=len(rows), what="blown out")


CHECK = Check(
    code="blown-out",
    title="Blown-out pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. A thin drawing on white paper "
    "is fine where those to come are such drawings too.",
    run=run,
)
