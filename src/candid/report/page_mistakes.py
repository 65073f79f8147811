"""The worst mistakes of the page, each with what spoke for it laid over the photo."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.explaining.heat_map import where
from candid.report.page_matrix import Answered
from candid.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candid.evaluation.predictions import Predictions
    from candid.report.contents import Contents

#: Mistakes that are shown.
MOST_MISTAKES: Final = 12
_LONGEST_SIDE_PX: Final = 72
# Vermilion and blue of Okabe and Ito (2008), which nobody takes for one another.
_FOR: Final = (213, 94, 0)
_AGAINST: Final = (0, 114, 178)
_MOST_OPAQUE: Final = 0.85


@dataclass(frozen=True)
class Mistake(Answered):
    """A photo that was answered wrong.

    Attributes:
        num_copies: How many other photos of the same picture were answered wrong.
        heat: A ``data:`` address of the heat map; empty without one.
        where: Where what spoke for the answer is, in words; empty without a heat map.
    """

    num_copies: int
    heat: str
    where: str

    @property
    def copies(self) -> str:
        """How many copies were answered wrong too; empty where there are none."""
        return f"and {count(self.num_copies, 'copy', 'copies')}" if self.num_copies else ""


def worst_places(seen: Predictions) -> NDArray[np.int64]:
    """Choose the mistakes that were made with the largest probability, a picture once.

    Args:
        seen: Predictions of n photos.

    Returns:
        int64 ``(m,)``, places among the n, the surest first; at most `MOST_MISTAKES`.
    """
    wrong = _wrong(seen)
    said = seen.probabilities[wrong, seen.predicted[wrong]]
    order = wrong[np.argsort(-said, kind="stable")]
    _, first = np.unique(seen.groups[order], return_index=True)
    return order[np.sort(first)[:MOST_MISTAKES]]


def worst_mistakes(contents: Contents) -> tuple[Mistake, ...]:
    """Describe the mistakes that `worst_places` chooses."""
    seen = contents.predictions
    groups = seen.groups[_wrong(seen)]
    return tuple(
        _mistake(contents, place, int((groups == seen.groups[place]).sum()) - 1)
        for place in worst_places(seen).tolist()
    )


def _wrong(seen: Predictions) -> NDArray[np.int64]:
    return np.flatnonzero(seen.predicted != seen.truth)


def _mistake(contents: Contents, place: int, num_copies: int) -> Mistake:
    seen, classes = contents.predictions, contents.evaluation.classes
    truth, predicted = int(seen.truth[place]), int(seen.predicted[place])
    path = seen.paths[place]
    heat = contents.heat_maps.get(path)
    usable = heat is not None and heat.size > 0 and bool(np.isfinite(heat).all())
    return Mistake(
        path,
        classes[truth],
        classes[predicted],
        float(seen.probabilities[place, predicted]),
        float(seen.probabilities[place, truth]),
        num_copies,
        draw_heat(heat) if heat is not None and usable else "",
        where(heat) if heat is not None and usable else "",
    )


def draw_heat(heat: NDArray[np.float32]) -> str:
    """Draw a heat map to be laid over a photo.

    Args:
        heat: float32 ``(h, w)``, finite.

    Returns:
        A ``data:`` address of a PNG: vermilion where a place speaks for the answer, blue where it
        speaks against it, and the clearer the less it says. What says most is as opaque in one map
        as in another.
    """
    import cv2

    strongest = float(np.abs(heat).max()) or 1.0
    height, width = heat.shape
    factor = max(1.0, _LONGEST_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    smooth = cv2.resize(heat.astype(np.float32) / strongest, size, interpolation=cv2.INTER_LINEAR)
    colours = np.where(smooth[..., None] > 0, _colour(_FOR), _colour(_AGAINST))
    alpha = np.abs(smooth) * (255 * _MOST_OPAQUE)
    pixels = np.dstack([colours[..., ::-1], alpha]).round().astype(np.uint8)
    data = bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1])
    return f"data:image/png;base64,{b64encode(data).decode('ascii')}"


def _colour(channels: Sequence[int]) -> NDArray[np.float64]:
    return np.array(channels, np.float64)
