"""What each place of a picture adds to the answer, for any network: cover it and ask again.

What each place of a picture adds to the answer, and where that is, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.errors import UsageError

Heat = NDArray[np.float32]

_QUARTERS: Final = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)
# Of all the mass in a quarter of the picture; a band across a half of it has 0.5 in the middle.
_MOSTLY: Final = 0.55
_ALMOST_ALL: Final = 0.75  # in a quarter or a half of it


def contrast(maps: NDArray[np.float32], answered: int, against: int | None = None) -> Heat:
    """What each place adds to the score of the answered class beyond the others' scores.

    The score of a class is the mean over the places of its map (class activation maps; Zhou et al.,
    "Learning Deep Features for Discriminative Localization", CVPR 2016). A map alone says little:
    what raises all scores alike decides nothing. From the answered class's map the others' are
    therefore taken away, each weighted by its share of the probability that is not the answered
    class's. These weights are the gradient of the log odds, so no other choice tells better what a
    change at a place would do. What remains of the log odds is one number for the whole picture,
    the entropy of the weights; it is taken away evenly, as the bias is spread evenly over a map. So

    - the mean over all places is exactly the log odds of the answered class, against all others;
    - with ``against``, or two classes, it is exactly the log of the ratio of two probabilities.

    Args:
        maps: float32 ``(k, h, w)``, what each place adds to each of k scores; of a calibrated
            classifier, divided by its temperature.
        answered: The number of the answered class.
        against: The number of another class, to explain why it was not that one. None: all others.

    Returns:
        float32 ``(h, w)`` in nats, positive where the place speaks for the answered class.
    """
    if against is not None:
        return np.asarray(maps[answered] - maps[against], np.float32)
    weights = _weights_of_others(maps, answered)
    entropy = -sum(weight * np.log(weight) for weight in weights if weight > 0)
    others = np.tensordot(weights, maps, axes=1)
    return np.asarray(maps[answered] - others - entropy, np.float32)


def where(heat: Heat) -> str:
    """Say where the evidence for an answer is, as a person would who sees it drawn.

    A place counts by the square of what it adds: many lukewarm places may add as much as a few hot
    ones, yet it is these that stand out.

    Args:
        heat: float32 ``(h, w)`` of at least one place, positive where it speaks for the answer.

    Returns:
        Words that complete "what spoke for it is …": ``the middle`` or ``the lower half`` if three
        quarters are there, ``mostly the upper left`` if most is, ``in several places`` if three
        quarters are in some quarter of all places, else ``all over``; or ``nowhere`` if no place
        speaks for the answer.
    """
    evidence = np.maximum(heat, 0).astype(np.float64)
    if not evidence.any():
        return "nowhere"
    mass = (evidence / evidence.max()) ** 2
    mass /= mass.sum()
    quarter, in_quarter = _quarter_around(mass)
    if in_quarter >= _ALMOST_ALL:
        return f"the {quarter}"
    if in_quarter >= _MOSTLY:
        return f"mostly the {quarter}"
    half, in_half = max(_halves(mass), key=lambda named: named[1])
    if in_half >= _ALMOST_ALL:
        return f"the {half} half"
    return "in several places" if _in_hottest_quarter(mass) >= _ALMOST_ALL else "all over"


def _weights_of_others(maps: NDArray[np.float32], answered: int) -> NDArray[np.float64]:
    """Each class's share of the probability that is not the answered one's, ``(k,)``."""
    scores = maps.mean(axis=(1, 2), dtype=np.float64)
    scores[answered] = -np.inf
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum(), np.float64)


def _quarter_around(mass: NDArray[np.float64]) -> tuple[str, float]:
    """Of nine windows, half as high and wide as the picture, the one around the centre of mass."""
    down, across = (
        float(matmul(np.arange(n) + 0.5, mass.sum(axis=1 - axis))) / n
        for axis, n in enumerate(mass.shape)
    )
    row, column = (int(np.clip(round(4 * centre - 1), 0, 2)) for centre in (down, across))
    inside = _mass_within(mass, row / 4, row / 4 + 0.5, column / 4, column / 4 + 0.5)
    return _QUARTERS[row][column], inside


def _halves(mass: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    yield "upper", _mass_within(mass, 0, 0.5, 0, 1)
    yield "lower", _mass_within(mass, 0.5, 1, 0, 1)
    yield "left", _mass_within(mass, 0, 1, 0, 0.5)
    yield "right", _mass_within(mass, 0, 1, 0.5, 1)


def _mass_within(
    mass: NDArray[np.float64], top: float, bottom: float, left: float, right: float
) -> float:
    """The mass in a window in shares of the sides; places on its edge count by their area in it."""
    rows, columns = (
        _overlap(n, *span)
        for n, span in zip(mass.shape, ((top, bottom), (left, right)), strict=True)
    )
    return float(matmul(rows, mass, columns))


def _overlap(num_places: int, start: float, end: float) -> NDArray[np.float64]:
    """How much of each place along a side lies between two points of it."""
    edges = np.clip(np.linspace(0, 1, num_places + 1), start, end)
    return np.asarray(np.diff(edges) * num_places, np.float64)


def _in_hottest_quarter(mass: NDArray[np.float64]) -> float:
    ranked = np.sort(mass, axis=None)[::-1]
    return float(ranked[: max(1, ranked.size // 4)].sum()) if ranked.size > 1 else 0.0


Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], NDArray[np.float32]]

_BATCH: Final = 16  # pictures in memory at a time
_WINDOW: Final = 2  # cells that a window is high and wide, so that neighbouring windows overlap
# The least that a float32 next to 1 can tell: a probability nearer to 0 or 1 says no more.
_LEAST: Final = float(np.finfo(np.float32).eps)


def occlude(pixels: Pixels, run: Run, answered: int, *, cells: int = 8) -> Heat:
    """What covering each place takes from the answer.

    A square slides over the picture in steps of half its side and covers what is below it with the
    picture's mean colour (Zeiler and Fergus, "Visualizing and Understanding Convolutional
    Networks", ECCV 2014). It goes half over the edges, so that every cell is covered by four
    windows; its heat is the mean of what these four took from the log odds of the answer.

    Args:
        pixels: uint8 ``(s, s, 3)``, at least one pixel a cell.
        run: From uint8 ``(n, s, s, 3)``, at most 16 pictures a call, to probabilities, float32
            ``(n, k)``, of two classes or more.
        answered: The number of the answered class.
        cells: Cells along a side. The network sees ``(cells + 1)² + 1`` pictures: 82 for 8.

    Returns:
        float32 ``(cells, cells)`` in nats, positive where the place speaks for the answered class.
        It does not sum to the log odds: what either of two places shows is missed with neither.

    Raises:
        UsageError: There are fewer pixels than cells.
    """
    if not 1 <= cells <= min(pixels.shape[:2]):
        raise UsageError(
            f"a picture is covered in 1 to {min(pixels.shape[:2])} cells along a side, no more "
            f"than it has pixels. Received: cells={cells}."
        )
    log_odds = np.concatenate([_log_odds(run(some), answered) for some in _batches(pixels, cells)])
    drops = (log_odds[0] - log_odds[1:]).reshape(cells + 1, cells + 1)
    over = (drops[:-1, :-1] + drops[:-1, 1:] + drops[1:, :-1] + drops[1:, 1:]) / _WINDOW**2
    return np.asarray(over, np.float32)


def _batches(pixels: Pixels, cells: int) -> Iterator[Pixels]:
    """The picture as it is, and once for each window, a few at a time."""
    windows = _windows(pixels.shape[0], pixels.shape[1], cells)
    colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
    pending = [pixels]
    for rows, columns in windows:
        if len(pending) == _BATCH:
            yield np.stack(pending)
            pending.clear()
        covered = pixels.copy()
        covered[rows, columns] = colour
        pending.append(covered)
    yield np.stack(pending)


def _windows(height: int, width: int, cells: int) -> Iterator[tuple[slice, slice]]:
    """Every window, row by row; the outer ones are cut off by the edge."""
    downwards, across = (_spans(size, cells) for size in (height, width))
    return product(downwards, across)


def _spans(size_px: int, cells: int) -> list[slice]:
    edges = np.linspace(0, size_px, cells + 1).round().astype(int).tolist()
    starts = range(1 - _WINDOW, cells)
    return [slice(edges[max(0, s)], edges[min(cells, s + _WINDOW)]) for s in starts]


def _log_odds(probabilities: NDArray[np.float32], answered: int) -> NDArray[np.float64]:
    """Of the answered class against all others, ``(n,)``, finite where a probability is 0 or 1."""
    chosen = probabilities[:, answered].astype(np.float64)
    # The others' sum rather than 1 minus the chosen one: exact also where this is nearly 1.
    others = np.delete(probabilities, answered, axis=1).sum(axis=1, dtype=np.float64)
    return np.asarray(np.log(np.maximum(chosen, _LEAST)) - np.log(np.maximum(others, _LEAST)))
