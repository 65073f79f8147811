"""Whether two thumbnails show the same picture, up to re-encoding, scale, mirroring and cropping.

First `match_pairs` finds the window of one thumbnail that the whole of the other correlates with
best. Windows are the whole and what a crop of 10 or 20 % leaves, 49 in all, each averaged to 16×16
and normalised. These descriptors are large (50 kB), so each is computed once, used for all
candidates of its picture in one matrix product, and dropped.

From that window, `compare_details` fits an affine map by enhanced correlation (Evangelidis and
Psarakis, 2008, in OpenCV) and correlates the details (a band-pass) under it. Copies share their
details; two photos of one scene share light and layout only. As the same face happy and sad before
one wall correlates by up to 0.99, photos of different classes are compared place by place too.

Thresholds are measured by ``benchmarks/duplicates.py``: no two different ones of 3,470 real photos
reach them (the most is 0.957), and copies are seldom below 0.97.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.core.stored_rows import MANY_ROWS

#: Least correlation with the best window of a candidate.
WINDOW_CORRELATION = 0.75
#: Least correlation of the details of the same picture.
DETAIL_CORRELATION = 0.96
#: Least agreement, at the place that agrees least, of the same picture.
PLACE_AGREEMENT = 0.85

_GRID = 16
_SPANS = ((0.0, 1.0), *((start * 0.1, 0.9) for start in (0, 0.5, 1)))
_SPANS = (*_SPANS, *((start * 0.2, 0.8) for start in (0, 0.5, 1)))
_WINDOWS = tuple(product(_SPANS, _SPANS))
_ROUNDING = 1e-5
_BLOCK = 256  # pictures described at a time

_BAND_PX = (1.0, 5.0)  # standard deviations of the two Gaussians whose difference is the band
_MARGIN_PX = 4
_PLACE_PX = 9
_PLACE_FLOOR = 0.1  # of the mean energy: a place below it counts as flat
_ECC_BLUR_PX = 3
_MAX_SHEAR = 0.06
_SCALES = (0.5, 1.2)

Grey = NDArray[np.uint8]
Values = NDArray[np.float32]
#: Returns thumbnails, uint8 ``(k, s, s)``, for numbers of pictures, int64 ``(k,)``.
Take = Callable[[NDArray[np.int64]], Grey]


class Match(NamedTuple):
    """The best alignment of a pair of pictures, of which one is like a window of the other."""

    correlation: float  # -1 to 1
    window: int  # 0 (the whole) to 48
    in_second: bool  # whether the first picture is the window of the second, or the other way round
    mirrored: bool  # whether the one that is the window is flipped left to right


@dataclass(frozen=True)
class Matches:
    """A `Match` for each of k pairs; its fields as arrays ``(k,)``."""

    correlation: Values
    window: NDArray[np.int8]
    in_second: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]

    def __getitem__(self, pair: int) -> Match:
        fields = (self.correlation, self.window, self.in_second, self.mirrored)
        return Match(*(values[pair].item() for values in fields))


def match_pairs(pairs: NDArray[np.int64], take: Take) -> Matches:
    """Find the best alignment of each pair of pictures, int64 ``(k, 2)``."""
    pictures, places = np.unique(pairs, return_inverse=True)
    places = places.reshape(pairs.shape)
    wholes = _describe_wholes(pictures, take)
    # Of each pair first the windows of the second picture, then of the first.
    owners, others = places[:, ::-1].ravel(), places.ravel()
    correlation = np.zeros((len(owners), 2), np.float32)  # plain, mirrored
    window = np.zeros(correlation.shape, np.int8)
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(len(pictures) + 1))
    for start in range(0, len(pictures), _BLOCK):
        described = describe(take(pictures[start : start + _BLOCK]))
        for place, windows in enumerate(described, start):
            here = order[ends[place] : ends[place + 1]]
            wanted = wholes[others[here]].astype(np.float32, copy=False)
            correlation[here], window[here] = _best_windows(wanted, windows)
    at = np.arange(len(pairs)), _first_of_largest(_by_way(correlation))
    return Matches(
        _by_way(correlation)[at],
        _by_way(window)[at],
        in_second=at[1] % 2 == 0,
        mirrored=at[1] >= 2,
    )


def _by_way(values: NDArray[Any]) -> NDArray[Any]:
    """Per pair: plain in the second, in the first, then mirrored; from rows of plain, mirrored."""
    return values.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)


def _best_windows(wholes: Values, windows: Values) -> tuple[Values, NDArray[np.int64]]:
    """Correlation and number of the best window, plain and mirrored, each ``(k, 2)``."""
    mirrored = wholes.reshape(-1, _GRID, _GRID)[:, :, ::-1].reshape(wholes.shape)
    products = matmul(np.concatenate([wholes, mirrored]), windows.T)
    best = products.max(axis=1), _first_of_largest(products)
    return best[0].reshape(2, -1).T, best[1].reshape(2, -1).T


def _first_of_largest(values: Values) -> NDArray[np.int64]:
    """The first index along the last axis that is the maximum up to rounding.

    Of two copies each is the other's window 0, equally well: which one is mapped onto the other
    must not depend on how a sum was rounded.
    """
    largest = values >= values.max(axis=-1, keepdims=True) - _ROUNDING
    return np.asarray(largest.argmax(axis=-1), np.int64)


def describe(thumbnails: Grey) -> Values:
    """Descriptors of the windows of thumbnails, uint8 ``(n, s, s)``.

    Returns:
        float32 ``(n, 49, 256)``, each row of mean 0 and length 1 (0 for a flat window). The first
        row is of the whole.
    """
    cells = _average(thumbnails, _samplers(thumbnails.shape[1]))
    return _normalise(cells.reshape(len(thumbnails), len(_WINDOWS), _GRID * _GRID))


def _average(thumbnails: Grey, samplers: Values) -> Values:
    """Average by each of m spans in both directions: float32 ``(n, m, m, 16, 16)``.

    In two large products: NumPy hands over a stack of small ones one by one, and to wait for a
    second thread at each takes ten times as long.
    """
    count, size = thumbnails.shape[:2]
    turned = samplers.reshape(-1, size).T
    across = matmul(thumbnails.reshape(-1, size).astype(np.float32), turned)
    columns = np.ascontiguousarray(across.reshape(count, size, -1).swapaxes(1, 2))
    cells = matmul(columns.reshape(-1, size), turned)
    shape = count, len(samplers), _GRID, len(samplers), _GRID
    return cells.reshape(shape).transpose(0, 3, 1, 4, 2)


def _describe_wholes(pictures: NDArray[np.int64], take: Take) -> NDArray[np.floating]:
    """The first row of each descriptor, ``(n, 256)``."""
    dtype = np.float16 if len(pictures) > MANY_ROWS else np.float32  # the largest array of all
    wholes = np.empty((len(pictures), _GRID * _GRID), dtype)
    for start in range(0, len(pictures), _BLOCK):
        thumbnails = take(pictures[start : start + _BLOCK])
        cells = _average(thumbnails, _samplers(thumbnails.shape[1])[:1])
        wholes[start : start + _BLOCK] = _normalise(cells.reshape(len(cells), -1))
    return wholes


def _normalise(rows: Values) -> Values:
    centred = rows - rows.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-3), np.float32)


def window_map(window: int, size_px: int) -> NDArray[np.float32]:
    """OpenCV's affine map ``(2, 3)`` from a thumbnail's pixels to the window's."""
    (y, height), (x, width) = _WINDOWS[window]
    x_offset, y_offset = x * size_px + width * 0.5 - 0.5, y * size_px + height * 0.5 - 0.5
    return np.array([[width, 0, x_offset], [0, height, y_offset]], np.float32)


@cache
def _samplers(size_px: int) -> NDArray[np.float32]:
    """Matrices ``(7, 16, size_px)`` that average a span of a line into 16 cells by area."""
    matrices = np.zeros((len(_SPANS), _GRID, size_px), np.float32)
    pixels = np.arange(size_px)
    for matrix, (start, length) in zip(matrices, _SPANS, strict=True):
        edges = (start + length * np.arange(_GRID + 1) / _GRID) * size_px
        for cell, (low, high) in enumerate(pairwise(edges)):
            matrix[cell] = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    return np.asarray(matrices / matrices.sum(axis=-1, keepdims=True), np.float32)


class Likeness(NamedTuple):
    """How alike the details of two aligned pictures are."""

    correlation: float  # -1 to 1
    agreement: float  # at the place that agrees least: 1 for the same, about 0 for unrelated ones

    def of_copy(self, *, everywhere: bool) -> float:
        """The correlation; the same picture from `DETAIL_CORRELATION`.

        With ``everywhere`` it is 0 if they differ in a single place, such as the mouth.
        """
        return 0.0 if everywhere and self.agreement < PLACE_AGREEMENT else self.correlation


def compare_details(a: Grey, b: Grey, match: Match) -> Likeness:
    """Compare the details of two aligned thumbnails, uint8 ``(s, s)``."""
    part, whole = (a, b) if match.in_second else (b, a)
    details, mapped = _register(
        np.ascontiguousarray(part[:, ::-1] if match.mirrored else part, np.float32),
        np.ascontiguousarray(whole, np.float32),
        window_map(match.window, len(part)),
    )
    return Likeness(_correlate(details, mapped), _least_agreement(details, mapped))


def _register(part: Values, whole: Values, start: Values) -> tuple[Values, Values]:
    """The details of the part, and of the whole mapped onto it."""
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
    """Fit the affine map from the part to the whole; ``start`` if the fit is implausible."""
    import cv2

    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-3)
    try:
        _, fitted = cv2.findTransformECC(
            part, whole, start.copy(), cv2.MOTION_AFFINE, stop, None, _ECC_BLUR_PX
        )
    except cv2.error as error:
        if error.code != cv2.Error.StsNoConv:
            raise
        return start  # too smooth to register, such as a sky
    (x_scale, x_shear, _), (y_shear, y_scale, _) = fitted
    sheared = max(abs(x_shear), abs(y_shear)) > _MAX_SHEAR
    scaled = min(x_scale, y_scale) < _SCALES[0] or max(x_scale, y_scale) > _SCALES[1]
    return start if sheared or scaled else np.asarray(fitted, np.float32)


def _details(values: Values) -> Values:
    import cv2

    fine, coarse = (cv2.GaussianBlur(values, (0, 0), sigma) for sigma in _BAND_PX)
    inner = slice(_MARGIN_PX, -_MARGIN_PX)
    return np.asarray((fine - coarse)[inner, inner], np.float32)


def _correlate(a: Values, b: Values) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def _least_agreement(a: Values, b: Values) -> float:
    """See `Likeness.agreement`."""
    import cv2

    a, b = ((v - v.mean()) / max(float(v.std()), 1e-6) for v in (a, b))
    size = (_PLACE_PX, _PLACE_PX)
    difference = cv2.blur((a - b) ** 2, size)
    energy = cv2.blur(a * a + b * b, size)
    inner = slice(_PLACE_PX // 2, -(_PLACE_PX // 2))
    return 1 - float((difference / (energy + 2 * _PLACE_FLOOR))[inner, inner].max())
