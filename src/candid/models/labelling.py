"""The order in which labelling photos pays, and labels that a model doubts.

A photo is worth labelling if many photos whose class is uncertain resemble it, none of which is
labelled: photos are chosen one by one so that they, and those labelled before, cover the others
best, each weighted by how uncertain its class is (facility location; Wei, Iyer and Bilmes,
"Submodularity in data subset selection and active learning", 2015). That keeps to dense regions,
and away from photos like those chosen before. Until two classes have labels, all photos weigh the
same, which chooses the centres of clusters (Hacohen, Dekel and Weinshall, "Active learning on a
budget", 2022).

A person gives labels in batches: those of one share a guess, so that odd ones catch the eye.
The first are smaller, as each changes what is guessed, and all the more where there are many
classes: after a batch of one guess, what was known of the others is out of date.
``benchmarks/labelling.py`` measures how many labels the order saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul, one_thread
from candid.core.stored_rows import ManyRows, blocks_of
from candid.models.recipes.linear_head import balanced_weights, leave_out, predict_left_out
from candid.models.recipes.logistic import Problem, fit, matrix_threads, scores_of, softmax
from candid.models.recipes.space import Space

#: Photos that a person is shown at once.
BATCH: Final = 24
_LEAST_BATCH: Final = 12
_GROWTH: Final = 0.25  # of the mean number of labels of a class
_STRENGTH: Final = 30.0  # of the quick heads
_TOLERANCE: Final = 1e-2
_NUM_AXES: Final = 256
_SAMPLE: Final = 1024  # photos that the axes are found on
_MOST_POOL: Final = 2000  # unlabelled photos that are compared with each other
_MOST_FITTED: Final = 10_000  # labelled photos that a quick head is fitted on
_SPREAD: Final = 0.25  # of the cosine, within which photos stand for each other
_NUM_FOLDS: Final = 5
_BLOCK: Final = 2048

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Photos to be given a class, or to be checked.

    Attributes:
        guess: The class that they share by the head's answer; -1 for none, as it can't tell yet.
        places: int64 ``(m,)``, the photos, in the order in which it pays; empty if none is left.
        probabilities: float32 ``(m,)``, of the guess; 0 without one.
    """

    guess: int
    places: Places
    probabilities: Rows


_NOTHING: Final = Batch(-1, np.empty(0, np.int64), np.empty(0, np.float32))


class Labelling:
    """Embeddings of photos, prepared for heads that are fitted anew after each batch of labels."""

    def __init__(self, embeddings: ManyRows, *, seed: int = 0) -> None:
        """Find axes and turn the photos onto them, which takes seconds once.

        Args:
            embeddings: float32 ``(n, d)``.
            seed: Of the samples and folds of many photos.
        """
        self._ranks = np.random.default_rng(seed).permutation(len(embeddings))
        sample = np.sort(np.argsort(self._ranks)[:_SAMPLE])
        with one_thread(True):
            self._space = Space(embeddings.take(sample, axis=0)[:], most_axes=_NUM_AXES)
        # Half precision, as 100,000 photos stay in memory beside everything else.
        parts = [self._space.project(embeddings[b]) for b in blocks_of(embeddings)]
        self._rows = np.concatenate(parts, dtype=np.float16, casting="same_kind")

    def suggest(
        self,
        labels: Places,
        num_classes: int,
        *,
        among: NDArray[np.bool_] | None = None,
        refused: NDArray[np.bool_] | None = None,
        size: int | None = None,
    ) -> Batch:
        """The batch of photos that it pays most to label.

        Args:
            labels: int64 ``(n,)``, -1 for those without one.
            num_classes: The number of classes, of those without photos too.
            among: bool ``(n,)``, the photos that may be suggested; by default all without a label.
            refused: bool ``(n, num_classes)``, classes that a photo is known not to have.
            size: The most photos; by default 24, and from 12 on as long as few have a label.
        """
        known = labels >= 0
        among = ~known if among is None else among & ~known
        pool, fitted = self._first(among, _MOST_POOL), self._first(known, _MOST_FITTED)
        if not len(pool):
            return _NOTHING
        if len(np.unique(labels[fitted])) < 2:
            same, alike = np.full(len(pool), -1), np.ones(len(pool), np.float32)
            _, chosen = self._choose(pool, fitted, same, alike, size or BATCH)
            return Batch(-1, pool[chosen], np.zeros(len(chosen), np.float32))
        chances = self.predict(fitted, labels[fitted], pool, num_classes)
        if refused is not None:
            chances = _without(chances, refused[pool])
        usual = int(_GROWTH * known.sum() / num_classes)
        size = size or min(BATCH, max(_LEAST_BATCH, usual))
        weights = _uncertainties(chances)
        guess, chosen = self._choose(pool, fitted, chances.argmax(axis=1), weights, size)
        return Batch(guess, pool[chosen], chances[chosen, guess])

    def doubt(
        self,
        labels: Places,
        num_classes: int,
        groups: Places,
        *,
        among: NDArray[np.bool_] | None = None,
        size: int = BATCH,
    ) -> Batch:
        """The batch of labels that are most probably wrong: of those that should be one class.

        Each photo is answered by a head that saw neither it nor a copy of it.

        Args:
            labels: int64 ``(n,)``, -1 for those without one.
            num_classes: The number of classes.
            groups: int64 ``(n,)``, equal for copies of one picture.
            among: bool ``(n,)``, the photos that may be suggested; by default all with a label.
            size: The most photos.
        """
        places = self._first(labels >= 0, _MOST_FITTED)
        given = labels[places]
        if len(np.unique(given)) < 2:
            return _NOTHING
        chances = self._held_out(places, given, groups[places], num_classes)
        guesses, here = chances.argmax(axis=1), np.arange(len(places))
        doubts = chances[here, guesses] - chances[here, given]
        asked = (guesses != given) & (True if among is None else among[places])
        if not asked.any():
            return _NOTHING
        guess = int(np.bincount(guesses[asked], doubts[asked]).argmax())
        found = np.flatnonzero(asked & (guesses == guess))
        found = found[np.argsort(-doubts[found], kind="stable")[:size]]
        return Batch(guess, places[found], chances[found, guess])

    def _first(self, which: NDArray[np.bool_], most: int) -> Places:
        """Some photos, always the same of many, in ascending order."""
        found = np.flatnonzero(which)
        return np.sort(found[np.argsort(self._ranks[found])[:most]])

    def _take(self, places: Places) -> Rows:
        return self._rows[places].astype(np.float32)

    def predict(self, fitted: Places, labels: Places, asked: Places, num_classes: int) -> Rows:
        """Probabilities, float32 ``(m, k)``, by a head that is fitted on some photos."""
        space = self._space.with_rows(self._take(fitted))
        weights = balanced_weights(labels, num_classes)  # batches of one guess unbalance them
        problem = Problem(space, labels, weights, num_classes)
        with matrix_threads(len(fitted) * _NUM_AXES, num_classes):
            fit([problem], _STRENGTH, tolerance=_TOLERANCE)
        return softmax(scores_of(self._take(asked), problem.fitted))

    def _held_out(self, places: Places, labels: Places, groups: Places, num_classes: int) -> Rows:
        """Probabilities, float32 ``(m, k)``, of each photo by a head without its group."""
        pictures = np.unique(groups, return_inverse=True)[1]
        ranks = np.full(pictures.max() + 1, len(self._ranks))
        np.minimum.at(ranks, pictures, self._ranks[places])
        folds = np.argsort(np.argsort(ranks))[pictures] % _NUM_FOLDS
        space, weights = self._space.with_rows(self._take(places)), np.ones(len(places), np.float32)
        problems = leave_out(space, labels, weights, folds, _NUM_FOLDS, num_classes)
        with matrix_threads(len(places) * _NUM_AXES, num_classes):
            fit(problems, _STRENGTH, tolerance=_TOLERANCE)
            return predict_left_out(problems, folds)

    def _choose(
        self, pool: Places, fitted: Places, guesses: Places, weights: Rows, most: int
    ) -> tuple[int, Places]:
        """The guess whose batch is worth most, and the places of that in the pool."""
        rows = _unit(self._take(pool))
        covered = _nearness(self._nearest(rows, fitted))
        alike = _nearness(matmul(rows, rows.T))
        worth, best = -1.0, (-1, np.empty(0, np.int64))
        for guess in np.unique(guesses):
            of_guess = np.flatnonzero(guesses == guess)
            value, chosen = _cover(alike, covered, weights, of_guess, most)
            if value > worth:
                worth, best = value, (int(guess), chosen)
        return best

    def _nearest(self, rows: Rows, fitted: Places) -> Rows:
        """The largest cosine of each row with a labelled photo, float32 ``(m,)``; -1 for none."""
        largest = np.full(len(rows), -1, np.float32)
        for start in range(0, len(fitted), _BLOCK):
            others = _unit(self._take(fitted[start : start + _BLOCK]))
            np.maximum(largest, matmul(rows, others.T).max(axis=1), out=largest)
        return largest


def _cover(
    alike: Rows, covered: Rows, weights: Rows, candidates: Places, most: int
) -> tuple[float, Places]:
    """Choose candidates that cover all photos best, one by one.

    What a candidate adds can only fall as others are chosen, so that few are computed again in each
    round (Minoux, 1978).

    Args:
        alike: float32 ``(n, n)``, how well one photo stands for another, 0 to 1.
        covered: float32 ``(n,)``, how well each is covered already.
        weights: float32 ``(n,)``, how much each counts.
        candidates: int64 ``(m,)``, the photos to choose from.
        most: How many.

    Returns:
        The sum of what they add, and the photos.
    """

    def added(numbers: Places) -> Rows:
        return np.asarray(matmul(np.maximum(alike[candidates[numbers]] - covered, 0), weights))

    blocks = np.array_split(np.arange(len(candidates)), len(candidates) // _BLOCK + 1)
    bounds = np.concatenate([added(block) for block in blocks])
    total = 0.0
    chosen: list[int] = []
    while len(chosen) < min(most, len(candidates)):
        first = int(bounds.argmax())
        bounds[first] = added(np.array([first]))[0]
        if bounds[first] < bounds.max():
            continue
        total += float(bounds[first])
        chosen.append(int(candidates[first]))
        covered = np.maximum(covered, alike[candidates[first]])
        bounds[first] = -np.inf
    return total, np.array(chosen, np.int64)


def _nearness(cosines: Rows) -> Rows:
    """How well one photo stands for another, 0 to 1; in place of their cosines, which are many."""
    cosines -= 1
    cosines /= np.float32(_SPREAD)
    return np.asarray(np.exp(cosines, out=cosines))


def _uncertainties(chances: Rows) -> Rows:
    """From 0, where one class is certain, to 1, where the first two are equally probable."""
    last_two = np.partition(chances, -2, axis=1)[:, -2:]
    return np.asarray(1 - (last_two[:, 1] - last_two[:, 0]) + np.float32(1e-6))


def _without(chances: Rows, refused: NDArray[np.bool_]) -> Rows:
    """Without refused classes, unless that are all."""
    left = np.where(refused, 0, chances + np.float32(1e-9))
    left[refused.all(axis=1)] = 1
    return np.asarray(left / left.sum(axis=1, keepdims=True), np.float32)


def _unit(rows: Rows) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
