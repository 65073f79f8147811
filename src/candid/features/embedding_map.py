"""A map of embeddings: two dimensions in which similar photos are near each other.

A neighbour graph is laid out by forces, as in UMAP (McInnes, Healy and Melville, 2018): neighbours
attract each other, other pairs drawn at random repel. Of many photos, some are laid out and each of
the others is put among its nearest of these, so that the time grows linearly. Distances between far
groups, and the axes, mean nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import Rows, matmul, principal_axes

_MOST_LAID_OUT: Final = 4000
_NUM_NEIGHBOURS: Final = 12
_NUM_REPELLED: Final = 8  # a photo and round
_NUM_ROUNDS: Final = 250
_MOST_FORCE: Final = 4.0  # of a pair, as in UMAP
_NUM_NEAREST: Final = 4  # that another photo is put among
_SPREAD: Final = 0.02  # of the cosine, among them
_BLOCK: Final = 1024

Places = NDArray[np.float32]


def lay_out(rows: NDArray[np.floating], *, seed: int = 0) -> Places:
    """Lay photos out on a square.

    Args:
        rows: ``(n, d)``, of length 1 (or 0): see `candid.runs.explaining.similar.Neighbours.rows`.
        seed: Random seed of the photos that are laid out first, and of the pairs that repel.

    Returns:
        float32 ``(n, 2)``, each from 0 to 1.
    """
    if len(rows) < 3:
        return np.linspace(0.25, 0.75, 2 * len(rows), dtype=np.float32).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(len(rows))[:_MOST_LAID_OUT])
    chosen = rows[sample].astype(np.float32)
    places = _to_square(_settle(chosen, rng))
    return places if len(sample) == len(rows) else _put_among(rows, chosen, places)


def _settle(rows: Rows, rng: np.random.Generator) -> Places:
    """Move photos from their first two principal components until the forces are small."""
    start, end, weights = _graph(rows)
    centred = rows - rows.mean(axis=0)
    axes = principal_axes(centred, 2)[1]
    places = np.zeros((len(rows), 2))
    places[:, : axes.shape[1]] = matmul(centred, axes.astype(np.float32))
    places *= 10 / max(float(np.abs(places).max()), 1e-9)
    places += rng.normal(0, 1e-3, places.shape)  # the same photo twice
    ours = np.repeat(np.arange(len(rows)), _NUM_REPELLED)
    for turn in range(_NUM_ROUNDS):
        apart = places[start] - places[end]
        pull = -2 * weights / (1 + np.square(apart).sum(axis=1))
        others = rng.integers(0, len(rows), len(ours))
        away = places[ours] - places[others]
        squares = np.square(away).sum(axis=1)
        push = 2 / ((0.01 + squares) * (1 + squares))
        forces = _sum(start, _limit(pull[:, None] * apart), len(rows))
        forces += _sum(ours, _limit(push[:, None] * away), len(rows))
        places += 0.25 * (1 - turn / _NUM_ROUNDS) * forces
    return places.astype(np.float32)


def _graph(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of neighbours, both ways, and how strongly they attract each other, 0 to 1."""
    num = min(_NUM_NEIGHBOURS, len(rows) - 1)
    nearest = np.empty((len(rows), num), np.int64)
    apart = np.empty((len(rows), num))
    for first in range(0, len(rows), _BLOCK):
        cosines = matmul(rows[first : first + _BLOCK], rows.T)
        here = np.arange(len(cosines))
        cosines[here, first + here] = -2
        found = np.argpartition(-cosines, num - 1, axis=1)[:, :num]
        nearest[first : first + _BLOCK] = found
        apart[first : first + _BLOCK] = 1 - np.take_along_axis(cosines, found, axis=1)
    apart -= apart.min(axis=1, keepdims=True)
    weights = np.exp(-apart / np.maximum(apart.mean(axis=1, keepdims=True), 1e-6)).ravel()
    start, end = np.repeat(np.arange(len(rows)), num), nearest.ravel()
    return (
        np.concatenate([start, end]),
        np.concatenate([end, start]),
        np.concatenate([weights, weights]) / 2,
    )


def _limit(forces: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(forces, -_MOST_FORCE, _MOST_FORCE)


def _sum(places: NDArray[np.int64], values: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    columns = (np.bincount(places, column, num) for column in values.T)
    return np.stack([*columns], axis=1)


def _put_among(rows: NDArray[np.floating], chosen: Rows, places: Places) -> Places:
    """Put each photo at the mean of its nearest ones, the nearer the heavier."""
    found = np.empty((len(rows), 2), np.float32)
    for first in range(0, len(rows), _BLOCK):
        cosines = matmul(rows[first : first + _BLOCK].astype(np.float32), chosen.T)
        nearest = np.argpartition(-cosines, _NUM_NEAREST - 1, axis=1)[:, :_NUM_NEAREST]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp((near - near.max(axis=1, keepdims=True)) / _SPREAD)
        weights /= weights.sum(axis=1, keepdims=True)
        found[first : first + _BLOCK] = (weights[..., None] * places[nearest]).sum(axis=1)
    return found


def _to_square(places: Places) -> Places:
    """Scaled alike in both directions into 0 to 1; a few far away are put at the edge."""
    low, high = np.quantile(places, (0.005, 0.995), axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-9)
    return np.asarray(np.clip(0.5 + (places - middle) / (2.1 * half), 0, 1), np.float32)
