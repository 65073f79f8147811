"""Which rows of a table point the same way: the pairs that may be copies, found without all pairs.

Up to `MAX_EXACT` rows every row is compared with every other, which costs n². Beyond, an index
compares a row with those of the nearest cells only (Sivic and Zisserman's inverted file, 2003, in
FAISS), which costs n·√n. What it finds depends on the rows and their order alone: the seed is
fixed, and every sum is made by one thread, however many of them are at work on different rows.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.errors import DependencyError

#: Rows up to which all pairs are compared; at 20,000 both ways take about as long.
MAX_EXACT = 20_000

_BLOCK = 1024
_MAX_PRODUCTS = 10_000_000  # in memory at a time
_CELLS = 4  # times √n
_NUM_PROBES = 96  # cells that are looked into
_TRAINED_ON = 24  # rows a cell: its centre needs no more
_NUM_ROUNDS = 6  # of k-means, for the same reason
_NUM_KEPT = 256  # principal components by which cells are told apart and looked through
_TURNED_ON = 4096  # rows
_RANKED = 2  # times as many as wanted are ranked by whole rows
_SEED = 1

Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, scaled to length 1 when they are asked for.

    Scaling a block at a time leaves the table as the only copy in memory.

    Attributes:
        table: ``(m, d)``, any real type.
        places: int64 ``(n,)``, which rows of it, in the order in which they count.
    """

    table: NDArray[np.generic]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def take(self, which: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Rows of length 1 (or 0), float32 ``(k, d)``."""
        rows = self.table[self.places[which]].astype(np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return rows


def near_pairs(rows: Rows, others: Rows, *, count: int, least: float) -> Pairs:
    """Pair each row with the nearest of the others.

    Args:
        rows: n rows.
        others: n rows, the i-th of the same thing as the i-th of ``rows``, which are no pair.
        count: How many neighbours a row has at most.
        least: The cosine from which on two rows are neighbours, above 0.

    Returns:
        int64 ``(k, 2)``, each pair once, the lower place first, in order.

    Raises:
        DependencyError: If there are more than `MAX_EXACT` rows and FAISS is not installed.
    """
    if len(others) <= MAX_EXACT:
        blocks = _compare_all(rows, others, count, least)
    else:
        blocks = _compare_cells(rows, others, count, least)
    pairs = np.concatenate([np.empty((0, 2), np.int64), *blocks])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _compare_all(rows: Rows, others: Rows, count: int, least: float) -> Iterator[Pairs]:
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
    """Rows and columns of each row's ``count`` largest products that are ``least`` or more."""
    near = products >= least
    crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > count)  # few: sorting is what costs
    top = np.argpartition(-products[crowded], count - 1, axis=1)[:, :count]
    near[crowded] = False
    near[crowded[:, None], top] = True
    row, column = np.nonzero(near)
    return row, column


def _compare_cells(rows: Rows, others: Rows, count: int, least: float) -> Iterator[Pairs]:
    indexed = _few_of_each(others, count)
    faiss = _import_faiss()
    alone = partial(faiss.omp_set_num_threads, 1)  # holds for the thread that calls it
    with ThreadPoolExecutor(os.cpu_count(), initializer=alone) as pool:
        index = pool.submit(_build, faiss, others, indexed).result()

        def search(start: int) -> Pairs:
            block = rows.take(slice(start, start + _BLOCK))
            products, found = index.search(block, count + 1)  # one may be the row itself
            row, column = np.nonzero((products >= least) & (found >= 0))
            pairs = np.stack([row + start, indexed[found[row, column]]], axis=1)
            return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])

        yield from pool.map(search, range(0, len(rows), _BLOCK))


def _few_of_each(rows: Rows, count: int) -> NDArray[np.int64]:
    """The first ``count`` of all rows that are equal, int64 ``(k,)``.

    A thousand blank pages would share one cell, and each be compared with all the others in it. In
    the index some stand for all, and the others find those.
    """
    seen: Counter[bytes] = Counter()
    few: list[int] = []
    for start in range(0, len(rows), _BLOCK):
        for place, row in enumerate(rows.take(slice(start, start + _BLOCK)), start):
            digest = hashlib.blake2b(row, digest_size=16).digest()
            seen[digest] += 1
            if seen[digest] <= count:
                few.append(place)
    return np.array(few, np.int64)


def _build(faiss: Any, rows: Rows, indexed: NDArray[np.int64]) -> Any:
    """An index of some rows: cells of turned and shortened rows, and whole ones to rank by."""
    size = rows.table.shape[1]
    num_cells = min(len(indexed), math.ceil(_CELLS * math.sqrt(len(indexed))))
    cosine, half = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_fp16  # two bytes a value
    # The order has nothing to do with what the rows are like, so the first are as good as any.
    sample = rows.take(indexed[: max(num_cells * _TRAINED_ON, _TURNED_ON)])
    kept = min(size, _NUM_KEPT) if len(sample) >= size else size  # few rows say too little
    cells = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(kept), kept, num_cells, half, cosine, False
    )
    cells.nprobe = _NUM_PROBES
    cells.cp.seed = _SEED
    cells.cp.niter = _NUM_ROUNDS
    cells.cp.max_points_per_centroid = _TRAINED_ON
    cells.cp.min_points_per_centroid = 1  # else it prints a warning where rows are few
    index = cells
    if kept < size:
        turn = faiss.PCAMatrix(size, kept)
        turn.train(np.concatenate([sample[:_TURNED_ON], -sample[:_TURNED_ON]]))  # mean 0: no shift
        whole = faiss.IndexScalarQuantizer(size, half, cosine)
        index = faiss.IndexRefine(faiss.IndexPreTransform(turn, cells), whole)
        index.k_factor = _RANKED
    index.train(sample)
    for start in range(0, len(indexed), _BLOCK):
        index.add(rows.take(indexed[start : start + _BLOCK]))
    return index


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise DependencyError(
            f"copies among more than {MAX_EXACT:,} photos are found with the package faiss-cpu, "
            'which is not installed. Run: pip install "candid-image[transfer]"'
        ) from error
    return faiss
