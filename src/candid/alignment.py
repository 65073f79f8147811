"""Do two thumbnails show the same picture, up to re-encoding, scale, mirroring and cropping?

From the window on that `candid.windows` found, an affine map is fitted by enhanced correlation
(Evangelidis and Psarakis, 2008, in OpenCV), and what counts is the correlation of the *details* (a
band-pass) under that map. Copies keep their details wherever they came from; two photos of one
scene share light and layout, but not the details.

One face, once happy and once sad before the same wall, correlates by up to 0.99. What has to be
alike in every place, and not only as a whole, is compared place by place too (``everywhere``).

The thresholds are measured by ``benchmarks/duplicates.py``: of 3,470 real photos, no two different
ones reach them (0.957 is the most), and copies seldom stay below 0.97.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from candid.windows import Grey, Match, window_map

#: Correlation of the details from which on two pictures are the same.
DETAIL_CORRELATION = 0.96
#: Agreement of the place that agrees least from which on two pictures are the same everywhere.
PLACE_AGREEMENT = 0.85

_BAND_PX = (1.0, 5.0)  # standard deviations of the two Gaussians whose difference is the band
_MARGIN_PX = 4
_PLACE_PX = 9
_PLACE_FLOOR = 0.1  # of the mean energy: below it, a place is as good as flat
_ECC_BLUR_PX = 3
_MAX_SHEAR = 0.06
_SCALES = (0.5, 1.2)

Values = NDArray[np.float32]


def detail_correlation(a: Grey, b: Grey, match: Match, *, everywhere: bool = False) -> float:
    """How sure it is that two thumbnails show one picture.

    Args:
        a: uint8 ``(s, s)``.
        b: uint8 ``(s, s)``.
        match: How they lie upon each other, from `candid.windows.match_pairs`.
        everywhere: Whether a single place that differs (a mouth) makes them different.

    Returns:
        The correlation of their details, -1 to 1; 0 where they have to be alike everywhere and are
        not. They are the same from `DETAIL_CORRELATION` on.
    """
    part, whole = (a, b) if match.in_second else (b, a)
    details, mapped = _register(
        np.ascontiguousarray(part[:, ::-1] if match.mirrored else part, np.float32),
        np.ascontiguousarray(whole, np.float32),
        window_map(match.window, len(part)),
    )
    if everywhere and _least_agreement(details, mapped) < PLACE_AGREEMENT:
        return 0.0
    return _correlate(details, mapped)


def _register(part: Values, whole: Values, start: Values) -> tuple[Values, Values]:
    """The details of the part, and those of the whole mapped onto it."""
    import cv2

    mapped = cv2.warpAffine(
        whole,
        _fit_map(part, whole, start),
        (len(part), len(part)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _details(part), _details(mapped)


def _fit_map(part: Values, whole: Values, start: Values) -> Values:
    """The affine map that lays the whole onto its part; ``start`` where none can be trusted."""
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)
    try:
        _, fitted = cv2.findTransformECC(
            part, whole, start.copy(), cv2.MOTION_AFFINE, stop, None, _ECC_BLUR_PX
        )
    except cv2.error as error:
        if error.code != cv2.Error.StsNoConv:
            raise
        return start  # as on a smooth sky: the window itself has to do
    (x_scale, x_shear, _), (y_shear, y_scale, _) = fitted
    sheared = max(abs(x_shear), abs(y_shear)) > _MAX_SHEAR
    scaled = min(x_scale, y_scale) < _SCALES[0] or max(x_scale, y_scale) > _SCALES[1]
    return start if sheared or scaled else np.asarray(fitted, np.float32)


def _details(values: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    fine, coarse = (cv2.GaussianBlur(values, (0, 0), sigma) for sigma in _BAND_PX)
    inner = slice(_MARGIN_PX, -_MARGIN_PX)
    return np.asarray((fine - coarse)[inner, inner], np.float32)


def _correlate(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def _least_agreement(a: Values, b: Values) -> float:
    """How alike the places are that are least alike: 1 where they are the same, 0 for unrelated."""
    import cv2

    a, b = ((v - v.mean()) / max(float(v.std()), 1e-6) for v in (a, b))
    size = (_PLACE_PX, _PLACE_PX)
    difference = cv2.blur((a - b) ** 2, size)
    energy = cv2.blur(a * a + b * b, size)
    inner = slice(_PLACE_PX // 2, -(_PLACE_PX // 2))
    return 1 - float((difference / (energy + 2 * _PLACE_FLOOR))[inner, inner].max())
