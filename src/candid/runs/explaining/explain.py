"""Explains the predictions of a run, from its own files."""

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

#: Number of similar training photos in an explanation.
NUM_SIMILAR: Final = 3
_DECIMALS: Final = 4
#: Only copies of the same picture are as similar as this; words.js has the same value.
_COPY: Final = 0.99

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Similar:
    """A training photo with a similar embedding.

    Attributes:
        path: The photo, relative to the data folder, with forward slashes.
        label: Its class.
        similarity: 0 to 1; see `candid.runs.explaining.similar.Neighbours.search`.
    """

    path: str
    label: str
    similarity: float

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return {
            "path": self.path,
            "label": self.label,
            "similarity": round(float(self.similarity), _DECIMALS),
        }


@dataclass(frozen=True)
class Explanation:
    """The explanation of one prediction.

    Attributes:
        heat: float32 ``(h, w)`` in nats, the contribution of each place of the network's input to
            the log odds of the predicted class.
        where: The region with the most evidence, in words; see `candid.runs.explaining.where`.
        similar: The most similar training photos, in descending order.
    """

    heat: NDArray[np.float32]
    where: str
    similar: tuple[Similar, ...]

    @property
    def is_known(self) -> bool:
        """Whether the model was fitted on this photo or a copy of it."""
        return any(photo.similarity >= _COPY for photo in self.similar)

    def to_json(self) -> dict[str, object]:
        """JSON values; the heat map as a list of rows, rounded to four decimals."""
        rounded = self.heat.astype(np.float64).round(_DECIMALS) + 0.0  # no -0.0
        return {
            "heat": rounded.tolist(),
            "where": self.where,
            "similar": [photo.to_json() for photo in self.similar],
        }


class Explainer:
    """Makes explanations; reads the run's files on first use."""

    def __init__(self, run: Path | None) -> None:
        """Take the verified folder of the run; without one there are no similar photos."""
        self._run = run

    def explain(
        self,
        pixels: Pixels,
        outputs: Outputs,
        chosen: NDArray[np.int64],
        *,
        run: Callable[[Pixels], Outputs],
    ) -> list[Explanation]:
        """Explain the predictions for n images.

        Args:
            pixels: uint8 ``(n, s, s, 3)``.
            outputs: The graph's outputs, with the heat map if it has one.
            chosen: int64 ``(n,)``, the predicted classes.
            run: Runs the graph; called several times per image if it has no heat map.
        """
        explanations = []
        for place, similar in enumerate(self.similar(outputs.embedding)):
            heat = heat_of(pixels, outputs, place, int(chosen[place]), run=run)
            explanations.append(Explanation(heat, where(heat), similar))
        return explanations

    def prepare(self, *, similar: bool = True) -> None:
        """Read the run's files now, before the run may be replaced; or never, if not `similar`."""
        if not similar:
            self._run = None
        if self._neighbours is not None:
            _ = self._photos

    def similar(
        self, embeddings: NDArray[np.float32], count: int = NUM_SIMILAR
    ) -> Sequence[tuple[Similar, ...]]:
        """The photos of the run that are nearest to each embedding, float32 ``(n, d)``."""
        if self._neighbours is None:
            return [()] * len(embeddings)
        found = self._neighbours.search(embeddings, count=count)
        return [
            tuple(Similar(*self._photos[photo.content], photo.similarity) for photo in row)
            for row in found
        ]

    @cached_property
    def _neighbours(self) -> Neighbours | None:
        if self._run is None or not (self._run / NEIGHBOURS).is_file():
            return None
        return Neighbours.from_bytes((self._run / NEIGHBOURS).read_bytes())

    @cached_property
    def _photos(self) -> dict[str, tuple[str, str]]:
        """Path and class of each photo that is in a part, by content."""
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
    """Contribution of each place of an image to the log odds of a class, float32 ``(h, w)``.

    Args:
        pixels: The images, uint8 ``(n, s, s, 3)``.
        outputs: The graph's outputs for them.
        place: The index of the image.
        answered: The class.
        run: Runs the graph; used if it has no heat map.
        against: The class to compare with; by default all others. Ignored without a heat map.
    """
    if outputs.heatmap is not None:
        return contrast(outputs.heatmap[place], answered, against)
    return occlude(pixels[place], lambda batch: run(batch).probabilities, answered)
