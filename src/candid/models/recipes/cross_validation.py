"""Grouped cross-validation of linear heads: none answers an image that it saw a copy of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows
from candid.core.stored_rows import StoredRows
from candid.models.recipes.linear_head import (
    SEARCH_TOLERANCE,
    fit_heads,
    leave_out,
    predict_left_out,
    space_of,
)
from candid.models.recipes.logistic import fit, fit_at_once, matrix_threads
from candid.splits.grouped_split import Labelled, in_order

_TOGETHER: Final = 4_000_000  # values of the sets whose heads are fitted in step

#: The images of a cross-validation, and which of them are held out, bool ``(n,)``.
Fold = tuple[Labelled, NDArray[np.bool_]]
_Result = TypeVar("_Result")


def run_folds(
    sets: Sequence[Labelled], function: Callable[[list[Fold]], list[_Result]], *, seed: int
) -> list[tuple[NDArray[np.int64], list[_Result]]] | None:
    """Call a function for the folds of grouped cross-validations, large ones in parallel.

    Args:
        sets: The images of each cross-validation, equally many.
        function: Takes folds, several if they are small, and returns a result for each.
        seed: Random seed of the folds.

    Returns:
        For each, the fold of each image, int64 ``(n,)``, and the results of the folds; None if a
        class is too small for two folds.
    """
    num_folds, size = sets[0].num_folds(), sets[0].embeddings.size
    if num_folds < 2:
        return None
    folds = [data.folds(num_folds, seed=seed) for data in sets]
    jobs = [
        (data, of == fold)
        for data, of in zip(sets, folds, strict=True)
        for fold in range(num_folds)
    ]
    if isinstance(sets[0].embeddings, StoredRows):  # read once for all of them
        num_chunks = 1
    else:
        num_chunks = -(-len(jobs) // max(1, _TOGETHER // size))
    chunks = np.array_split(np.arange(len(jobs)), num_chunks)
    done = fit_at_once(lambda chunk: function([jobs[i] for i in chunk]), chunks, num_values=size)
    results = [result for chunk in done for result in chunk]
    return [(of, results[num_folds * i : num_folds * (i + 1)]) for i, of in enumerate(folds)]


def without(fold: Fold) -> Labelled:
    """The images of a fold that are not held out."""
    return fold[0].take(np.flatnonzero(~fold[1]))


def cross_validate(data: Labelled, *, seed: int = 0) -> Rows | None:
    """Predict every image by a head that was fitted neither on it nor on its group.

    Each fold's head chooses its own strength within the other folds, so that nothing leaks from
    held-out images.

    Returns:
        float32 ``(n, k)`` probabilities, or None if a class is too small for two folds.
    """
    done = cross_validate_all([data], seed=seed)
    return None if done is None else done[0]


def cross_validate_all(sets: Sequence[Labelled], *, seed: int = 0) -> list[Rows] | None:
    """`cross_validate` of some sets of equally many images, in step."""

    def predict(folds: list[Fold]) -> list[Rows]:
        fitted = fit_heads([without(fold) for fold in folds], seed=seed + 1)
        return [
            one.head.probabilities(data.embeddings.take(np.flatnonzero(held_out), axis=0))
            for one, (data, held_out) in zip(fitted, folds, strict=True)
        ]

    done = run_folds(sets, predict, seed=seed)
    return None if done is None else [in_order(*each) for each in done]


def predict_held_out(
    data: Labelled,
    *,
    seeds: Sequence[int],
    strength: float,
    learn_from: NDArray[np.bool_],
) -> Rows:
    """Predict every image by heads that were fitted neither on it nor on its group.

    For finding label errors, not for reported figures: all rows are standardised together, held-out
    ones included (without their labels), which is several times as fast.

    Args:
        data: All the images; each class in at least two groups.
        seeds: Random seeds; the folds are drawn once for each.
        strength: Inverse strength of the regularisation.
        learn_from: bool ``(n,)``, the images to fit on. All are predicted.

    Returns:
        float32 ``(n, k)`` probabilities, averaged over the seeds.
    """
    num_folds = data.num_folds()
    with matrix_threads(0):
        space, weights = space_of(data), learn_from.astype(np.float32)

    def predict(seed: int) -> Rows:
        # No warm start: it would come from a fit on these labels.
        folds = data.folds(num_folds, seed=seed)
        problems = leave_out(space, data.labels, weights, folds, num_folds, data.num_classes)
        fit(problems, strength, tolerance=SEARCH_TOLERANCE)
        return predict_left_out(problems, folds)

    predicted = fit_at_once(predict, seeds, num_values=space.rows.size)
    return np.asarray(np.mean(predicted, axis=0), np.float32)
