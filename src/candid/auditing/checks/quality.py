"""Checks of image quality: blank, dark, blown-out and blurred photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, FlaggedPhoto, Outcome, Severity, report_photos
from candid.data.decisions import DROP
from candid.features.extract import THUMBNAIL_PX
from candid.features.properties import PixelProperties

#: CleanVision 0.3.7's threshold of "low information".
MAX_ENTROPY_BITS = 3.0
#: Drawings and lettering have as few grey levels, but more contrast.
MAX_CONTRAST = 0.05


def is_blank(pixels: PixelProperties) -> bool:
    """Whether a picture has a single colour, apart from noise."""
    return pixels.entropy_bits < MAX_ENTROPY_BITS and pixels.contrast < MAX_CONTRAST


def _run_blank(evidence: Evidence) -> Outcome:
    """Report photos of one colour: a lens cap, an empty page, a failed download."""
    rows = [(i, row, row.pixels) for i, row in evidence.measured() if row.pixels is not None]
    flagged = [
        FlaggedPhoto(index, f"nothing but {_describe_colour(pixels)}", -pixels.contrast)
        for index, properties, pixels in rows
        # Deep samples may differ by less than a level of the set's range.
        if is_blank(pixels) and not (properties.is_deep and pixels.contrast > 0)
    ]
    return report_photos(
        evidence, flagged, num_judged=len(rows), what="blank", suggestion=DROP, may_be_usual=False
    )


def _describe_colour(pixels: PixelProperties) -> str:
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
    remedy="Drop them; they show nothing to learn from.",
    run=_run_blank,
)


def _report_exposure(
    evidence: Evidence,
    what: str,
    note: str,
    value: Callable[[PixelProperties], float],
    limit: float,
) -> Outcome:
    """Report the photos, other than blank ones, whose value is below a limit, the lowest first."""
    judged = ((i, row.pixels) for i, row in evidence.measured())
    rows = [(i, value(pixels)) for i, pixels in judged if pixels and not is_blank(pixels)]
    flagged = [FlaggedPhoto(i, note.format(100 * abs(x)), -x) for i, x in rows if x < limit]
    return report_photos(evidence, flagged, num_judged=len(rows), what=what)


#: CleanVision 0.3.7's threshold of the 99th percentile of brightness.
MAX_BRIGHT_END = 0.32


def _run_dark(evidence: Evidence) -> Outcome:
    """Report photos whose brightest parts are dark."""
    note = "99 % of its pixels are below {:.0f} % of full brightness"
    return _report_exposure(evidence, "dark", note, lambda p: p.bright_end, MAX_BRIGHT_END)


DARK = Check(
    code="dark",
    title="Dark pictures",
    severity=Severity.info,
    remedy="Check whether what the class is about is still visible. If most are in one class, a "
    "model will take darkness for a sign of it: add dark photos of the other classes.",
    run=_run_dark,
)


#: CleanVision 0.3.7's threshold of the 5th percentile of brightness.
MIN_DARK_END = 0.95


def _run_blown_out(evidence: Evidence) -> Outcome:
    """Report photos that are almost entirely white."""
    note = "95 % of its pixels are above {:.0f} % of full brightness"
    return _report_exposure(evidence, "blown out", note, lambda p: -p.dark_end, -MIN_DARK_END)


BLOWN_OUT = Check(
    code="blown-out",
    title="Blown-out pictures",
    severity=Severity.info,
    remedy="Check whether what the class is about is still visible. Thin drawings on white paper "
    "are fine if later photos are such drawings too.",
    run=_run_blown_out,
)


#: Of photos blurred by a Gaussian of 2 % of their sides, 93 to 98 % are below this, of 3 % all;
#: of 3,490 sharp photos none.
MAX_STEEPNESS: Final = 0.9

_PERCENTILE = 99  # of the pixels: one sharp area is enough
_NOISE = 1.0  # in grey levels; smaller slopes are ignored
_BLOCK = 1024


def _run_blurred(evidence: Evidence) -> Outcome:
    """Report photos without any sharp edge.

    CleanVision's blur score mostly finds smooth scenes (of 1,123 weather photos it flags 81 sharp
    ones of skies), so the width of the sharpest edges is measured instead.
    """
    measured = list(evidence.measured())
    large = [
        index
        for index, properties in measured
        if min(properties.width_px, properties.height_px) >= THUMBNAIL_PX
        and not (properties.pixels is not None and is_blank(properties.pixels))
    ]
    if measured and not large:
        return Outcome.not_applicable(f"no photo has {THUMBNAIL_PX} px or more on its shorter side")
    note = "no edge is sharp ({:.2f}; sharp photos have 1.2 or more)"
    flagged = [
        FlaggedPhoto(index, note.format(value), -value)
        for index, value in _steepness_by_photo(evidence, large)
        if value < MAX_STEEPNESS
    ]
    return report_photos(evidence, flagged, num_judged=len(large), what="blurred")


def _steepness_by_photo(evidence: Evidence, indices: list[int]) -> Iterator[tuple[int, float]]:
    for start in range(0, len(indices), _BLOCK):
        block = indices[start : start + _BLOCK]
        grey = evidence.features.thumbnails.get([evidence.photos[i].content for i in block])
        yield from zip(block, steepness(grey).tolist(), strict=True)


def steepness(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How fast the brightness changes across the sharpest edges, independent of their contrast.

    At an edge blurred by a Gaussian, the ratio of second to first derivative gives the width of the
    Gaussian (Elder and Zucker, 1998). Here it is the ratio of the 99th percentiles of both.

    Args:
        thumbnails: uint8 ``(n, s, s)`` grey. Blur too small to show in them, or in one direction
            only, is not detected.

    Returns:
        float32 ``(n,)``, 0 or more, in 1 / pixel.
    """
    grey = thumbnails.astype(np.float32)
    up, down = grey[:, :-2, 1:-1], grey[:, 2:, 1:-1]
    left, right = grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]
    second = np.abs(up + down + left + right - 4 * grey[:, 1:-1, 1:-1])
    first = np.hypot(right - left, down - up) / 2
    slope, bend = (np.percentile(values, _PERCENTILE, axis=(1, 2)) for values in (first, second))
    return np.asarray(bend / (slope + _NOISE), np.float32)


BLURRED = Check(
    code="blurred",
    title="Blurred pictures",
    severity=Severity.info,
    remedy="Check whether what the class is about is still visible. If later photos will be "
    "blurred too, keep them, and have some in every class.",
    run=_run_blurred,
)
