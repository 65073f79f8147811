"""A fitted logistic head without some of its images: fitted again from where it is.

Newton's method with conjugate gradients (Nocedal and Wright, 2006, alg. 7.1), for several heads in
step. What the first fit left of its gradient is kept, so that a difference between two heads comes
from the images alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul, without_flags
from candid.core.threads import go_on
from candid.models.recipes.logistic import matrix_threads

_Values = NDArray[np.float64]

_TOLERANCE: Final = 1e-5  # of the gradient, relative to that of the images that are left out
_CG_TOLERANCE: Final = 0.01
_INFLUENCE_TOLERANCE: Final = 0.001
_MAX_NEWTON: Final = 12
_MAX_CG: Final = 150
_MAX_HALVINGS: Final = 8
_TINY: Final = 1e-300
_TOGETHER: Final = 30_000_000  # values of the scores that are held for heads in step


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head and the images that it was fitted on.

    Attributes:
        rows: float32 ``(n, r)``, on the axes of a `Space`.
        labels: int64 ``(n,)``.
        weights: float32 ``(n,)``, how much each counts; 0 for those that were left out.
        strength: Inverse strength of the regularisation, as `candid.models.recipes.logistic.fit`
            has it.
        num_classes: The number of classes.
        parameters: float64 ``(k, r + 1)``, the bias last; for two classes the rows are opposite.
    """

    rows: Rows
    labels: NDArray[np.int64]
    weights: Rows
    strength: float
    num_classes: int
    parameters: _Values

    @cached_property
    def distance(self) -> float:
        """How far the head is from its optimum: its gradient relative to that of a head of zeros.

        About 0.00001 after a training; more if it was fitted on other images.
        """
        here = self.strength * self.backwards(self._errors * self.weights)
        here[:, :, :-1] += self._solution[:, :-1]
        at_zero = self._from_scores(np.zeros((1, len(self._solution), 1))) - self._truth
        start = self.strength * self.backwards(at_zero * self.weights)
        return float(np.abs(here).max() / max(np.abs(start).max(), 1e-30))

    def allows(self, left_out: NDArray[np.bool_]) -> bool:
        """Whether every class still has an image without some, bool ``(n,)``."""
        counts = np.bincount(self.labels, self.weights, self.num_classes)
        rest = np.bincount(self.labels, self.weights * ~left_out, self.num_classes)
        return bool(((rest > 0) | (counts == 0)).all())

    def influence(self, query: _Values, answered: int, against: int) -> _Values:
        """What leaving out each image adds to a score minus another, to the first order.

        Args:
            query: float64 ``(r + 1,)``, the asked image on the axes, with a 1 for the bias.
            answered: The class of the score.
            against: The class of the other one.

        Returns:
            float64 ``(n,)``, negative for images that pulled towards the class.
        """
        contrast = np.zeros((self.num_classes, len(query)))
        contrast[answered] += query
        contrast[against] -= query
        if self._is_single:
            contrast = (contrast[1:] - contrast[:1]) / 2
        with matrix_threads(self.rows.size), without_flags():
            system = _System(self, self.weights[None], self._chances)
            (along,) = self.scores(system.solve(contrast[None], _INFLUENCE_TOLERANCE))
            return np.asarray(self.strength * (self._errors[0] * self.weights * along).sum(axis=0))

    def leave_out(self, masks: Sequence[NDArray[np.bool_]]) -> list[FittedHead]:
        """The heads without some images, bool ``(n,)`` each, of which `allows` holds."""
        size = max(1, _TOGETHER // (len(self._solution) * len(self.labels)))
        found: list[FittedHead] = []
        with matrix_threads(self.rows.size), without_flags():
            for start in range(0, len(masks), size):
                found += self._leave_out(masks[start : start + size])
        return found

    def _leave_out(self, masks: Sequence[NDArray[np.bool_]]) -> list[FittedHead]:
        """Steps from the head; scores are the head's and those of the steps, for their digits."""
        weights = self.weights * ~np.stack(masks)
        gone = (self.weights - weights)[:, None] * self._errors
        pull = self.strength * self.backwards(gone.astype(np.float32))

        def gradient(steps: _Values, which: NDArray[np.int64]) -> tuple[_Values, _Values]:
            chances = self._from_scores(self._own_scores + self.scores(steps))
            change = weights[which, None] * (chances - self._chances)
            result = self.strength * self.backwards(change.astype(np.float32)) - pull[which]
            result[:, :, :-1] += steps[:, :, :-1]
            return result, chances

        steps, on = np.zeros_like(pull), np.arange(len(masks))
        left, chances = gradient(steps, on)
        enough = _TOLERANCE * _lengths(left)
        for _ in range(_MAX_NEWTON):
            far = _lengths(left) > enough[on]
            on, left, chances = on[far], left[far], chances[far]
            if not len(on):
                break
            go_on()
            step = -_System(self, weights[on], chances).solve(left, _CG_TOLERANCE)
            lengths, scale = _lengths(left), np.ones((len(on), 1, 1))
            for _ in range(_MAX_HALVINGS):
                left, chances = gradient(steps[on] + scale * step, on)
                grown = _lengths(left) > lengths
                if not grown.any():
                    break
                scale[grown] /= 2
            steps[on] += scale * step
        found = zip(weights, self._solution + steps, strict=True)
        return [
            replace(self, weights=each, parameters=self._opposite(solution))
            for each, solution in found
        ]

    @property
    def _is_single(self) -> bool:
        """Whether one row of scores is fitted, that of the second of two classes."""
        return self.num_classes == 2

    @cached_property
    def _solution(self) -> _Values:
        """Fitted parameters, ``(outputs, r + 1)``."""
        both = self.parameters
        return both[1:] - both[:1] if self._is_single else both

    def _opposite(self, solution: _Values) -> _Values:
        if not self._is_single:
            return solution
        return np.concatenate([-solution / 2, solution / 2])

    @cached_property
    def _truth(self) -> Rows:
        """Float32 ``(outputs, n)``."""
        numbers = np.arange(1, 2) if self._is_single else np.arange(self.num_classes)
        return np.asarray(self.labels == numbers[:, None], np.float32)

    @cached_property
    def squares(self) -> _Values:
        """The sum of squares of each column, and the number of rows, ``(r + 1,)``."""
        squares = np.einsum("ij,ij->j", self.rows, self.rows, dtype=np.float64)
        return np.append(squares, len(self.rows))

    @cached_property
    def _own_scores(self) -> _Values:
        return self.scores(self._solution[None])

    @cached_property
    def _chances(self) -> _Values:
        return self._from_scores(self._own_scores)

    @cached_property
    def _errors(self) -> _Values:
        """Gradients of the log loss by the scores, ``(1, outputs, n)``."""
        return self._chances - self._truth

    def _from_scores(self, scores: _Values) -> _Values:
        """Probabilities from scores, ``(p, outputs, n)``."""
        if self._is_single:
            return np.asarray(1 / (1 + np.exp(-scores)))
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    def scores(self, points: _Values) -> _Values:
        """Scores, ``(p, outputs, n)``, by parameters ``(p, outputs, r + 1)``."""
        flat = points[:, :, :-1].reshape(-1, points.shape[2] - 1).astype(np.float32)
        scores = matmul(flat, self.rows.T).reshape(*points.shape[:2], -1)
        return np.asarray(scores + points[:, :, -1:])

    def backwards(self, values: NDArray[np.floating]) -> _Values:
        """Sums of the rows and a 1, weighted by ``(p, outputs, n)``: ``(p, outputs, r + 1)``."""
        flat = values.reshape(-1, values.shape[2]).astype(np.float32)
        kernel = matmul(flat, self.rows).reshape(*values.shape[:2], -1)
        bias = values.sum(axis=2, dtype=np.float64)
        return np.concatenate([kernel, bias[:, :, None]], axis=2)


class _System:
    """The Hessians of heads, and what solves equations with them."""

    def __init__(self, head: FittedHead, weights: Rows, chances: _Values) -> None:
        self._head, self._weights, self._chances = head, weights[:, None], chances
        mean = (self._weights * chances * (1 - chances)).mean(axis=2, dtype=np.float64)
        self._scale = 1 / (1 + head.strength * mean[:, :, None] * head.squares)

    def times(self, vectors: _Values) -> _Values:
        """The Hessians times vectors, ``(p, outputs, r + 1)``."""
        along = self._chances * self._head.scores(vectors)
        if along.shape[1] == 1:
            along *= 1 - self._chances
        else:
            along -= self._chances * along.sum(axis=1, keepdims=True)
        product = self._head.strength * self._head.backwards(self._weights * along)
        product[:, :, :-1] += vectors[:, :, :-1]
        return product

    def solve(self, right: _Values, tolerance: float) -> _Values:
        """By preconditioned conjugate gradients, from zero."""
        found, left = np.zeros_like(right), right.copy()
        ready = self._scale * left
        direction, product = ready.copy(), _dots(left, ready)
        enough = tolerance * _lengths(right)
        for _ in range(_MAX_CG):
            if (_lengths(left) <= enough).all():
                break
            turned = self.times(direction)
            along = product / np.maximum(_dots(direction, turned), _TINY)
            found += along * direction
            left -= along * turned
            ready = self._scale * left
            before, product = product, _dots(left, ready)
            direction = ready + product / np.maximum(before, _TINY) * direction
        return found


def _dots(first: _Values, second: _Values) -> _Values:
    return np.asarray(np.einsum("pkr,pkr->p", first, second))[:, None, None]


def _lengths(vectors: _Values) -> _Values:
    return np.asarray(np.sqrt(np.einsum("pkr,pkr->p", vectors, vectors)))
