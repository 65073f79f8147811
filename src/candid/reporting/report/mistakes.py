"""The worst mistakes of the page, each with what spoke for it laid over the photo.

The confusion matrix of the page, and the photos that each of its cells opens.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural
from candid.reporting.number_format import photos
from candid.runs.explaining.heat_map import where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from candid.evaluation.scores import Predictions
    from candid.reporting.report.contents import Contents

#: Classes that the matrix shows; of more, those with the most mistakes.
MOST_CLASSES: Final = 120
#: Photos of a cell that have a thumbnail: of mistakes, and of right answers.
MOST_WRONG: Final = 60
MOST_RIGHT: Final = 30
#: Thumbnails of all cells together, and of all mistakes.
MOST_THUMBNAILS: Final = 600
MOST_THUMBNAILS_WRONG: Final = 450
#: Shades of a cell, from none of its row to all of it.
NUM_SHADES: Final = 10
#: Pairs of classes in the list of the most frequent mistakes.
MOST_PAIRS: Final = 12


@dataclass(frozen=True)
class Answered:
    """A photo and what was answered.

    Attributes:
        path: Of the photo.
        truth: Its class.
        predicted: The class that was answered.
        probability: The probability of that.
        of_truth: The probability of its class.
    """

    path: str
    truth: str
    predicted: str
    probability: float
    of_truth: float


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix.

    Attributes:
        id: Of the panel that it opens; empty where it opens none.
        count: How many photos it has.
        share: Their share of the photos of the true class.
        shade: 0 to `NUM_SHADES`, by the share.
        is_right: Whether it is on the diagonal.
        truth: The true class.
        predicted: The answered class.
        shown: Some of its photos: the surest of mistakes first, the least sure of right answers.
    """

    id: str
    count: int
    share: float
    shade: int
    is_right: bool
    truth: str
    predicted: str
    shown: tuple[Answered, ...]

    @property
    def title(self) -> str:
        """What its photos are."""
        if self.is_right:
            return f"{photos(self.count)} of {self.truth}, answered right"
        return f"{photos(self.count)} of {self.truth}, answered {self.predicted}"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        classes: The names of its rows and columns.
        rows: Its cells: a row a true class, a column an answered one.
        totals: How many photos each row has, those of classes that are not shown included.
        panels: The cells that open, mistakes before right answers, the most photos first.
        pairs: The most frequent mistakes, where there are more than a few classes.
        num_classes: How many classes there are.
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[int, ...]
    panels: tuple[Cell, ...]
    pairs: tuple[Cell, ...]
    num_classes: int

    @property
    def has_more(self) -> bool:
        """Whether there are mistakes of which no photo is shown."""
        return any(cell.count and not cell.id for row in self.rows for cell in row)

    @property
    def is_small(self) -> bool:
        """Whether there is room for shares in the cells."""
        return len(self.classes) <= 6


def make_matrix(classes: Sequence[str], seen: Predictions) -> Matrix:
    """Count who was taken for whom, and choose the photos to show.

    Args:
        classes: Names of the k classes.
        seen: Predictions of n photos.

    Returns:
        The matrix; together its cells show at most `MOST_THUMBNAILS` photos.
    """
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (seen.truth, seen.predicted), 1)
    kept = _most_mistaken(counts)
    places = _places_of_cells(seen, counts, kept)
    totals = counts.sum(axis=1)
    cells = {
        (i, j): _cell(classes, seen, (int(i), int(j)), counts, places.get((i, j)))
        for i in kept.tolist()
        for j in kept.tolist()
    }
    rows = tuple(tuple(cells[i, j] for j in kept.tolist()) for i in kept.tolist())
    opening = [cell for key in places if (cell := cells[key]).shown]
    pairs = sorted((c for row in rows for c in row if c.count and not c.is_right), key=_by_count)
    return Matrix(
        tuple(classes[i] for i in kept),
        rows,
        tuple(int(totals[i]) for i in kept),
        tuple(opening),
        tuple(pairs[:MOST_PAIRS]) if len(classes) > 3 else (),
        len(classes),
    )


def _by_count(cell: Cell) -> int:
    return -cell.count


def _most_mistaken(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The classes to show, ascending."""
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diagonal(counts)
    return np.sort(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES])


def _places_of_cells(
    seen: Predictions, counts: NDArray[np.int64], kept: NDArray[np.int64]
) -> dict[tuple[int, int], NDArray[np.int64]]:
    """By cell, the photos to show: of the most frequent mistakes, then of each right answer."""
    keys = [(int(kept[i]), int(kept[j])) for i, j in np.argwhere(counts[np.ix_(kept, kept)] > 0)]
    keys.sort(key=lambda key: -counts[key])
    of_cell = _OfCell(seen, len(counts))
    shown: dict[tuple[int, int], NDArray[np.int64]] = {}
    left = MOST_THUMBNAILS_WRONG
    for key in (key for key in keys if key[0] != key[1] and left):
        shown[key] = of_cell[key][: min(MOST_WRONG, left)]
        left -= len(shown[key])
    right = [key for key in keys if key[0] == key[1]]
    left += MOST_THUMBNAILS - MOST_THUMBNAILS_WRONG
    for key in right:
        shown[key] = of_cell[key][: min(MOST_RIGHT, left // len(right))]
    return shown


class _OfCell:
    """Gives the photos of a cell, in the order in which they are to be shown."""

    def __init__(self, seen: Predictions, num_classes: int) -> None:
        self._num_classes = num_classes
        said = seen.probabilities[np.arange(len(seen.truth)), seen.predicted]
        # The surest mistakes, and the right answers that were nearly wrong.
        rank = np.where(seen.truth == seen.predicted, said, -said)
        numbers = seen.truth * num_classes + seen.predicted
        self._order = np.lexsort((rank, numbers))
        self._numbers = numbers[self._order]

    def __getitem__(self, key: tuple[int, int]) -> NDArray[np.int64]:
        number = key[0] * self._num_classes + key[1]
        begin, end = np.searchsorted(self._numbers, [number, number + 1])
        return self._order[begin:end]


def _cell(
    classes: Sequence[str],
    seen: Predictions,
    key: tuple[int, int],
    counts: NDArray[np.int64],
    places: NDArray[np.int64] | None,
) -> Cell:
    count, total = int(counts[key]), int(counts[key[0]].sum())
    share = count / total if total else 0.0
    shown = tuple(_answered(classes, seen, places)) if places is not None else ()
    return Cell(
        id=f"cell-{key[0]}-{key[1]}" if shown else "",
        count=count,
        share=share,
        # Whatever is there at all is seen to be there.
        shade=max(1, round(NUM_SHADES * share)) if count else 0,
        is_right=key[0] == key[1],
        truth=classes[key[0]],
        predicted=classes[key[1]],
        shown=shown,
    )


def _answered(
    classes: Sequence[str], seen: Predictions, places: NDArray[np.int64]
) -> Iterator[Answered]:
    for place in places.tolist():
        truth, predicted = int(seen.truth[place]), int(seen.predicted[place])
        row = seen.probabilities[place]
        yield Answered(
            seen.paths[place],
            classes[truth],
            classes[predicted],
            float(row[predicted]),
            float(row[truth]),
        )


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
        return f"and {plural(self.num_copies, 'copy', 'copies')}" if self.num_copies else ""


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
