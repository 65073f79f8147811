"""Nearest neighbours by cosine: all pairs for few rows, an approximate index for many.

Up to `MAX_EXACT` rows every row is compared with every other, which costs n². Beyond that, an index
compares a row with those in the nearest cells only (Sivic and Zisserman's inverted file, 2003, in
FAISS), which costs n·√n. The result depends on the rows and their order alone: the seed is fixed,
and each sum is computed by one thread, whatever the number of threads.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages
from candid.core.linalg import matmul
from candid.core.stored_rows import StoredRows
from candid.core.threads import num_cores

#: Up to this many rows all pairs are compared; at 20,000 both ways take equally long.
MAX_EXACT = 20_000

_BLOCK = 1024
_MAX_PRODUCTS = 10_000_000  # in memory at a time
_CELLS = 4  # times √n
_NUM_PROBES = 96  # cells searched per row
_ROWS_PER_CELL = 24  # to train on: a centre needs no more
_NUM_ITERATIONS = 6  # of k-means; more gain nothing
_NUM_COMPONENTS = 256  # principal components used for cells and the search in them
_PCA_ROWS = 4096  # to fit the components on
_RERANK_FACTOR = 2  # times as many as wanted are re-ranked by whole rows
_SEED = 1

_AT_ONCE = 64  # rows that are compared with all that were found for them

Pairs = NDArray[np.int64]
Table = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Rows of a table, scaled to length 1 on demand, so that no second table is in memory."""

    table: NDArray[np.generic] | StoredRows  # (m, d), any real type
    places: NDArray[np.int64]  # (n,), indices of its rows, in order

    def __len__(self) -> int:
        return len(self.places)

    def take(self, which: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of length 1 (or 0), float32 ``(k, d)``."""
        rows = self.table[self.places[which]].astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows


def near_pairs(rows: Rows, others: Rows, *, count: int, least: float) -> Pairs:
    """Pair each row with its nearest neighbours among the others.

    Args:
        rows: n rows.
        others: n rows; the i-th belongs to the same item as the i-th of ``rows`` and is no pair.
        count: Most neighbours per row.
        least: Least cosine of two neighbours, above 0.

    Returns:
        int64 ``(k, 2)``, each pair once, the lower index first, sorted.

    Raises:
        DependencyError: There are more than `MAX_EXACT` rows and FAISS is not installed.
    """
    find = _search_all if len(others) <= MAX_EXACT else _search_index
    return unique_pairs([*find(rows, others, count, least)], len(others))


def unique_pairs(parts: Sequence[Pairs], size: int) -> Pairs:
    """Pairs of numbers below ``size``, each once, the lower number first, sorted."""
    keys = [np.empty(0, np.int64)]
    keys += [part.min(axis=1) * size + part.max(axis=1) for part in parts]
    return np.stack(np.divmod(np.unique(np.concatenate(keys)), max(size, 1)), axis=1)


def _search_all(rows: Rows, others: Rows, count: int, least: float) -> Iterator[Pairs]:
    right = others.take(slice(None)).T
    size = max(1, min(_BLOCK, _MAX_PRODUCTS // max(len(others), 1)))
    for start in range(0, len(rows), size):
        products = matmul(rows.take(slice(start, start + size)), right)
        here = np.arange(len(products))
        products[here, start + here] = -1
        row, column = _largest(products, count, least)
        yield np.stack([row + start, column], axis=1)


def _largest(
    products: NDArray[np.float32], count: int, least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of each row's ``count`` largest products, of those from ``least``."""
    near = products >= least
    crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > count)  # few, as sorting is slow
    top = np.argpartition(-products[crowded], count - 1, axis=1)[:, :count]
    near[crowded] = False
    near[crowded[:, None], top] = True
    row, column = np.nonzero(near)
    return row, column


def _search_index(rows: Rows, others: Rows, count: int, least: float) -> Iterator[Pairs]:
    require_packages(
        ("faiss",),
        needed_by=f"finding copies among more than {MAX_EXACT:,} photos",
        extra="transfer",
    )
    import faiss

    indexed = _drop_repeats(others, count)
    one_thread = partial(faiss.omp_set_num_threads, 1)  # applies to the calling thread
    with ThreadPoolExecutor(num_cores(), initializer=one_thread) as pool:
        index, turn = pool.submit(_build, faiss, others, indexed).result()
        blocks = range(0, len(rows), _BLOCK)

        def cell(start: int) -> NDArray[np.int64]:
            block = turn(rows.take(slice(start, start + _BLOCK)))
            return np.asarray(index.quantizer.search(block, 1)[1][:, 0])

        # Neighbours of rows of one cell are the same rows, which are read once.
        order = np.argsort(np.concatenate([*pool.map(cell, blocks)]), kind="stable")

        def search(start: int) -> Pairs:
            places = order[start : start + _BLOCK]
            block = rows.take(places)
            ranked = count + 1  # one may be the row itself
            wanted = ranked if turn is _unchanged else ranked * _RERANK_FACTOR
            products, found = index.search(turn(block), wanted)
            if wanted > ranked:
                products, found = _rank_whole(block, found, others, indexed, ranked)
            row, column = np.nonzero((products >= least) & (found >= 0))
            pairs = np.stack([places[row], indexed[found[row, column]]], axis=1)
            return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])

        yield from pool.map(search, blocks)


def _rank_whole(
    block: Table, found: NDArray[np.int64], others: Rows, indexed: NDArray[np.int64], count: int
) -> tuple[Table, NDArray[np.int64]]:
    """The nearest of those found, by whole rows: products and numbers, ``(k, count)``."""
    numbers, places = np.unique(found, return_inverse=True)
    places = places.reshape(found.shape)
    known = others.take(indexed[numbers])  # -1, for none, is any row
    products = np.empty(found.shape, np.float32)
    for start in range(0, len(block), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        products[some] = np.vecdot(known[places[some]], block[some, None])
    products[found < 0] = -1
    best = np.argsort(-products, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(products, best, axis=1), np.take_along_axis(found, best, axis=1)


def _unchanged(rows: Table) -> Table:
    return rows


def _drop_repeats(rows: Rows, count: int) -> NDArray[np.int64]:
    """Indices of the rows without those that ``count`` earlier rows equal, int64 ``(k,)``.

    A thousand blank pages would share one cell and be compared with each other. With only a few of
    them in the index, the others still find those.
    """
    seen: Counter[bytes] = Counter()
    kept: list[int] = []
    for start in range(0, len(rows), _BLOCK):
        for place, row in enumerate(rows.take(slice(start, start + _BLOCK)), start):
            digest = hashlib.blake2b(row, digest_size=16).digest()
            seen[digest] += 1
            if seen[digest] <= count:
                kept.append(place)
    return np.array(kept, np.int64)


def _build(
    faiss: Any, rows: Rows, indexed: NDArray[np.int64]
) -> tuple[Any, Callable[[Table], Table]]:
    """An index of some rows in cells, and what turns rows onto its principal components."""
    size = rows.table.shape[1]
    num_cells = min(len(indexed), math.ceil(_CELLS * math.sqrt(len(indexed))))
    cosine, half = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_fp16  # two bytes a value
    # Rows are in the order of their hashes, so the first are a random sample.
    sample = rows.take(indexed[: max(num_cells * _ROWS_PER_CELL, _PCA_ROWS)])
    kept = min(size, _NUM_COMPONENTS) if len(sample) >= size else size
    cells = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(kept), kept, num_cells, half, cosine, False
    )
    cells.nprobe = _NUM_PROBES
    cells.cp.seed = _SEED
    cells.cp.niter = _NUM_ITERATIONS
    cells.cp.max_points_per_centroid = _ROWS_PER_CELL
    cells.cp.min_points_per_centroid = 1  # avoids a printed warning
    turn = _unchanged
    if kept < size:
        pca = faiss.PCAMatrix(size, kept)
        pca.train(np.concatenate([sample[:_PCA_ROWS], -sample[:_PCA_ROWS]]))  # mean 0: no shift
        turn = pca.apply
    cells.train(turn(sample))
    for start in range(0, len(indexed), _BLOCK):
        cells.add(turn(rows.take(indexed[start : start + _BLOCK])))
    return cells, turn
