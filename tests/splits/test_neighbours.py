"""The nearest rows are found by all pairs and by the index, with any number of threads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from candid.errors import DependencyError
from candid.splits.duplicates import connect
from candid.splits.neighbours import Rows, near_pairs


def draw_rows(count: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Rows in a few clusters, like the embeddings of a few classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, width))
    rows = centres[rng.integers(12, size=count)] + 0.8 * rng.normal(size=(count, width))
    return rows.astype(np.float32)


def with_copies(rows: np.ndarray, share: int = 10) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The rows followed by slightly changed copies of every tenth, and the pairs of copies."""
    of = np.arange(0, len(rows), share)
    changed = rows[of] + 0.1 * np.random.default_rng(1).normal(size=rows[of].shape)
    table = np.concatenate([rows, changed.astype(np.float32)])
    return table, [(int(place), len(rows) + number) for number, place in enumerate(of)]


def all_of(table: np.ndarray) -> Rows:
    return Rows(table, np.arange(len(table)))


def pairs_of(table: np.ndarray, *, count: int = 16, least: float = 0.4) -> np.ndarray:
    return near_pairs(all_of(table), all_of(table), count=count, least=least)


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the index for any number of rows."""
    monkeypatch.setattr("candid.splits.neighbours.MAX_EXACT", 0)


class TestAllPairs:
    def test_are_those_with_the_largest_cosines(self) -> None:
        table = draw_rows(90, 20)
        unit = table / np.linalg.norm(table, axis=1, keepdims=True)
        cosines = unit @ unit.T
        np.fill_diagonal(cosines, -1)
        expected = {
            (min(row, other), max(row, other))
            for row in range(90)
            for other in np.argsort(-cosines[row])[:5].tolist()
            if cosines[row, other] >= 0.5
        }
        assert {tuple(pair) for pair in pairs_of(table, count=5, least=0.5).tolist()} == expected

    def test_are_the_same_in_small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = draw_rows(90, 20)
        whole = pairs_of(table)
        monkeypatch.setattr("candid.splits.neighbours._BLOCK", 7)
        np.testing.assert_array_equal(pairs_of(table), whole)

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_of_few_rows_are_few(self, count: int) -> None:
        assert len(pairs_of(np.ones((count, 8), np.float32))) == count // 2

    def test_need_no_faiss(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "faiss", None)
        assert len(pairs_of(draw_rows(50, 8)))


@pytest.mark.usefixtures("indexed")
class TestTheIndex:
    @pytest.mark.parametrize("width", [64, 320])  # 320 are shortened
    def test_finds_what_all_pairs_find(self, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
        table, copies = with_copies(draw_rows(4000, width))
        found = {tuple(pair) for pair in pairs_of(table).tolist()}
        assert all(row < other for row, other in found)
        assert found >= set(copies)
        monkeypatch.setattr("candid.splits.neighbours.MAX_EXACT", len(table))
        exact = {tuple(pair) for pair in pairs_of(table).tolist()}
        assert exact >= set(copies)
        assert len(found & exact) / len(exact) > 0.9

    def test_ignores_the_mean_of_all_rows(self) -> None:
        """Embeddings have no negative values, so their mean is far from 0."""
        table, copies = with_copies(draw_rows(4000, 320) + 4)
        assert {tuple(pair) for pair in pairs_of(table, least=0.99).tolist()} >= set(copies)

    def test_pairs_rows_of_one_table_with_those_of_another(self) -> None:
        table = draw_rows(600, 64)
        turned = table[np.random.default_rng(2).permutation(600)]
        pairs = near_pairs(all_of(turned), all_of(table), count=4, least=0.99)
        for row in range(600):
            place = int(np.flatnonzero((table == turned[row]).all(axis=1))[0])
            assert row == place or [min(row, place), max(row, place)] in pairs.tolist()

    @pytest.mark.parametrize("width", [64, 320])
    def test_depends_neither_on_threads_nor_on_the_run(
        self, width: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = draw_rows(3000, width)
        found = []
        for threads in (1, 2, 2, 5):
            monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
            found.append(pairs_of(table))
        for pairs in found[1:]:
            np.testing.assert_array_equal(pairs, found[0])

    def test_leaves_the_callers_threads_as_they_were(self) -> None:
        import faiss

        before = faiss.omp_get_max_threads()
        try:
            faiss.omp_set_num_threads(before + 2)
            pairs_of(draw_rows(100, 8))
            assert faiss.omp_get_max_threads() == before + 2
        finally:
            faiss.omp_set_num_threads(before)

    def test_depends_on_the_order_of_places_and_not_on_that_of_the_table(self) -> None:
        table = draw_rows(3000, 64)
        order = np.random.default_rng(3).permutation(3000)
        shuffled = Rows(table[order], np.argsort(order))
        pairs = near_pairs(shuffled, shuffled, count=16, least=0.4)
        np.testing.assert_array_equal(pairs, pairs_of(table))

    @pytest.mark.parametrize("count", [1, 2, 3, 40, 500, 1500])
    @pytest.mark.parametrize("width", [8, 320])
    def test_prints_nothing_for_few_rows(
        self, count: int, width: int, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """FAISS by default prints a warning below 39 rows per cell, bypassing Python's streams."""
        table, copies = with_copies(draw_rows(count, width))
        assert {tuple(pair) for pair in pairs_of(table).tolist()} >= set(copies)
        assert capfd.readouterr() == ("", "")

    def test_pairs_each_of_many_equal_rows_with_a_few(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        table = np.concatenate([draw_rows(300, 320), np.tile(draw_rows(1, 320, seed=9), (5000, 1))])
        pairs = pairs_of(table, count=4)
        assert len(pairs) <= 4 * len(table)
        numbers = connect(len(table), [(a, b) for a, b in pairs.tolist()])
        assert len(set(numbers[300:].tolist())) == 1
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("value", [0, 1])
    def test_of_nothing_but_equal_rows_is_no_error(
        self, value: int, capfd: pytest.CaptureFixture[str]
    ) -> None:
        pairs = pairs_of(np.full((3000, 320), value, np.float32), count=4)
        assert len(pairs) <= 4 * 3000
        assert (len(pairs) > 0) == (value > 0)  # rows of zeros point nowhere
        assert capfd.readouterr() == ("", "")

    def test_names_what_to_install_if_faiss_is_missing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "faiss", None)
        with pytest.raises(DependencyError, match=r'pip install "candid-image\[transfer\]"'):
            pairs_of(draw_rows(50, 8))


def test_faiss_is_imported_only_when_needed() -> None:
    code = "import sys, candid.splits.duplicates; sys.exit('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
