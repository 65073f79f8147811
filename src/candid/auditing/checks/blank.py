"""Photos of one colour: a lens cap, a page without text, a download that failed."""

from __future__ import annotations

from candid.auditing.each_photo import Notable, seen, tell
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Outcome, Severity
from candid.auditing.properties import PixelProperties
from candid.decisions import DROP

#: CleanVision 0.3.7 takes what is below this for "low information".
MAX_ENTROPY_BITS = 3.0
#: Drawings and lettering have as few greys, but of two colours that differ.
MAX_CONTRAST = 0.05


def is_blank(pixels: PixelProperties) -> bool:
    """Whether a picture has nothing in it that could be told from its background."""
    return pixels.entropy_bits < MAX_ENTROPY_BITS and pixels.contrast < MAX_CONTRAST


def run(evidence: Evidence) -> Outcome:
    """Name the photos that are blank."""
    rows = list(seen(evidence))
    notable = [
        Notable(place, f"nothing but {_colour(pixels)}", -pixels.contrast)
        for place, pixels in rows
        if is_blank(pixels)
    ]
    return tell(
        evidence,
        notable,
        num_judged=len(rows),
        what="blank",
        suggestion=DROP,
        may_be_usual=False,
    )


def _colour(pixels: PixelProperties) -> str:
    if pixels.brightness < 0.1:
        return "black"
    if pixels.brightness > 0.95:
        return "white"
    red, green, blue = (round(255 * value) for value in (pixels.red, pixels.green, pixels.blue))
    return f"one colour, #{red:02x}{green:02x}{blue:02x}"


CHECK = Check(
    code="blank",
    title="Blank pictures",
    severity=Severity.warning,
    remedy="Write drop beside them in decisions.csv; there is nothing in them to be learnt.",
    run=run,
)
