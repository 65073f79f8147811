"""What each place of a picture adds to the answer, for any network: cover it and ask again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import UsageError
from candid.explaining.heat_map import Heat

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
