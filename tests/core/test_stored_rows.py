"""Rows in a file are read as those of an array are indexed."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from candid.core.stored_rows import StoredRows, blocks_of, join_rows
from candid.errors import UsageError


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9000, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def stored(table: np.ndarray) -> StoredRows:
    rows = StoredRows(*table.shape)
    rows.write(5000, table[5000:])
    rows.write(0, table[:5000])
    return rows


@pytest.mark.parametrize(
    "which",
    [
        slice(None),
        slice(10, 20),
        np.array([], np.int64),
        np.array([8999, 0, 0, 17, 18, 4000]),
        np.random.default_rng(1).integers(0, 9000, 5000),
        np.random.default_rng(2).random(9000) < 0.2,
    ],
    ids=["all", "slice", "none", "far apart and twice", "random", "some by a mask"],
)
def test_an_index_reads_what_it_would_of_an_array(
    table: np.ndarray, stored: StoredRows, which: slice | np.ndarray
) -> None:
    assert np.array_equal(stored[which], table[which])


def test_rows_of_rows_are_taken_without_reading(table: np.ndarray, stored: StoredRows) -> None:
    odd = stored.take(np.arange(1, 9000, 2))
    assert (odd.shape, odd.size, len(odd)) == ((4500, 3), 13500, 4500)
    assert np.array_equal(odd.take(np.array([7, 2]))[:], table[[15, 5]])
    assert np.array_equal(odd.column(2), table[1::2, 2])
    assert np.array_equal(odd.whole[:], table)


def test_blocks_cover_all_rows_once(table: np.ndarray, stored: StoredRows) -> None:
    blocks = list(blocks_of(stored))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate([stored[block] for block in blocks]), table)
    assert list(blocks_of(table)) == [slice(0, 9000)]


def test_rows_are_joined_in_a_file_if_some_are_in_one(
    table: np.ndarray, stored: StoredRows
) -> None:
    for parts in ([stored.take(np.arange(5000)), table], [table[:3], stored], [table, table]):
        joined = join_rows(parts)
        assert np.array_equal(joined[:], np.concatenate([part[:] for part in parts]))
        assert isinstance(joined, StoredRows) == any(isinstance(one, StoredRows) for one in parts)


def test_a_full_disk_is_met_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with pytest.raises(UsageError, match="has no 40 MB"):
        StoredRows(100_000, 100)
