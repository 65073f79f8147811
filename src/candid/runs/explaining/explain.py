"""Explains the answers of a run, from its own files.

What an answer rests on, as values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.runs.artifact import NEIGHBOURS, SPLIT
from candid.runs.explaining.heat_map import Heat, contrast, occlude, where
from candid.runs.explaining.similar import Neighbours

if TYPE_CHECKING:
    from candid.models.outputs import Outputs

_DECIMALS: Final = 4
#: As similar as this are only photos of the same picture; the page has it too, in words.js.
_COPY: Final = 0.99


@dataclass(frozen=True)
class Similar:
    """A training photo that looks alike to the network.

    Attributes:
        path: The photo, relative to the data folder, with forward slashes.
        label: Its class.
        similarity: 0 to 1; see `candid.runs.explaining.similar.Neighbours.search`.
    """

    path: str
    label: str
    similarity: float

    def to_json(self) -> dict[str, object]:
        """As JSON values."""
        return {
            "path": self.path,
            "label": self.label,
            "similarity": round(float(self.similarity), _DECIMALS),
        }


@dataclass(frozen=True)
class Explanation:
    """What one answer rests on.

    Attributes:
        heat: float32 ``(h, w)`` in nats, what each place of the picture, as the network saw it,
            adds to the log odds of the answer; positive where it speaks for it.
        where: The same in words, as `candid.runs.explaining.where` puts it.
        similar: The most similar training photos, the most similar one first.
    """

    heat: NDArray[np.float32]
    where: str
    similar: tuple[Similar, ...]

    @property
    def is_known(self) -> bool:
        """Whether the photo, or one nearly the same, was learnt from."""
        return any(photo.similarity >= _COPY for photo in self.similar)

    def to_json(self) -> dict[str, object]:
        """As JSON values; the heat as a list of rows, rounded to four decimals."""
        rounded = self.heat.astype(np.float64).round(_DECIMALS) + 0.0  # no -0.0
        return {
            "heat": rounded.tolist(),
            "where": self.where,
            "similar": [photo.to_json() for photo in self.similar],
        }


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
        from candid.splits.split import read_csv

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
