"""The confusion matrix with the photos of its cells, and the worst mistakes with heat maps."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural
from candid.evaluation.measures import MOST_IN_MATRIX, worst_pairs
from candid.reporting.number_format import photo_count
from candid.runs.explaining.heat_map import where

if TYPE_CHECKING:
    from candid.evaluation.scores import Predictions
    from candid.reporting.report.contents import Contents

#: Thumbnails of one cell: of mistakes, and of correct predictions.
MOST_WRONG: Final = 60
MOST_RIGHT: Final = 30
#: Thumbnails of all cells together, and of all cells of mistakes.
MOST_THUMBNAILS: Final = 600
MOST_THUMBNAILS_WRONG: Final = 450
#: Shades of a cell, from none of its row to all of it.
NUM_SHADES: Final = 10
#: Pairs of classes in the list of the most frequent mistakes, beside a matrix and without one.
MOST_PAIRS: Final = 12
MOST_PAIRS_ALONE: Final = 40
#: Mistakes in the gallery of the worst ones.
MOST_MISTAKES: Final = 12

_HEAT_SIDE_PX: Final = 72
# Vermilion and blue of Okabe and Ito (2008), which all kinds of colour vision tell apart.
_FOR: Final = (213.0, 94.0, 0.0)
_AGAINST: Final = (0.0, 114.0, 178.0)
_MOST_OPAQUE: Final = 0.85

_Cell = tuple[int, int]  # the true and the predicted class


@dataclass(frozen=True)
class PredictedPhoto:
    """A photo with its true and its predicted class, and the probabilities of both."""

    path: str
    truth: str
    predicted: str
    probability: float
    truth_probability: float


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix.

    Attributes:
        id: Id of the panel with its photos; empty without one.
        count: Number of photos.
        share: Their share of the photos of the true class.
        shade: 0 to `NUM_SHADES`, by the share.
        is_right: Whether it is on the diagonal.
        truth: The true class.
        predicted: The predicted class.
        shown: Photos of the panel: the most confident mistakes, or the least confident correct
            predictions first.
    """

    id: str
    count: int
    share: float
    shade: int
    is_right: bool
    truth: str
    predicted: str
    shown: tuple[PredictedPhoto, ...]

    @property
    def title(self) -> str:
        """For instance ``23 photos of happy, predicted sad``."""
        predicted = "correctly predicted" if self.is_right else f"predicted {self.predicted}"
        return f"{photo_count(self.count)} of {self.truth}, {predicted}"


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        classes: Names of the rows and columns; empty for more than `MOST_IN_MATRIX` classes.
        rows: Its cells: one row per true class, one column per predicted class.
        totals: Number of photos of each row, those predicted as a class not shown included.
        panels: Cells with a panel, mistakes first, then by number of photos.
        pairs: The most frequent mistakes; empty for three classes or fewer.
        num_classes: Number of classes, shown or not.
    """

    classes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    totals: tuple[int, ...]
    panels: tuple[Cell, ...]
    pairs: tuple[Cell, ...]
    num_classes: int

    @property
    def has_more(self) -> bool:
        """Whether there are photos in a cell without a panel."""
        return any(cell.count and not cell.id for row in self.rows for cell in row)

    @property
    def is_small(self) -> bool:
        """Whether there is room for shares in the cells."""
        return len(self.classes) <= 6


def make_matrix(classes: Sequence[str], predictions: Predictions) -> Matrix:
    """Count the confusions and choose the photos to show.

    Args:
        classes: Names of the k classes.
        predictions: Of n photos.

    Returns:
        The matrix; its cells show at most `MOST_THUMBNAILS` photos together.
    """
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (predictions.truth, predictions.predicted), 1)
    totals = counts.sum(axis=1)
    kept = range(len(classes)) if len(classes) <= MOST_IN_MATRIX else range(0)
    pairs = worst_pairs(counts, MOST_PAIRS if kept else MOST_PAIRS_ALONE)
    shown = _choose_photos(predictions, len(classes), None if kept else set(pairs))

    def make_cell(i: int, j: int) -> Cell:
        count = int(counts[i, j])
        share = count / int(totals[i]) if totals[i] else 0.0
        places = shown.get((i, j), np.empty(0, np.int64)).tolist()
        return Cell(
            id=f"cell-{i}-{j}" if places else "",
            count=count,
            share=share,
            # A single photo is visible too.
            shade=max(1, round(NUM_SHADES * share)) if count else 0,
            is_right=i == j,
            truth=classes[i],
            predicted=classes[j],
            shown=tuple(_predicted_photo(classes, predictions, place) for place in places),
        )

    cells = {key: make_cell(*key) for key in (*((i, j) for i in kept for j in kept), *pairs)}
    return Matrix(
        tuple(classes[i] for i in kept),
        tuple(tuple(cells[i, j] for j in kept) for i in kept),
        tuple(int(totals[i]) for i in kept),
        tuple(cells[key] for key in shown if cells[key].shown),
        tuple(cells[key] for key in pairs) if len(classes) > 3 else (),
        len(classes),
    )


def _choose_photos(
    predictions: Predictions, num_classes: int, only: set[_Cell] | None
) -> dict[_Cell, NDArray[np.int64]]:
    """By cell, the photos to show: of the most frequent mistakes, then of each right answer.

    With ``only``, of no other cells.
    """
    confidence = _confidence(predictions)
    # The most confident mistakes, and the correct predictions that were nearly wrong.
    rank = np.where(predictions.truth == predictions.predicted, confidence, -confidence)
    cell_numbers = predictions.truth * num_classes + predictions.predicted
    order = np.lexsort((rank, cell_numbers))
    numbers, starts = np.unique(cell_numbers[order], return_index=True)
    photos: dict[_Cell, NDArray[np.int64]] = {
        divmod(number, num_classes): places
        for number, places in zip(numbers.tolist(), np.split(order, starts[1:]), strict=False)
    }
    cells = [cell for cell in photos if only is None or cell in only]
    cells.sort(key=lambda cell: -len(photos[cell]))
    shown = {}
    left = MOST_THUMBNAILS_WRONG
    for cell in cells:
        if cell[0] != cell[1] and left:
            shown[cell] = photos[cell][: min(MOST_WRONG, left)]
            left -= len(shown[cell])
    left += MOST_THUMBNAILS - MOST_THUMBNAILS_WRONG
    right = [cell for cell in cells if cell[0] == cell[1]]
    for cell in right:
        shown[cell] = photos[cell][: min(MOST_RIGHT, left // len(right))]
    return shown


def _confidence(predictions: Predictions) -> NDArray[np.float32]:
    """float32 ``(n,)``, the probability of the predicted class."""
    return predictions.probabilities[np.arange(len(predictions.truth)), predictions.predicted]


def _predicted_photo(
    classes: Sequence[str], predictions: Predictions, place: int
) -> PredictedPhoto:
    truth, predicted = int(predictions.truth[place]), int(predictions.predicted[place])
    row = predictions.probabilities[place]
    return PredictedPhoto(
        predictions.paths[place],
        classes[truth],
        classes[predicted],
        float(row[predicted]),
        float(row[truth]),
    )


@dataclass(frozen=True)
class Mistake(PredictedPhoto):
    """A misclassified photo.

    Attributes:
        num_copies: Number of other photos of the same picture that were misclassified.
        heat: The heat map as a ``data:`` address; empty without one.
        where: Where the evidence for the prediction is, in words; empty without a heat map.
    """

    num_copies: int
    heat: str
    where: str

    @property
    def copies(self) -> str:
        """The misclassified copies, ``and 2 copies``; empty without any."""
        return f"and {plural(self.num_copies, 'copy', 'copies')}" if self.num_copies else ""


def worst_places(predictions: Predictions) -> NDArray[np.int64]:
    """Choose the most confident mistakes, each picture once.

    Args:
        predictions: Of n photos.

    Returns:
        int64 ``(m,)``, indices into the n photos, the most confident first; at most
        `MOST_MISTAKES`.
    """
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    order = wrong[np.argsort(-_confidence(predictions)[wrong], kind="stable")]
    _, first = np.unique(predictions.groups[order], return_index=True)
    return order[np.sort(first)[:MOST_MISTAKES]]


def worst_mistakes(contents: Contents) -> tuple[Mistake, ...]:
    """The mistakes that `worst_places` chooses, with their heat maps."""
    predictions = contents.predictions
    wrong_groups = predictions.groups[predictions.predicted != predictions.truth]
    mistakes = []
    for place in worst_places(predictions).tolist():
        photo = _predicted_photo(contents.evaluation.classes, predictions, place)
        num_copies = int((wrong_groups == predictions.groups[place]).sum()) - 1
        heat = contents.heat_maps.get(photo.path)
        drawn, place_text = "", ""
        if heat is not None and heat.size and np.isfinite(heat).all():
            drawn, place_text = draw_heat(heat), where(heat)
        mistakes.append(Mistake(**vars(photo), num_copies=num_copies, heat=drawn, where=place_text))
    return tuple(mistakes)


def draw_heat(heat: NDArray[np.float32]) -> str:
    """Draw a heat map as a transparent layer over a photo.

    Args:
        heat: float32 ``(h, w)``, finite.

    Returns:
        A ``data:`` address of a PNG: vermilion where a place supports the prediction, blue where it
        contradicts it, more transparent the weaker it is. The strongest place of every map has the
        same opacity.
    """
    import cv2

    strongest = float(np.abs(heat).max()) or 1.0
    height, width = heat.shape
    factor = max(1.0, _HEAT_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    smooth = cv2.resize(heat.astype(np.float32) / strongest, size, interpolation=cv2.INTER_LINEAR)
    colours = np.where(smooth[..., None] > 0, np.array(_FOR), np.array(_AGAINST))
    alpha = np.abs(smooth) * (255 * _MOST_OPAQUE)
    pixels = np.dstack([colours[..., ::-1], alpha]).round().astype(np.uint8)
    data = bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 6])[1])
    return f"data:image/png;base64,{b64encode(data).decode('ascii')}"
