"""Photos that are blurred all over.

CleanVision's score of blur finds little else than smooth scenes (of 1,123 photos of the weather it
flags 81 sharp ones of skies), so the measure here is another: how wide the sharpest edges are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.auditing.checks.blank import is_blank
from candid.auditing.each_photo import Notable, measured, tell
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Outcome, Severity
from candid.features import THUMBNAIL_PX

#: Of photos blurred by a Gaussian of 2 % of their sides, 93 to 98 % are below this, of 3 % all;
#: of 3,490 real ones none.
MAX_STEEPNESS: Final = 0.9

_SHARPEST = 99  # percentile of the pixels: a photo with a sharp corner is not blurred all over
_NOISE = 1.0  # in grey levels; slopes below it are none
_BLOCK = 1024


def run(evidence: Evidence) -> Outcome:
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


CHECK = Check(
    code="blurred",
    title="Blurred pictures",
    severity=Severity.info,
    remedy="Look whether what the class is about can still be seen. Where photos to come will be "
    "blurred too, keep them, and have some in every class.",
    run=run,
)
