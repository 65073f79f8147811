"""Heads fitted on subsamples of the images and evaluated on held-out folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.threads import num_cores
from candid.models.recipes.logistic import (
    MOST_AXES,
    Problem,
    fit,
    fit_at_once,
    matrix_threads,
    scores_of,
)
from candid.models.recipes.space import Space
from candid.splits.grouped_split import (
    Labelled,
    count_by_group,
    random_ranks,
    sample_groups,
)

#: Images used at most; of more, a sample of whole groups is drawn by content.
MOST_IMAGES: Final = 30_000

_MOST_REPEATS: Final = 5  # of the cross-validation
_VALUES_A_REPEAT: Final = 6_000_000  # images times features times classes
_WEAKEST: Final = 30.0  # weaker regularisation takes longer, and has the same learning curve
_TOLERANCE: Final = 3e-3
_NEVER: Final = 2.0
_MOST_SHARED: Final = 3_000_000  # values above which each head is fitted alone, on its own rows


@dataclass(frozen=True)
class Share:
    """The share of the images outside the held-out fold that a head is fitted on, 0 to 1.

    With a ``label``, only that class is subsampled.
    """

    share: float
    label: int | None = None


@dataclass(frozen=True)
class Mistakes:
    """Errors of heads on held-out images.

    Attributes:
        wrong: float64 ``(n, j)``, error rate (0 to 1) on each image by share, over the repeats.
        changed: float64 ``(j,)``, share of the images where exactly one of the heads of the first
            share and of this share is right.
        places: int64 ``(n,)``, indices of the images.
        sizes: float64 ``(j,)``, mean number of training images; of the subsampled class, if there
            is one.
        num_heads: Number of heads per share.
    """

    wrong: NDArray[np.float64]
    changed: NDArray[np.float64]
    places: NDArray[np.int64]
    sizes: NDArray[np.float64]
    num_heads: int


@dataclass(frozen=True)
class _Fold:
    """Held-out indices, int64 ``(m,)``, and each image's smallest share, float64 ``(n,)``."""

    held_out: NDArray[np.int64]
    from_share: NDArray[np.float64]


class SubsampledHeads:
    """Fits heads on subsamples of the images and evaluates them on held-out folds.

    All images are standardised and rotated together, held-out ones included (without labels), which
    makes fits several times faster. Folds and subsamples are of whole groups and stratified by
    class; a smaller subsample is contained in a larger one. With few images the cross-validation is
    repeated up to five times.

    Args:
        data: The images; at least two groups per class.
        seed: Random seed of the folds and subsamples.
        strength: Inverse regularisation strength, limited to 30.
    """

    def __init__(self, data: Labelled, *, seed: int, strength: float) -> None:
        everything = np.arange(len(data.labels))
        ranks = random_ranks(data.group_keys, seed=seed)
        self.places = sample_groups(everything, data.groups, ranks, most=MOST_IMAGES)
        self._data = data.take(self.places)
        self._strength = min(strength, _WEAKEST)
        turned, embeddings = self._data.turned, self._data.embeddings
        with matrix_threads(embeddings.size):
            if turned is not None:
                self._space = Space.of(turned).with_rows(turned.rows[:])
            else:
                self._space = Space(embeddings[:], most_axes=MOST_AXES)
        repeats = _VALUES_A_REPEAT // (self._space.rows.size * data.num_classes)
        seeds = range(seed, seed + max(1, min(_MOST_REPEATS, repeats)))
        self._folds = [fold for each in seeds for fold in _make_folds(self._data, each)]
        self._known: dict[tuple[int, Share], tuple[NDArray[np.bool_], int]] = {}

    def mistakes(self, shares: Sequence[Share], *, enough: int) -> Mistakes:
        """Fit a head for each share and fold, and evaluate it.

        Args:
            shares: Subsamples to fit on.
            enough: Number of held-out images after which no further fold is used.
        """
        num_folds = self._num_folds(enough)
        jobs = [(fold, share) for fold in range(num_folds) for share in shares]
        missing = [job for job in jobs if job not in self._known]
        num_values = self._space.rows.size
        size = len(missing) // num_cores() + 1 if num_values <= _MOST_SHARED else 1
        chunks = [missing[i : i + size] for i in range(0, len(missing), size)]
        done = fit_at_once(self._fit, chunks, num_values=num_values)
        self._known |= dict(zip(missing, [each for chunk in done for each in chunk], strict=True))
        wrong = np.zeros((len(self.places), len(shares)))
        times = np.zeros(len(wrong))
        sizes, changed = np.zeros(len(shares)), np.zeros(len(shares))
        for fold in range(num_folds):
            held_out = self._folds[fold].held_out
            times[held_out] += 1
            for i, share in enumerate(shares):
                errors, size = self._known[fold, share]
                wrong[held_out, i] += errors
                sizes[i] += size
                changed[i] += (errors != self._known[fold, shares[0]][0]).sum()
        changed /= times.sum()
        tested = np.flatnonzero(times)
        mean = wrong[tested] / times[tested, None]
        return Mistakes(mean, changed, self.places[tested], sizes / num_folds, num_folds)

    def _num_folds(self, enough: int) -> int:
        """All folds of all repeats if there are few images, else as many as hold out enough."""
        if len(self.places) <= enough:
            return len(self._folds)
        held = np.cumsum([len(fold.held_out) for fold in self._folds])
        return int(np.searchsorted(held, enough)) + 1

    def _fit(self, jobs: Sequence[tuple[int, Share]]) -> list[tuple[NDArray[np.bool_], int]]:
        """Errors of heads on their held-out images, and their sizes as in `Mistakes.sizes`."""
        labels, space = self._data.labels, self._space
        kept = [self._kept(self._folds[fold], share) for fold, share in jobs]
        problems = [self._problem(rows) for rows, _, _ in kept]
        # A warm start would leak the larger subsamples into the smaller ones.
        fit(problems, self._strength, tolerance=_TOLERANCE)
        found = []
        for problem, (fold, share), (_, size, whole) in zip(problems, jobs, kept, strict=True):
            held_out = self._folds[fold].held_out
            scores = scores_of(space.rows[held_out], problem.fitted)
            if share.label is not None:
                # Keep the prior of the class: its gain must not come from becoming more frequent.
                scores[:, share.label] += np.log(whole / size)
            found.append((scores.argmax(axis=1) != labels[held_out], size))
        return found

    def _problem(self, rows: NDArray[np.bool_]) -> Problem:
        space, data, weights = self._space, self._data, rows.astype(np.float32)
        if space.rows.size <= _MOST_SHARED:
            return Problem(space, data.labels, weights, data.num_classes, counted=rows)
        return Problem(space.take(rows), data.labels[rows], weights[rows], data.num_classes)

    def _kept(self, fold: _Fold, share: Share) -> tuple[NDArray[np.bool_], int, int]:
        """Rows to fit on, bool ``(n,)``, the size, and that of the whole class."""
        kept, whole = fold.from_share <= share.share, fold.from_share <= 1
        of_class = (self._data.labels == share.label) | (share.label is None)
        size, most = ((of & of_class).sum() for of in (kept, whole))
        return whole & (kept | ~of_class), int(size), int(most)


def _make_folds(data: Labelled, seed: int) -> list[_Fold]:
    """Folds, each with a random order of the other groups of each class."""
    num_folds, groups = data.num_folds(), data.groups
    folds = data.folds(num_folds, seed=seed)
    ranks = random_ranks(data.group_keys, seed=seed)
    main_class = count_by_group(data.labels, groups).argmax(axis=1)
    fold_of_group = np.zeros(len(ranks), np.int64)
    fold_of_group[groups] = folds
    made = []
    for fold in range(num_folds):
        from_share = np.full(len(ranks), _NEVER)
        for label in range(data.num_classes):
            here = np.flatnonzero((fold_of_group != fold) & (main_class == label))
            order = np.argsort(ranks[here])
            from_share[here[order]] = (np.arange(len(here)) + 0.5) / max(len(here), 1)
        made.append(_Fold(np.flatnonzero(folds == fold), from_share[groups]))
    return made
