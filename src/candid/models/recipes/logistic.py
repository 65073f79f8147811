"""Multinomial logistic regression with an L2 penalty on the kernel, fitted by L-BFGS.

All fits of any row weights and strength share a `Space`, and many are computed in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from threading import BoundedSemaphore
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import LARGE_MATRIX, Rows, matmul, one_thread, without_flags
from candid.core.stored_rows import StoredRows, blocks_of
from candid.core.threads import go_on, joint_pool, map_ahead, num_cores
from candid.models.recipes.lbfgs import Places, Vectors, minimise
from candid.models.recipes.space import Space

#: Classes above which a head is fitted in closed form, see `fit`.
MANY_CLASSES: Final = 50
#: Principal axes of a fit with many classes; the others hold a few percent.
MOST_AXES: Final = 512
_TAMING = 4.0  # of the curvature at the classes' frequencies, as it grows from there

_STRONG = 100.0  # inverse strength up to which the tolerance is as given
_LEAST_CURVATURE = 1e-4  # of the log loss by a score, p (1 - p); 0 where all rows fit exactly
_SMALL_MATRIX = 2_000_000  # values
_TOGETHER = 250_000  # values of a `_Batch`: more take more memory, and no less time
_ROUND = 32

_CORES = BoundedSemaphore(num_cores())
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def matrix_threads(num_values: int, num_classes: int = 2) -> AbstractContextManager[object]:
    """Limit NumPy to one thread for small matrices, and for larger ones in closed form.

    Folds are fitted in one thread each instead.
    """
    small = LARGE_MATRIX if num_classes > MANY_CLASSES else _SMALL_MATRIX
    return one_thread(num_values < small)


def fit_at_once(
    work: Callable[[_Job], _Result], jobs: Iterable[_Job], *, num_values: int
) -> list[_Result]:
    """Do jobs in threads, those of all callers together as many at once as there are cores.

    Large ones, of over 20 million values, are done one after another, as each copies its rows.
    """

    def guarded(job: _Job) -> _Result:
        with _CORES:
            go_on()
            return work(job)

    at_once = num_cores() if num_values <= LARGE_MATRIX else 1
    with matrix_threads(0), joint_pool(at_once) as pool:
        return list(pool.map(guarded, jobs))


@dataclass(eq=False)
class Problem:
    """A head to fit: half the squared norm of its kernel plus strength times the summed log loss.

    It keeps its last fit, from which the next one starts, and what all strengths share.

    Attributes:
        space: The rows.
        labels: int64 ``(n,)``, from 0 to ``num_classes - 1``.
        weights: float32 ``(n,)``; rows of weight 0 are held out.
        num_classes: The number of classes.
        counted: bool ``(n,)``, rows to estimate the scale of the steps on; by default all.
        solution: float64 ``(k, r + 1)``, the bias last; a single row for two classes.
    """

    space: Space
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]
    num_classes: int
    counted: NDArray[np.bool_] | None = None
    solution: NDArray[np.float64] | None = None
    at_zero: float | None = None  # the largest element of the gradient at zero, for strength 1

    @property
    def fitted(self) -> NDArray[np.float64]:
        """The last fit, float64 ``(k, r + 1)``, the bias last; zero before the first."""
        last = self.solution
        if last is None:
            return np.zeros((self.num_classes, self.space.rows.shape[1] + 1))
        return np.concatenate([-last / 2, last / 2]) if len(last) == 1 else last

    @cached_property
    def curvature(self) -> tuple[NDArray[np.floating], int]:
        """The sum of squares of each column ``(r,)``, and the number of rows that it is over."""
        if self.counted is None:
            return self.space.squares, len(self.labels)
        squares = matmul(self.counted.astype(np.float32), np.square(self.space.rows[:]))
        return squares, int(self.counted.sum())

    @cached_property
    def newton(self) -> _Newton:
        """What Newton's steps for all strengths share."""
        return _Newton(self)


def fit(
    problems: Sequence[Problem], strength: float | Sequence[float], *, tolerance: float
) -> None:
    """Fit heads, each from its last fit or from zero.

    For two classes one row is fitted; the other is its negative. For more than `MANY_CLASSES` it
    is one Newton step from the frequencies of the classes, see docs/adr/0023-many-classes.md.

    Args:
        problems: The heads, of equally many classes; those of one space after one another.
        strength: Inverse strength of the regularisation, or one for each head.
        tolerance: The gradient's largest element at the end, relative to that at zero;
            proportionally less for strengths above 100, where the latter grows and the solution
            hardly does.
    """
    strengths = np.broadcast_to(np.asarray(strength, np.float64), len(problems)).tolist()
    pairs = list(zip(problems, strengths, strict=True))
    if pairs and pairs[0][0].num_classes > MANY_CLASSES:
        for problem, each in pairs:
            go_on()
            problem.solution = problem.newton.step(each)
        return
    if pairs and isinstance(pairs[0][0].space.rows, StoredRows):
        _Streamed(pairs).fit(tolerance)
        return
    for shape, group in groupby(sorted(pairs, key=_shape), _shape):
        alike, size = list(group), max(1, _TOGETHER // (shape[0] * sum(shape[1:])))
        for start in range(0, len(alike), size):
            _Batch(alike[start : start + size]).fit(tolerance)


_Fit = tuple[Problem, float]  # with the inverse strength


def _shape(one: _Fit) -> tuple[int, int, int]:
    """Rows of parameters, images and axes, rounded up, so that nearly equal sizes are alike."""
    outputs = one[0].num_classes if one[0].num_classes > 2 else 1
    num_rows, num_axes = (-(-size // _ROUND) * _ROUND for size in one[0].space.rows.shape)
    return outputs, num_rows, num_axes


class _Batch:
    """Fits of one shape, in arrays of p heads, k rows of parameters, n images and r axes."""

    def __init__(self, fits: Sequence[_Fit]) -> None:
        problems = [problem for problem, _ in fits]
        self._problems, self._strengths = problems, np.array([strength for _, strength in fits])
        outputs, num_rows, num_axes = _shape(fits[0])
        self._shape = len(problems), outputs, num_axes + 1
        self._truth = np.zeros((len(problems), outputs, num_rows))
        self._weights = np.zeros((len(problems), 1, num_rows))
        firsts = [0]
        for place, problem in enumerate(problems):
            size = len(problem.labels)
            numbers = np.arange(outputs)[:, None] + (outputs == 1)
            self._truth[place, :, :size] = problem.labels == numbers
            self._weights[place, :, :size] = problem.weights
            if problem.space is not problems[firsts[-1]].space:
                firsts.append(place)
        self._firsts, self._spaces = firsts, [problems[first].space.rows[:] for first in firsts]

    @without_flags()
    def fit(self, tolerance: float) -> None:
        """Fit all of them."""
        every, start = np.arange(len(self._problems)), np.zeros(self._shape)
        if any(problem.at_zero is None for problem in self._problems):
            at_zero = np.abs(self._loss(start.reshape(len(every), -1), every)[1]).max(axis=1)
            for problem, largest in zip(self._problems, at_zero / self._strengths, strict=True):
                problem.at_zero = float(largest)
        for row, problem in zip(start, self._problems, strict=True):
            if problem.solution is not None:
                row[:, : problem.space.rows.shape[1]] = problem.solution[:, :-1]
                row[:, -1] = problem.solution[:, -1]
        enough = np.array([problem.at_zero for problem in self._problems])
        enough *= tolerance * np.minimum(self._strengths, _STRONG)
        scale = self._inverse_hessian(start).reshape(len(every), -1)
        found = minimise(self._loss, start.reshape(len(every), -1), scale=scale, enough=enough)
        for row, problem in zip(found.reshape(self._shape), self._problems, strict=True):
            problem.solution = np.column_stack([row[:, : problem.space.rows.shape[1]], row[:, -1]])

    def _blocks(self, which: Places) -> Iterator[tuple[Rows, slice]]:
        """The rows of each space, and the place of its problems among some."""
        ends = np.searchsorted(which, [*self._firsts, len(self._problems)]).tolist()
        for rows, (first, last) in zip(self._spaces, pairwise(ends), strict=True):
            if last > first:
                yield rows, slice(first, last)

    def _scores(self, parameters: Vectors, which: Places) -> Vectors:
        """Scores, float64 ``(p, k, n)``, from parameters ``(p, k, r + 1)``."""
        kernel = parameters[:, :, :-1].astype(np.float32)
        scores = np.zeros((*kernel.shape[:2], self._truth.shape[2]))
        for rows, here in self._blocks(which):
            flat = kernel[here, :, : rows.shape[1]].reshape(-1, rows.shape[1])
            product = (flat @ rows.T).reshape(-1, kernel.shape[1], len(rows))
            scores[here, :, : len(rows)] = product
        scores += parameters[:, :, -1:]
        return scores

    def _loss(self, points: Vectors, which: Places) -> tuple[Vectors, Vectors]:
        go_on()
        parameters = points.reshape(-1, *self._shape[1:])
        losses, gradient = self._log_losses(parameters, which)
        strengths = self._strengths[which]
        gradient *= strengths[:, None, None]
        gradient[:, :, :-1] += parameters[:, :, :-1]
        half_square = 0.5 * np.square(parameters[:, :, :-1]).sum(axis=(1, 2))
        return strengths * losses + half_square, gradient.reshape(len(points), -1)

    def _log_losses(self, parameters: Vectors, which: Places) -> tuple[Vectors, Vectors]:
        """Summed log losses ``(p,)``, and their gradients ``(p, k, r + 1)``."""
        whole = len(which) == len(self._problems)
        truth = self._truth if whole else self._truth[which]
        weights = self._weights if whole else self._weights[which]
        losses, errors = _log_loss(self._scores(parameters, which), truth)
        errors *= weights
        single = errors.astype(np.float32)
        gradient = np.zeros_like(parameters)
        for rows, here in self._blocks(which):
            flat = single[here, :, : len(rows)].reshape(-1, len(rows))
            product = (flat @ rows).reshape(-1, single.shape[1], rows.shape[1])
            gradient[here, :, : rows.shape[1]] = product
        gradient[:, :, -1] = errors.sum(axis=2)
        return np.asarray(np.vecdot(losses, weights[:, 0])), gradient

    def _curvature(self, parameters: Vectors) -> Vectors:
        """The sum of p (1 - p) over the rows, ``(p, k)``."""
        scores = self._scores(parameters, np.arange(len(parameters)))
        _, chances = _log_loss(scores, np.zeros_like(scores))
        return np.asarray(np.vecdot(chances * (1 - chances), self._weights))

    def _inverse_hessian(self, parameters: Vectors) -> Vectors:
        """Estimate the diagonals of the inverse Hessians, ``(p, k, r + 1)``."""
        squares, numbers = zip(*(problem.curvature for problem in self._problems), strict=True)
        counts = np.array(numbers)[:, None]
        curvature = self._curvature(parameters) / counts
        curvature = self._strengths[:, None] * np.maximum(curvature, _LEAST_CURVATURE)
        hessian = np.ones(self._shape)
        for row, square, each in zip(hessian, squares, curvature, strict=True):
            row[:, : len(square)] += each[:, None] * square
        hessian[:, :, -1] = curvature * counts
        return 1 / hessian


class _Streamed(_Batch):
    """Fits on rows of one file, perhaps each on others of them, which are read at each step.

    Blocks are computed in threads and summed in their order. Unlike those in memory, scores and
    losses are in single precision.
    """

    def __init__(self, fits: Sequence[_Fit]) -> None:
        self._problems = [problem for problem, _ in fits]
        self._strengths = np.array([strength for _, strength in fits])
        outputs, rows = _shape(fits[0])[0], self._problems[0].space.rows
        assert isinstance(rows, StoredRows)
        self._rows, (num_rows, num_axes) = rows.whole, rows.whole.shape
        self._shape = len(fits), outputs, num_axes + 1
        self._labels = np.zeros(num_rows, np.int64)
        self._weights = np.zeros((len(fits), num_rows), np.float32)
        for weights, problem in zip(self._weights, self._problems, strict=True):
            assert isinstance(problem.space.rows, StoredRows)
            places = problem.space.rows.places
            self._labels[places], weights[places] = problem.labels, problem.weights
        self._used = [b for b in blocks_of(self._rows) if self._weights[:, b].any()]

    def _each_block(
        self, parameters: Vectors, which: Places, work: Callable[..., tuple[Vectors, ...]]
    ) -> list[Vectors]:
        """Sums of what is computed from m rows, scores ``(p, k, m)``, truth and weights."""
        outputs = parameters.shape[1]
        kernel = parameters[:, :, :-1].astype(np.float32).reshape(-1, self._shape[2] - 1)
        bias = parameters[:, :, -1:].astype(np.float32)
        numbers = np.arange(outputs)[:, None] + (outputs == 1)

        def one(block: slice) -> tuple[Vectors, ...]:
            rows = self._rows[block]
            scores = (kernel @ rows.T).reshape(*parameters.shape[:2], -1) + bias
            truth = (self._labels[block] == numbers).astype(np.float32)
            return work(rows, scores, truth, self._weights[which, None, block])

        sums: list[Vectors] = []
        with matrix_threads(0):
            for values in map_ahead(one, self._used):
                sums = [a + b for a, b in zip(sums, values, strict=True)] if sums else [*values]
        return sums

    def _log_losses(self, parameters: Vectors, which: Places) -> tuple[Vectors, Vectors]:
        def work(rows: Rows, scores: Rows, truth: Rows, weights: Rows) -> tuple[Vectors, ...]:
            losses, errors = _log_loss(scores, truth)
            errors *= weights
            kernel = (errors.reshape(-1, len(rows)) @ rows).reshape(*errors.shape[:2], -1)
            total = (losses * weights[:, 0]).sum(axis=1, dtype=np.float64)
            return total, kernel.astype(np.float64), errors.sum(axis=2, dtype=np.float64)

        total, kernel, bias = self._each_block(parameters, which, work)
        return total, np.concatenate([kernel, bias[:, :, None]], axis=2)

    def _curvature(self, parameters: Vectors) -> Vectors:
        def work(_: Rows, scores: Rows, truth: Rows, weights: Rows) -> tuple[Vectors, ...]:
            chances = _log_loss(scores, np.zeros_like(truth))[1]
            return ((chances * (1 - chances) * weights).sum(axis=2, dtype=np.float64),)

        return self._each_block(parameters, np.arange(len(parameters)), work)[0]


class _Newton:
    """The first step of Newton's method for `fit`, in closed form: a least-squares head.

    Its work grows with rows plus classes, an iteration's with rows times classes, and one
    factorisation serves all strengths.
    """

    def __init__(self, problem: Problem) -> None:
        rows, weights = problem.space.rows, problem.weights
        total = weights.sum(dtype=np.float64)
        self._present = np.unique(problem.labels)
        if isinstance(rows, StoredRows):
            scatter, sums = self._read(problem, rows, total)
        else:
            self._mean = matmul(weights, rows) / np.float32(total)
            apart = (rows - self._mean) * np.sqrt(weights)[:, None]
            scatter = matmul(apart.T, apart)
            apart *= np.sqrt(weights)[:, None]
            order = np.argsort(problem.labels, kind="stable")
            starts = np.searchsorted(problem.labels[order], self._present)
            sums = np.add.reduceat(apart[order], starts)
        self._values, self._turn = np.linalg.eigh(scatter)
        self._sums = matmul(sums, self._turn).astype(np.float64)
        counts = np.bincount(problem.labels, weights, minlength=problem.num_classes)
        self._shares = np.maximum(counts, 0.5) / total

    def _read(self, problem: Problem, rows: StoredRows, total: float) -> tuple[Rows, Rows]:
        """The scatter and the sums of the classes present, relative to the mean, of stored rows."""
        num_axes, places = rows.shape[1], np.searchsorted(self._present, problem.labels)
        square, sums = np.zeros((num_axes, num_axes)), np.zeros((len(self._present), num_axes))
        for block in blocks_of(rows):
            some, weights = rows[block], problem.weights[block, None]
            square += matmul(some.T, some * weights)
            np.add.at(sums, places[block], some * weights)
        mean = sums.sum(axis=0) / total
        self._mean = mean.astype(np.float32)
        counts = np.bincount(places, problem.weights, minlength=len(sums))
        scatter = square - total * np.outer(mean, mean)
        return scatter.astype(np.float32), (sums - counts[:, None] * mean).astype(np.float32)

    def step(self, strength: float) -> NDArray[np.float64]:
        """The head for a strength, float64 ``(k, r + 1)``, the bias last."""
        shares = self._shares
        fitted = np.zeros((len(shares), len(self._values) + 1))
        curvature = _TAMING * strength * (shares * (1 - shares))[self._present, None]
        shrunk = strength * self._sums / (1 + curvature * np.maximum(self._values, 0))
        kernel = matmul(shrunk, self._turn.T)
        fitted[self._present, :-1] = kernel
        fitted[:, -1] = np.log(shares)
        fitted[self._present, -1] -= matmul(kernel, self._mean)
        return fitted


def _log_loss(
    scores: NDArray[np.floating], truth: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The losses ``(p, n)`` of rows, and their gradients with respect to the scores ``(p, k, n)``.

    A single score is that of the second class of two.
    """
    if scores.shape[1] == 1:
        small = np.exp(-np.abs(scores))
        losses = np.maximum(scores, 0) - truth * scores + np.log1p(small)
        return losses[:, 0], np.where(scores < 0, small, 1) / (1 + small) - truth
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - (shifted * truth).sum(axis=1)
    exponentials /= total
    exponentials -= truth
    return losses, exponentials


def scores_of(rows: Rows, fitted: NDArray[np.float64]) -> Rows:
    """Scores, float32 ``(n, k)``, of rows of a `Space`, from the result of `fit`."""
    return np.asarray(matmul(rows, fitted[:, :-1].T) + fitted[:, -1], np.float32)


def softmax(scores: NDArray[np.floating]) -> Rows:
    """Probabilities, float32 ``(n, k)``, of scores."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)
