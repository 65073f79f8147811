"""Heads that learn from a part of the images, measured on images that none of them saw.

What more images would bring is read off what fewer of them bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.models.recipes.logistic import Rows, Space, fit, fits_at_once, matrix_threads, scores_of
from candid.splits.grouped_split import (
    Labelled,
    count_by_group,
    grouped_folds,
    random_ranks,
    sample_groups,
)

#: Images that are used at most; of more, so many are drawn by content, in whole units.
MOST_IMAGES: Final = 30_000

_MOST_DEALS: Final = 5
_VALUES_A_DEAL: Final = 6_000_000  # of images times features times classes: fewer are dealt again
_WEAKEST: Final = 30.0  # a weaker head takes longer to fit, and gains as much by more images
_MOST_AXES: Final = 512  # of the space: the others hold a few percent, and change no accuracy
_TOLERANCE: Final = 3e-3
_NEVER: Final = 2.0


@dataclass(frozen=True)
class Share:
    """From what a head learns.

    Attributes:
        share: What share of the images outside the held-out fold, 0 to 1.
        label: The class that is thinned, the others being whole; None for all classes alike.
    """

    share: float
    label: int | None = None


@dataclass(frozen=True)
class Mistakes:
    """What heads with the same images held out got wrong.

    Attributes:
        wrong: float64 ``(n, j)``, how often (0 to 1) the heads of each share got an image wrong
            that they did not see, over the deals.
        changed: float64 ``(j,)``, the share of the images that a head of the first share and one of
            this share do not both get right or both wrong.
        places: int64 ``(n,)``, which images.
        sizes: float64 ``(j,)``, how many images a head learnt from on average; of the class that
            is thinned, if one is.
        num_heads: How many heads there were of each share.
    """

    wrong: NDArray[np.float64]
    changed: NDArray[np.float64]
    places: NDArray[np.int64]
    sizes: NDArray[np.float64]
    num_heads: int


@dataclass(frozen=True)
class _Fold:
    """A held-out fold, and in what order the other images are left out.

    Attributes:
        held_out: int64 ``(m,)``, places.
        from_share: float64 ``(n,)``, the share from which on an image is learnt from.
    """

    held_out: NDArray[np.int64]
    from_share: NDArray[np.float64]


@dataclass(frozen=True)
class _Tried:
    """What a head got wrong.

    Attributes:
        wrong: bool ``(m,)``, of the images of its fold.
        size: How many images it learnt from; of the class that is thinned, if one is.
    """

    wrong: NDArray[np.bool_]
    size: int


class _Turned(Space):
    """Some rows of a space: a fit on them is as one on all, the others having no weight."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.squares = np.asarray(np.einsum("ij,ij->j", rows, rows, dtype=np.float64))


class SubsampledHeads:
    """Fits heads on parts of the images and measures them on held-out folds.

    Images are standardised and turned all at once, held-out ones among them (their labels enter
    nothing), which makes a head several times as fast. Folds and parts are of whole units,
    stratified by class, and a smaller part is within a larger one. Few images are dealt into folds
    up to five times.

    Args:
        data: The images; each class in two units at the least.
        seed: Another seed, other deals and parts.
        strength: Inverse strength of the regularisation; no more than 30 is used.
    """

    def __init__(self, data: Labelled, *, seed: int, strength: float) -> None:
        everything = np.arange(len(data.labels))
        ranks = random_ranks(data.group_keys, seed=seed)
        self.places = sample_groups(everything, data.groups, ranks, most=MOST_IMAGES)
        self._data = data.take(self.places)
        self._strength = min(strength, _WEAKEST)
        with matrix_threads(self._data.embeddings.size):
            self._rows = _turn(self._data.embeddings)
        deals = _VALUES_A_DEAL // (self._rows.size * data.num_classes)
        seeds = range(seed, seed + max(1, min(_MOST_DEALS, deals)))
        self._folds = [fold for each in seeds for fold in _deal(self._data, each)]
        self._known: dict[tuple[int, Share], _Tried] = {}

    def mistakes(self, shares: Sequence[Share], *, enough: int) -> Mistakes:
        """Fit a head for each share and fold, and see what it gets wrong.

        Args:
            shares: From what heads learn.
            enough: So many held-out images at the least, if there are as many; whole folds.
        """
        num_folds = self._num_folds(enough)
        jobs = [(fold, share) for fold in range(num_folds) for share in shares]
        missing = [job for job in jobs if job not in self._known]
        with matrix_threads(0), ThreadPoolExecutor(fits_at_once(self._rows.size)) as pool:
            tried = pool.map(lambda job: self._try(self._folds[job[0]], job[1]), missing)
            self._known |= dict(zip(missing, tried, strict=True))
        wrong = np.zeros((len(self.places), len(shares)))
        times = np.zeros(len(wrong))
        sizes, changed = np.zeros(len(shares)), np.zeros(len(shares))
        for fold in range(num_folds):
            held_out = self._folds[fold].held_out
            times[held_out] += 1
            for i, share in enumerate(shares):
                one = self._known[fold, share]
                wrong[held_out, i] += one.wrong
                sizes[i] += one.size
                changed[i] += (one.wrong != self._known[fold, shares[0]].wrong).sum()
        changed /= times.sum()
        seen = np.flatnonzero(times)
        mean = wrong[seen] / times[seen, None]
        return Mistakes(mean, changed, self.places[seen], sizes / num_folds, num_folds)

    def _num_folds(self, enough: int) -> int:
        """All folds of all deals where images are few, else as many as hold out enough."""
        if len(self.places) <= enough:
            return len(self._folds)
        held = np.cumsum([len(fold.held_out) for fold in self._folds])
        return int(np.searchsorted(held, enough)) + 1

    def _try(self, fold: _Fold, share: Share) -> _Tried:
        labels, rows = self._data.labels, self._rows
        thinned = fold.from_share <= share.share
        size = int(thinned.sum())
        if share.label is not None:
            of_class = labels == share.label
            whole = fold.from_share <= 1
            size = int((thinned & of_class).sum())
            thinned = whole & (thinned | ~of_class)
        learnt = np.flatnonzero(thinned)
        fitted = fit(
            _Turned(rows[learnt]),
            labels[learnt],
            np.ones(len(learnt), np.float32),
            self._strength,
            num_classes=self._data.num_classes,
            start=None,  # a warm start would draw what was learnt from less towards the rest
            tolerance=_TOLERANCE,
        )
        scores = scores_of(rows[fold.held_out], fitted)
        if share.label is not None:
            # Else a class would gain by being as frequent as it is, and not by being known better.
            scores[:, share.label] += np.log((whole & of_class).sum() / size)
        return _Tried(scores.argmax(axis=1) != labels[fold.held_out], size)


def _turn(embeddings: Rows) -> Rows:
    """Standardised rows on the principal axes on which they vary most, float32 ``(n, r)``."""
    space = Space(embeddings)
    axes = np.sort(np.argsort(space.squares)[-_MOST_AXES:])
    return np.ascontiguousarray(space.rows[:, axes])


def _deal(data: Labelled, seed: int) -> list[_Fold]:
    """Folds, each with an order of its own for the other units of each class."""
    num_folds, units = data.num_folds(), data.groups
    folds = grouped_folds(data.labels, units, data.group_keys, num_folds=num_folds, seed=seed)
    ranks = random_ranks(data.group_keys, seed=seed)
    main_class = count_by_group(data.labels, units).argmax(axis=1)
    fold_of_unit = np.zeros(len(ranks), np.int64)
    fold_of_unit[units] = folds
    dealt = []
    for fold in range(num_folds):
        from_share = np.full(len(ranks), _NEVER)
        for label in range(data.num_classes):
            here = np.flatnonzero((fold_of_unit != fold) & (main_class == label))
            order = np.argsort(ranks[here])
            from_share[here[order]] = (np.arange(len(here)) + 0.5) / max(len(here), 1)
        dealt.append(_Fold(np.flatnonzero(folds == fold), from_share[units]))
    return dealt
