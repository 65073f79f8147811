"""Photos that are blurred all over.

CleanVision's score of blur finds little else than smooth scenes (of 1,123 photos of the weather it
flags 81 sharp ones of skies), so the measure here is another: how wide the sharpest edges are.

Photos of one colour: a lens cap, a page without text, a download that failed.

Photos in which even the brightest parts are dark.

Photos in which almost everything is white.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Notable, Outcome, Severity, measured, seen, tell
from candid.auditing.properties import PixelProperties
from candid.data.decisions import DROP
from candid.features.extract import THUMBNAIL_PX

#: CleanVision 0.3.7 takes what is below this for "low information".
MAX_ENTROPY_BITS = 3.0
#: Drawings and lettering have as few greys, but of two colours that differ.
MAX_CONTRAST = 0.05


def is_blank(pixels: PixelProperties) -> bool:
    """Whether a picture has nothing in it that could be told from its background."""
    return pixels.entropy_bits < MAX_ENTROPY_BITS and pixels.contrast < MAX_CONTRAST


def _run_blank(evidence: Evidence) -> Outcome:
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


BLANK = Check(
    code="blank",
    title="Blank pictures",
    severity=Severity.warning,
    remedy="Write drop beside them in decisions.csv; there is nothing in them to be learnt.",
    run=_run_blank,
)


#: CleanVision 0.3.7's threshold of the brightness that 99 % of the pixels stay below.
MAX_BRIGHT_END = 0.32


def _run_dark(evidence: Evidence) -> Outcome:
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


DARK = Check(
    code="dark",
    title="Dark pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. If one class has most of them, "
    "a model will take darkness for a sign of it: add dark photos of the other classes.",
    run=_run_dark,
)


#: CleanVision 0.3.7's threshold of the brightness that 95 % of the pixels are above.
MIN_DARK_END = 0.95


def _run_blown_out(evidence: Evidence) -> Outcome:
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


BLOWN_OUT = Check(
    code="blown-out",
    title="Blown-out pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. A thin drawing on white paper "
    "is fine where those to come are such drawings too.",
    run=_run_blown_out,
)


#: Of photos blurred by a Gaussian of 2 % of their sides, 93 to 98 % are below this, of 3 % all;
#: of 3,490 real ones none.
MAX_STEEPNESS: Final = 0.9

_SHARPEST = 99  # percentile of the pixels: a photo with a sharp corner is not blurred all over
_NOISE = 1.0  # in grey levels; slopes below it are none
_BLOCK = 1024


def _run_blurred(evidence: Evidence) -> Outcome:
    """Name the photos in which no edge is sharp."""
    rows = list(measured(evidence))
    large = [
        place
        for place, properties in rows
        if min(properties.width_px, properties.height_px) >= THUMBNAIL_PX
        and not (properties.pixels is not None and is_blank(properties.pixels))
    ]
    if rows and not large:
        return Outcome.not_applicable(f"no photo has {THUMBNAIL_PX} px or more on its shorter side")
    notable = [
        Notable(place, f"no edge is sharp ({value:.2f}; sharp photos have 1.2 or more)", -value)
        for place, value in _steepness_of(evidence, large)
        if value < MAX_STEEPNESS
    ]
    return tell(evidence, notable, num_judged=len(large), what="blurred")


def _steepness_of(evidence: Evidence, places: list[int]) -> Iterator[tuple[int, float]]:
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        contents = [evidence.photos[place].content for place in block]
        grey = evidence.features.thumbnails.get(contents)
        yield from zip(block, steepness(grey).tolist(), strict=True)


def steepness(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How fast the brightness changes across the sharpest edges, whatever their contrast.

    An edge that is blurred by a Gaussian has a second derivative that is smaller than its first by
    the Gaussian's width, from which Elder and Zucker (1998) tell the width. Here it is the 99th
    percentile of the one over that of the other.

    Args:
        thumbnails: uint8 ``(n, s, s)`` grey. A blur that does not show in them goes unnoticed, as
            does one along a line only.

    Returns:
        float32 ``(n,)``, 0 or more, in 1 / pixel.
    """
    grey = thumbnails.astype(np.float32)
    up, down = grey[:, :-2, 1:-1], grey[:, 2:, 1:-1]
    left, right = grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]
    bend = np.abs(up + down + left + right - 4 * grey[:, 1:-1, 1:-1])
    slope = np.hypot(right - left, down - up) / 2
    steepest, most_bent = (
        np.percentile(values, _SHARPEST, axis=(1, 2)) for values in (slope, bend)
    )
    return np.asarray(most_bent / (steepest + _NOISE), np.float32)


BLURRED = Check(
    code="blurred",
    title="Blurred pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. Where photos to come will be "
    "blurred too, keep them, and have some in every class.",
    run=_run_blurred,
)
