"""Heat maps: how much each place of an image contributes to a prediction, and where that is.

`contrast` computes one from the class activation maps of a linear head, `occlude` from the outputs
of any network for partly covered images; `where` describes one in words.
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
Pixels = NDArray[np.uint8]
Run = Callable[[Pixels], NDArray[np.float32]]

_QUARTERS: Final = (
    ("upper left", "top", "upper right"),
    ("left", "middle", "right"),
    ("lower left", "bottom", "lower right"),
)
# Shares of the mass: in a quarter of the image (of a band across a half, the middle has 0.5) ...
_MOSTLY: Final = 0.55
_ALMOST_ALL: Final = 0.75  # ... and in a quarter or a half of it
_BATCH: Final = 16  # images in memory
_WINDOW: Final = 2  # cells along a side of a window, so that neighbouring windows overlap
# The resolution of float32 near 1: probabilities closer to 0 or 1 carry no information.
_LEAST: Final = float(np.finfo(np.float32).eps)


def contrast(maps: NDArray[np.float32], answered: int, against: int | None = None) -> Heat:
    """Contribution of each place to the log odds of the predicted class.

    The score of a class is the mean of its map over all places (class activation maps; Zhou et al.,
    "Learning Deep Features for Discriminative Localization", CVPR 2016). A single map is not
    enough: what raises all scores equally decides nothing. So the maps of the other classes are
    subtracted, each weighted by its share of their total probability; these weights are the
    gradient of the log odds. The remaining constant of the log odds, the entropy of the weights, is
    subtracted evenly, as the bias is spread evenly over a map. Therefore

    - the mean over all places is exactly the log odds of the class against all others;
    - with ``against``, or two classes, it is exactly the log of the ratio of two probabilities.

    Args:
        maps: float32 ``(k, h, w)``, contribution of each place to each of k scores, after
            temperature scaling.
        answered: Number of the predicted class.
        against: Number of the class to compare with; by default all others.

    Returns:
        float32 ``(h, w)`` in nats, positive where a place is evidence for the predicted class.
    """
    if against is not None:
        return np.asarray(maps[answered] - maps[against], np.float32)
    weights = _weights_of_others(maps, answered)
    entropy = -sum(weight * np.log(weight) for weight in weights if weight > 0)
    others = np.tensordot(weights, maps, axes=1)
    return np.asarray(maps[answered] - others - entropy, np.float32)


def where(heat: Heat) -> str:
    """Describe in words where the evidence for a prediction is.

    Each place is weighted by the square of its contribution, because a few high values stand out
    from many low ones of the same sum.

    Args:
        heat: float32 ``(h, w)``, positive where a place is evidence for the prediction.

    Returns:
        ``the middle`` or ``the lower half`` if it has three quarters of the weight, ``mostly the
        upper left`` if it has most, ``in several places`` if any quarter of all places has three
        quarters, else ``all over``; ``nowhere`` if no value is positive.
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
    """Share of each other class in the total probability of the others, ``(k,)``."""
    scores = maps.mean(axis=(1, 2), dtype=np.float64)
    scores[answered] = -np.inf
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum(), np.float64)


def _quarter_around(mass: NDArray[np.float64]) -> tuple[str, float]:
    """Of nine windows with half the sides, the one nearest to the centre of mass; and its mass."""
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
    """Mass in a window given in shares of the sides; places on its edge count in proportion."""
    rows, columns = (
        _overlap(n, *span)
        for n, span in zip(mass.shape, ((top, bottom), (left, right)), strict=True)
    )
    return float(matmul(rows, mass, columns))


def _overlap(num_places: int, start: float, end: float) -> NDArray[np.float64]:
    """Share of each place along a side that is between two points."""
    edges = np.clip(np.linspace(0, 1, num_places + 1), start, end)
    return np.asarray(np.diff(edges) * num_places, np.float64)


def _in_hottest_quarter(mass: NDArray[np.float64]) -> float:
    ranked = np.sort(mass, axis=None)[::-1]
    return float(ranked[: max(1, ranked.size // 4)].sum()) if ranked.size > 1 else 0.0


def occlude(pixels: Pixels, run: Run, answered: int, *, cells: int = 8) -> Heat:
    """Decrease of the log odds of the predicted class when each place is covered.

    A square window slides over the image in steps of half its side and covers it with the image's
    mean colour (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV
    2014). It extends half over the edges, so that four windows cover each cell; the cell's value is
    the mean of their four decreases.

    Args:
        pixels: uint8 ``(s, s, 3)``, at least one pixel per cell.
        run: From uint8 ``(n, s, s, 3)``, at most 16 images per call, to probabilities, float32
            ``(n, k)``, of two classes or more.
        answered: Number of the predicted class.
        cells: Cells along a side. The network is run on ``(cells + 1)² + 1`` images: 82 for 8.

    Returns:
        float32 ``(cells, cells)`` in nats, positive where a place is evidence for the class. It
        does not sum to the log odds: evidence that is in two places is not missed in either.

    Raises:
        UsageError: There are fewer pixels than cells.
    """
    if not 1 <= cells <= min(pixels.shape[:2]):
        raise UsageError(
            f"cells along a side are expected from 1 to {min(pixels.shape[:2])}, the number of "
            f"pixels. Received: cells={cells}."
        )
    log_odds = np.concatenate([_log_odds(run(b), answered) for b in _batches(pixels, cells)])
    drops = (log_odds[0] - log_odds[1:]).reshape(cells + 1, cells + 1)
    over = (drops[:-1, :-1] + drops[:-1, 1:] + drops[1:, :-1] + drops[1:, 1:]) / _WINDOW**2
    return np.asarray(over, np.float32)


def _batches(pixels: Pixels, cells: int) -> Iterator[Pixels]:
    """The image itself, then with each window covered, row by row."""
    windows = product(*(_spans(size, cells) for size in pixels.shape[:2]))
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


def _spans(size_px: int, cells: int) -> list[slice]:
    """The windows along a side; the outer ones are cut off by the edge."""
    edges = np.linspace(0, size_px, cells + 1).round().astype(int).tolist()
    starts = range(1 - _WINDOW, cells)
    return [slice(edges[max(0, s)], edges[min(cells, s + _WINDOW)]) for s in starts]


def _log_odds(probabilities: NDArray[np.float32], answered: int) -> NDArray[np.float64]:
    """Log odds of a class against all others, ``(n,)``, finite even for probabilities 0 and 1."""
    chosen = probabilities[:, answered].astype(np.float64)
    # The sum of the others, not 1 - chosen, which is inexact near 1.
    others = np.delete(probabilities, answered, axis=1).sum(axis=1, dtype=np.float64)
    return np.asarray(np.log(np.maximum(chosen, _LEAST)) - np.log(np.maximum(others, _LEAST)))
