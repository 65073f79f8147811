"""Draws some of many units by content and seed: the same ones whatever the files are called."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BYTES = 8  # of a hash


def drawn_ranks(keys: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """Put units into an order that depends on their keys and the seed alone.

    Args:
        keys: A key a unit.
        seed: Another seed, another order.

    Returns:
        int64 ``(u,)``, the place of each unit in the order.
    """
    text = "".join(hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()[:16] for key in keys)
    drawn = np.frombuffer(bytes.fromhex(text), f">u{_BYTES}")
    ranks = np.empty(len(drawn), np.int64)
    ranks[np.argsort(drawn, kind="stable")] = np.arange(len(drawn))
    return ranks


def draw_places(
    places: NDArray[np.int64],
    units: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    most: int,
) -> NDArray[np.int64]:
    """Draw whole units until there are about ``most`` images, or all of them.

    Args:
        places: int64 ``(m,)``, the images to choose from.
        units: int64 ``(n,)``, the unit of every image.
        ranks: int64 ``(u,)``, the order in which units are drawn.
        most: How many images are wanted; the last unit may exceed it.

    Returns:
        int64 ``(at least min(m, most),)``, in the order of ``places``.
    """
    if len(places) <= most:
        return places
    drawn = ranks[units[places]]
    last = int(np.partition(drawn, most - 1)[most - 1])
    return np.asarray(places[drawn <= last], np.int64)
