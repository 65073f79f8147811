"""What doing nothing, or next to nothing, would score on the same images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.by_colour import MOST_ROWS, predict_by_colour
from candid.evaluation.by_neighbour import BLOCK, predict_by_neighbour
from candid.evaluation.drawing import draw_places, drawn_ranks
from candid.evaluation.figures import Figure, proportion
from candid.evaluation.pairing import paired_difference
from candid.recipes.labelled import Labelled
from candid.recipes.logistic import Rows, matrix_threads

LARGEST_CLASS: Final = "always the largest class"
COLOUR_ALONE: Final = "brightness and colour alone"
NEAREST_NEIGHBOUR: Final = "nearest neighbour"

_MOST_COMPARISONS = 1_000_000_000  # of two embeddings, over all rounds: half a minute on two cores

#: Places to learn from, and places to predict: int64 each.
Round = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Baseline:
    """A simple rule, measured on the images that the model was measured on.

    Attributes:
        name: ``always the largest class``, ``brightness and colour alone`` or
            ``nearest neighbour``.
        accuracy: Its share of right answers.
        gain: The model's accuracy minus this one's, paired by image.
    """

    name: str
    accuracy: Figure
    gain: Figure

    @property
    def beaten(self) -> bool:
        """Whether the model is better by more than chance explains."""
        return self.gain.low > 0

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return {**asdict(self), "beaten": self.beaten}


def predict_baselines(
    data: Labelled, colours: Rows, rounds: Sequence[Round]
) -> dict[str, NDArray[np.int64]]:
    """Predict images by three simple rules that learnt from other images.

    The largest class is that of the images to learn from; of equally large ones the first. Colours
    are learnt from 20,000 images at most. Nearest neighbours are looked for among all images; from
    about 35,000 images on, only some of the images are predicted, drawn by content, as a sample
    says how good the rule is, where fewer images to learn from would make it worse than it is.

    Args:
        data: n images.
        colours: float32 ``(n, c)``, see `candid.colours.colours_of`.
        rounds: Places to learn from and places to predict: the folds of a cross-validation, or one
            test part.

    Returns:
        By the name of the rule, int64 ``(n,)`` classes; -1 where an image was not predicted.
    """
    names = LARGEST_CLASS, COLOUR_ALONE, NEAREST_NEIGHBOUR
    predictions = {name: np.full(len(data.labels), -1, np.int64) for name in names}
    ranks = drawn_ranks(data.keys, seed=0)
    usable = [(learnt, asked) for learnt, asked in rounds if len(learnt) and len(asked)]
    for learnt, asked in usable:
        counts = np.bincount(data.labels[learnt], minlength=data.num_classes)
        predictions[LARGEST_CLASS][asked] = counts.argmax()

    def by_colour(one: Round) -> NDArray[np.int64]:
        learnt = draw_places(one[0], data.units, ranks, most=MOST_ROWS)
        return predict_by_colour(
            (colours[learnt], colours[one[1]]),
            data.labels[learnt],
            ranks[data.units[learnt]],
            num_classes=data.num_classes,
        )

    def by_neighbour(one: Round) -> NDArray[np.int64]:
        return predict_by_neighbour(data.embeddings, data.labels, *one)

    blocks = list(_blocks(usable, data, ranks))
    with matrix_threads(0), ThreadPoolExecutor(os.cpu_count()) as pool:
        coloured, near = pool.map(by_colour, usable), pool.map(by_neighbour, blocks)
        for (_, asked), predicted in zip(usable, coloured, strict=True):
            predictions[COLOUR_ALONE][asked] = predicted
        for (_, asked), predicted in zip(blocks, near, strict=True):
            predictions[NEAREST_NEIGHBOUR][asked] = predicted
    return predictions


def _blocks(rounds: Sequence[Round], data: Labelled, ranks: NDArray[np.int64]) -> Iterator[Round]:
    """Rounds in pieces for a thread each; no more to predict than there is time for."""
    for learnt, asked in rounds:
        most = max(1, _MOST_COMPARISONS // (len(rounds) * len(learnt)))
        drawn = draw_places(asked, data.units, ranks, most=most)
        for start in range(0, len(drawn), BLOCK):
            yield learnt, drawn[start : start + BLOCK]


def hold_against(
    predictions: Mapping[str, NDArray[np.int64]],
    hits_model: NDArray[np.bool_],
    truth: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> tuple[Baseline, ...]:
    """Hold simple rules against a model, on the images that the rule predicted.

    Args:
        predictions: By the name of the rule, int64 ``(n,)``, -1 where it predicted nothing.
        hits_model: bool ``(n,)``, where the model was right.
        truth: int64 ``(n,)``.
        groups: int64 ``(n,)``; images of one group show the same picture.

    Returns:
        A baseline a rule, without those that predicted nothing.
    """
    found = []
    for name, predicted in predictions.items():
        asked = np.flatnonzero(predicted >= 0)
        hits = predicted[asked] == truth[asked]
        accuracy = proportion(hits, groups[asked])
        gain = paired_difference(hits_model[asked], hits, groups[asked])
        if accuracy is not None and gain is not None:
            found.append(Baseline(name, accuracy, gain))
    return tuple(found)
