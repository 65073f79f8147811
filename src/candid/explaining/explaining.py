"""Explains the answers of a run, from its own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.artifact import NEIGHBOURS, SPLIT
from candid.explaining.explanation import Explanation, Similar
from candid.explaining.heat_map import Heat, contrast, where
from candid.explaining.occlusion import occlude
from candid.explaining.similar import Neighbours

if TYPE_CHECKING:
    from candid.outputs import Outputs

#: How many similar training photos are named.
NUM_SIMILAR: Final = 3

Pixels = NDArray[np.uint8]


class Explainer:
    """Says what answers rest on; the run's files are read when it is first asked."""

    def __init__(self, run: Path | None) -> None:
        """Remember where the run is.

        Args:
            run: Its folder, whose files were checked; None where there is none, and so no photos.
        """
        self._run = run

    def explain(
        self,
        pixels: Pixels,
        outputs: Outputs,
        chosen: NDArray[np.int64],
        *,
        run: Callable[[Pixels], Outputs],
    ) -> list[Explanation]:
        """Explain the answers to n images.

        Args:
            pixels: uint8 ``(n, s, s, 3)``.
            outputs: What the graph said of them, with its heat map if it has one.
            chosen: int64 ``(n,)``, the class that was answered.
            run: Runs the graph; asked some 80 times an image where it has no heat map.
        """
        similar = self._similar(outputs.embedding)
        heats = [
            heat_of(pixels[place], outputs, place, int(number), run=run)
            for place, number in enumerate(chosen)
        ]
        return [
            Explanation(heat, where(heat), row) for heat, row in zip(heats, similar, strict=True)
        ]

    def prepare(self) -> None:
        """Read what is read from the run, while it is the run that was loaded."""
        if self._neighbours is not None:
            _ = self._photos

    def _similar(self, embeddings: NDArray[np.float32]) -> Sequence[tuple[Similar, ...]]:
        if self._neighbours is None:
            return [()] * len(embeddings)
        found = self._neighbours.search(embeddings, count=NUM_SIMILAR)
        return [
            tuple(Similar(*self._photos[near.content], near.similarity) for near in row)
            for row in found
        ]

    @cached_property
    def _neighbours(self) -> Neighbours | None:
        if self._run is None or not (self._run / NEIGHBOURS).is_file():
            return None
        return Neighbours.from_bytes((self._run / NEIGHBOURS).read_bytes())

    @cached_property
    def _photos(self) -> dict[str, tuple[str, str]]:
        """Path and class by content."""
        from candid.split_file import read_csv

        if self._run is None:
            return {}
        rows = read_csv(self._run / SPLIT).rows
        return {row.content: (row.path, row.label) for row in rows if row.part}


def heat_of(
    pixels: Pixels,
    outputs: Outputs,
    place: int,
    answered: int,
    *,
    run: Callable[[Pixels], Outputs],
    against: int | None = None,
) -> Heat:
    """What each place of a picture adds to the log odds of an answer.

    Args:
        pixels: uint8 ``(s, s, 3)``.
        outputs: What the graph said of several.
        place: Which of them this picture is.
        answered: The class.
        run: Runs the graph, where it has no heat map.
        against: The class to hold it against; by default all others.

    Returns:
        float32 ``(h, w)``.
    """
    if outputs.heatmap is not None:
        return contrast(outputs.heatmap[place], answered, against)
    return occlude(pixels, lambda many: run(many).probabilities, answered)
