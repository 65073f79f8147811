"""The axes that heads are fitted on: embeddings standardised and rotated, once for all fits."""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul, one_thread
from candid.core.stored_rows import ManyRows, StoredRows, TurnedRows, blocks_of
from candid.core.threads import map_ahead

_STD_FLOOR = 0.02  # of the mean standard deviation: limits the scaling of nearly constant features


class Space:
    """Embeddings standardised and rotated onto their principal axes.

    The L2 penalty is invariant to rotation. On these axes there are only as many coordinates as the
    rows span, and the Hessian is nearly diagonal, so that L-BFGS converges in a few steps.
    """

    def __init__(self, embeddings: Rows, *, most_axes: int | None = None) -> None:
        self._mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        rows = embeddings - self._mean  # in place from here on, as it may be large
        std = np.sqrt(_sum_squares(rows) / len(rows)).astype(np.float32)
        self._scale = std + np.float32(_STD_FLOOR) * std.mean() + np.float32(1e-12)
        rows /= self._scale
        length = np.float32(np.sqrt(_sum_squares(rows).sum() / len(rows)) + 1e-12)
        rows /= length
        self._scale = self._scale * length
        self.rows: ManyRows
        self._axes, self.rows = _principal_axes(rows, most_axes or rows.shape[1])

    @classmethod
    def of(cls, turned: TurnedRows) -> Space:
        """That of rows that are turned already."""
        space = object.__new__(cls)
        space._mean, space._scale, space._axes = turned.mean, turned.scale, (turned.axes,)
        space.rows, space.squares = turned.rows, turned.squares * len(turned.rows)
        return space

    def with_rows(self, rows: Rows) -> Space:
        """The same axes with other rows, in memory."""
        space = copy(self)
        space.__dict__.pop("squares", None)
        space.rows = rows
        return space

    @cached_property
    def _matrix(self) -> Rows:
        """The axes as one matrix, ``(r, d)``."""
        return matmul(*self._axes).astype(np.float32)

    def project(self, embeddings: Rows) -> Rows:
        """Other embeddings, float32 ``(m, d)``, on these axes, ``(m, r)``."""
        return np.asarray(matmul((embeddings - self._mean) / self._scale, self._matrix.T))

    def turn(self, embeddings: StoredRows, sampled: NDArray[np.int64]) -> TurnedRows:
        """Rows of a file on these axes, in another file, and a sample of them in memory."""
        axes = self._matrix
        turned = StoredRows(len(embeddings), len(axes), embeddings.folder)

        def write(block: slice) -> None:
            turned.write(block.start, self.project(embeddings[block]))

        with one_thread(True):
            for _ in map_ahead(write, blocks_of(embeddings)):
                pass
        squares = self.squares / len(self.rows)
        sample = turned[sampled]
        return TurnedRows(turned, self._mean, self._scale, axes, squares, sampled, sample)

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Sum of squares of each column, ``(r,)``."""
        parts = [_sum_squares(self.rows[block]) for block in blocks_of(self.rows)]
        return np.asarray(np.sum(parts, axis=0))

    def take(self, which: NDArray[np.bool_]) -> Space:
        """Some of the rows, on the same axes."""
        return self.with_rows(self.rows[which])

    def place(self, embeddings: Rows) -> Rows:
        """Where embeddings, float32 ``(m, d)``, are on the axes, ``(m, r)``."""
        rows = (embeddings - self._mean) / self._scale
        for axes in reversed(self._axes):
            rows = matmul(rows, axes.T)
        return np.asarray(rows, np.float32)

    def from_embeddings(self, kernel: Rows, bias: Rows) -> NDArray[np.float64]:
        """The inverse of `to_embeddings`: float64 ``(k, r + 1)``, the bias last.

        Args:
            kernel: float32 ``(k, d)``, of a head that was fitted on these axes.
            bias: float32 ``(k,)``.
        """
        wide = kernel.astype(np.float64)
        fitted = wide * self._scale
        for axes in reversed(self._axes):
            fitted = matmul(fitted, axes.T)
        return np.column_stack([fitted, bias + matmul(wide, self._mean)])

    def to_embeddings(self, fitted: NDArray[np.float64]) -> tuple[Rows, Rows]:
        """Kernel ``(k, d)`` and bias ``(k,)`` for embeddings that are not standardised."""
        kernel = matmul(fitted[:, :-1], *self._axes) / self._scale
        bias = fitted[:, -1] - matmul(kernel, self._mean)
        return kernel.astype(np.float32), bias.astype(np.float32)


def _sum_squares(rows: Rows) -> NDArray[np.float64]:
    """Sum of squares of each column, without a temporary of that size."""
    return np.asarray(np.einsum("ij,ij->j", rows, rows, dtype=np.float64))


def _principal_axes(rows: Rows, most: int) -> tuple[tuple[NDArray[np.floating], ...], Rows]:
    """Orthonormal axes ``(r, d)`` of the span of rows ``(n, d)``, and the rows on them, ``(n, r)``.

    The axes are a product of matrices; for few rows, of one ``(r, n)`` and the rows.
    """
    if len(rows) >= rows.shape[1]:
        _, vectors = np.linalg.eigh(matmul(rows.T, rows).astype(np.float64))
        axes = vectors[:, -most:].T.astype(np.float32)
        return (axes,), np.ascontiguousarray(matmul(rows, axes.T))
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(matmul(wide, wide.T))
    kept = values > values[-1] * 1e-10
    kept[:-most] = False
    vectors, lengths = vectors[:, kept], np.sqrt(values[kept])
    return ((vectors / lengths).T, rows), np.ascontiguousarray(vectors * lengths, np.float32)
