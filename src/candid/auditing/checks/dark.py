"""Photos in which even the brightest parts are dark."""

from __future__ import annotations

from candid.auditing.checks.blank import is_blank
from candid.auditing.each_photo import Notable, seen, tell
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Outcome, Severity

#: CleanVision 0.3.7's threshold of the brightness that 99 % of the pixels stay below.
MAX_BRIGHT_END = 0.32


def run(evidence: Evidence) -> Outcome:
    """Name the photos that are dark all over."""
    rows = [(place, pixels) for place, pixels in seen(evidence) if not is_blank(pixels)]
    notable = [
        Notable(
            place,
            f"99 % of its pixels are below {100 * pixels.bright_end:.0f} % of full brightness",
            -pixels.bright_end,
        )
        for place, pixels in rows
        if pixels.bright_end < MAX_BRIGHT_END
    ]
    return tell(evidence, notable, num_judged=len(rows), what="dark")


CHECK = Check(
    code="dark",
    title="Dark pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. If one class has most of them, "
    "a model will take darkness for a sign of it: add dark photos of the other classes.",
    run=run,
)
