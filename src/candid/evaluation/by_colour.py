"""What brightness and colour alone tell of a class: the baseline that sees no shapes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.matrices import matmul
from candid.recipes.logistic import Rows, Space, fit, scores_of, softmax

#: Images to learn from; more change nothing that shows in so few numbers.
MOST_ROWS: Final = 20_000

_STRENGTHS: Final = (1.0, 10.0, 100.0)
_NUM_FOLDS: Final = 5
_ENOUGH_HELD_OUT: Final = 100  # images that tell these strengths apart
_TOLERANCE: Final = 1e-2
_FARTHEST: Final = 4.0  # standard deviations: what is farther off says no more than that


def predict_by_colour(
    colours: tuple[Rows, Rows],
    labels: NDArray[np.int64],
    ranks: NDArray[np.int64],
    *,
    num_classes: int,
) -> NDArray[np.int64]:
    """Predict classes by a linear head on colours and their squares.

    The head's strength is chosen by held-out folds of the images to learn from.

    Args:
        colours: float32 ``(n, c)`` of the images to learn from, then ``(m, c)`` of those to
            predict.
        labels: int64 ``(n,)``.
        ranks: int64 ``(n,)``; a random number of each image's unit, by which folds are dealt.
        num_classes: How many classes there are.

    Returns:
        int64 ``(m,)``.
    """
    mean, std = colours[0].mean(axis=0), colours[0].std(axis=0) + np.float32(1e-6)
    learnt, asked = (_with_squares((rows - mean) / std) for rows in colours)
    space = Space(learnt)
    folds = np.unique(ranks, return_inverse=True)[1] % _NUM_FOLDS
    strength = _choose_strength(space, labels, folds, num_classes)
    everything = np.ones(len(labels), np.float32)
    fitted = fit(
        space,
        labels,
        everything,
        strength,
        num_classes=num_classes,
        start=None,
        tolerance=_TOLERANCE,
    )
    kernel, bias = space.to_embeddings(fitted)
    return np.asarray((matmul(asked, kernel.T) + bias).argmax(axis=1), np.int64)


def _with_squares(rows: Rows) -> Rows:
    near = np.clip(rows, -_FARTHEST, _FARTHEST)
    return np.concatenate([near, np.square(near)], axis=1)


def _choose_strength(
    space: Space, labels: NDArray[np.int64], folds: NDArray[np.int64], num_classes: int
) -> float:
    used = min(_NUM_FOLDS, -(-_ENOUGH_HELD_OUT * _NUM_FOLDS // len(labels)))
    losses = np.zeros(len(_STRENGTHS))
    for fold in range(used):
        held_out = np.flatnonzero(folds == fold)
        weights = (folds != fold).astype(np.float32)
        start = None
        for i, strength in enumerate(_STRENGTHS):
            start = fit(
                space,
                labels,
                weights,
                strength,
                num_classes=num_classes,
                start=start,
                tolerance=_TOLERANCE,
            )
            probabilities = softmax(scores_of(space.rows[held_out], start))
            of_truth = probabilities[np.arange(len(held_out)), labels[held_out]]
            losses[i] -= np.log(np.maximum(of_truth, 1e-12)).sum()
    return _STRENGTHS[int(losses.argmin())]
