"""Accuracies, differences and p-values of runs on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from candid.comparing.comparison import LEVEL, Compared, Pair
from candid.comparing.difference import difference
from candid.comparing.holm import holm
from candid.comparing.joining import Joined
from candid.comparing.mcnemar import mcnemar
from candid.comparing.sample_size import photos_needed
from candid.evaluation.figures import Figure, proportion


def measure(joined: Joined, names: Sequence[str]) -> Compared:
    """Compare every run with every later one.

    Args:
        joined: What they answered to at least one image.
        names: Of the runs.
    """
    pairs = [
        _pair((names[a], names[b]), joined.hits[a], joined.hits[b], joined.groups)
        for a, b in combinations(range(len(names)), 2)
    ]
    corrected = holm([pair.p for pair in pairs])
    # Without images, of which there are some, there would be no figure.
    accuracies = [proportion(hits, joined.groups) for hits in joined.hits]
    return Compared(
        joined.estimate,
        joined.num_images,
        joined.num_pictures,
        tuple(accuracy for accuracy in accuracies if accuracy is not None),
        tuple(
            replace(pair, p_corrected=p, photos_needed=_photos_needed(pair, LEVEL / len(pairs)))
            for pair, p in zip(pairs, corrected, strict=True)
        ),
    )


def _pair(
    names: tuple[str, str],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> Pair:
    """Two runs by themselves, of which the hits are bool ``(n,)``."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    p = mcnemar(first, second, groups)
    return Pair(*names, only_first, only_second, _interval(first, second, groups, p), p, p, None)


def _photos_needed(pair: Pair, level: float) -> int | None:
    if pair.only_first == pair.only_second:
        return None
    discordant = (pair.only_first + pair.only_second) / pair.difference.n
    return photos_needed(difference=pair.difference.value, discordant=discordant, level=level)


def _interval(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64], p: float
) -> Figure:
    """The difference with an interval that does not contradict the test.

    Where few groups differ the bootstrap's interval is too narrow; unless the exact test excludes
    0, it reaches it.
    """
    figure = difference(first, second, groups)
    if p < LEVEL:
        return figure
    return replace(figure, low=min(figure.low, 0.0), high=max(figure.high, 0.0))
