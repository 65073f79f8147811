"""Do two thumbnails show the same picture, up to re-encoding, scale, mirroring and cropping?

Two steps, because the first is cheap and the second is sure:

1. *Windows.* Each thumbnail is described by 49 windows of it (the whole, and what a crop of 10 or
   20 % would have left), each averaged to 16×16 and normalised. A picture matches a crop of another
   where its whole correlates with one of the other's windows. This costs one matrix product.
2. *Registration.* From the best window on, an affine map is fitted by enhanced correlation
   (Evangelidis and Psarakis, 2008, in OpenCV), and what counts is the correlation of the *details*
   (a band-pass) under that map. Copies keep their details wherever they came from; two photos of
   one scene share light and layout, but not the details.

One face, once happy and once sad before the same wall, correlates by up to 0.99. What has to be
alike in every place, and not only as a whole, is compared place by place too (``everywhere``).

The thresholds are measured by ``benchmarks/duplicates.py``: of 3,470 real photos, no two different
ones reach them (0.957 is the most), and copies seldom stay below 0.97.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Correlation of the best window from which on a pair is registered.
WINDOW_CORRELATION = 0.75
#: Correlation of the details from which on two pictures are the same.
DETAIL_CORRELATION = 0.96
#: Agreement of the place that agrees least from which on two pictures are the same everywhere.
PLACE_AGREEMENT = 0.85

_GRID = 16
_SPANS = ((0.0, 1.0), *((start * 0.1, 0.9) for start in (0, 0.5, 1)))
_SPANS = (*_SPANS, *((start * 0.2, 0.8) for start in (0, 0.5, 1)))
_WINDOWS = tuple(product(_SPANS, _SPANS))
_BAND_PX = (1.0, 5.0)  # standard deviations of the two Gaussians whose difference is the band
_MARGIN_PX = 4
_PLACE_PX = 9
_PLACE_FLOOR = 0.1  # of the mean energy: below it, a place is as good as flat
_ECC_BLUR_PX = 3
_MAX_SHEAR = 0.06
_SCALES = (0.5, 1.2)

Grey = NDArray[np.uint8]
Values = NDArray[np.float32]


class _Match(NamedTuple):
    correlation: float
    window: int
    part: Grey  # the thumbnail that is a window of
    whole: Grey  # this one


def describe(thumbnails: Grey) -> Values:
    """Describe thumbnails by their windows.

    Args:
        thumbnails: uint8 ``(n, s, s)``.

    Returns:
        float32 ``(n, 49, 256)``, each row of mean 0 and length 1 (0 where the window is flat).
    """
    sample = _samplers(thumbnails.shape[1])
    rows = np.einsum("hgt,ntu->nhgu", sample, thumbnails.astype(np.float32), optimize=True)
    windows = np.einsum("nhgu,kcu->nhkgc", rows, sample, optimize=True)
    flat = windows.reshape(len(thumbnails), len(_WINDOWS), _GRID * _GRID)
    centred = flat - flat.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-3), np.float32)


def same_picture(
    a: Grey, b: Grey, described_a: Values, described_b: Values, *, everywhere: bool = False
) -> float:
    """How sure it is that two thumbnails show one picture.

    Args:
        a: uint8 ``(s, s)``.
        b: uint8 ``(s, s)``.
        described_a: float32 ``(49, 256)``, from `describe`.
        described_b: float32 ``(49, 256)``.
        everywhere: Whether a single place that differs (a mouth) makes them different.

    Returns:
        The correlation of their details, -1 to 1, where they are worth registering; else 0. They
        are the same from `DETAIL_CORRELATION` on.
    """
    if _best_window(described_a, described_b) < WINDOW_CORRELATION:
        return 0.0
    match = max(_candidates(a, b, described_a, described_b), key=lambda m: m.correlation)
    part, mapped = _register(match)
    if everywhere and _least_agreement(part, mapped) < PLACE_AGREEMENT:
        return 0.0
    return _correlate(part, mapped)


def _best_window(of_a: Values, of_b: Values) -> float:
    """The largest correlation among the candidates, without making them: most pairs end here."""
    wholes_a = np.stack([of_a[0], _mirror(of_a[0])])
    wholes_b = np.stack([of_b[0], _mirror(of_b[0])])
    return float(max((wholes_a @ of_b.T).max(), (wholes_b @ of_a.T).max()))


def _candidates(a: Grey, b: Grey, of_a: Values, of_b: Values) -> list[_Match]:
    """Each as a window of the other, as it is and mirrored."""

    def best(whole_of_part: Values, windows: Values, part: Grey, whole: Grey) -> _Match:
        correlations = windows @ whole_of_part
        window = int(correlations.argmax())
        return _Match(float(correlations[window]), window, part, whole)

    return [
        best(of_a[0], of_b, a, b),
        best(of_b[0], of_a, b, a),
        best(_mirror(of_a[0]), of_b, a[:, ::-1], b),
        best(_mirror(of_b[0]), of_a, b[:, ::-1], a),
    ]


def _mirror(described: Values) -> Values:
    return described.reshape(_GRID, _GRID)[:, ::-1].reshape(-1)


def _register(match: _Match) -> tuple[Values, Values]:
    """The details of the part, and those of the whole mapped onto it."""
    import cv2

    part = np.ascontiguousarray(match.part, np.float32)
    whole = np.ascontiguousarray(match.whole, np.float32)
    mapped = cv2.warpAffine(
        whole,
        _fit_map(part, whole, _window_map(match.window, len(part))),
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


def _window_map(window: int, size_px: int) -> NDArray[np.float32]:
    """The affine map from a thumbnail's pixels to the window's, as OpenCV wants it, ``(2, 3)``."""
    (y, height), (x, width) = _WINDOWS[window]
    half = 0.5
    return np.array(
        [
            [width, 0, x * size_px + width * half - half],
            [0, height, y * size_px + height * half - half],
        ],
        np.float32,
    )


@cache
def _samplers(size_px: int) -> NDArray[np.float32]:
    """Matrices ``(7, 16, size_px)`` that average a span of a line into 16 cells, by area."""
    matrices = np.zeros((len(_SPANS), _GRID, size_px), np.float32)
    pixels = np.arange(size_px)
    for matrix, (start, length) in zip(matrices, _SPANS, strict=True):
        edges = (start + length * np.arange(_GRID + 1) / _GRID) * size_px
        for cell, (low, high) in enumerate(pairwise(edges)):
            matrix[cell] = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    return np.asarray(matrices / matrices.sum(axis=-1, keepdims=True), np.float32)
