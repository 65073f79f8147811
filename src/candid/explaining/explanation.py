"""What an answer rests on, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_DECIMALS: Final = 4
#: As similar as this are only photos of the same picture; the page has it too, in words.js.
_COPY: Final = 0.99


@dataclass(frozen=True)
class Similar:
    """A training photo that looks alike to the network.

    Attributes:
        path: The photo, relative to the data folder, with forward slashes.
        label: Its class.
        similarity: 0 to 1; see `candid.explaining.similar.Neighbours.search`.
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
        where: The same in words, as `candid.explaining.where` puts it.
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
