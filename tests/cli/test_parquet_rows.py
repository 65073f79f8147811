"""Predictions are written to a Parquet file as they pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from candid.cli import parquet_rows
from candid.cli.parquet_rows import write_parquet
from candid.errors import UsageError
from candid.runs.prediction import Prediction

parquet = pytest.importorskip("pyarrow.parquet")

PREDICTIONS = [
    Prediction("a.jpg", "cat", 0.75, {"cat": 0.75, "dog": 0.25}, None, possible=("cat", "dog")),
    Prediction("b\udcff.jpg", "dog", 0.9, {"cat": 0.1, "dog": 0.9}, None, verdict="sure"),
    Prediction.unreadable("c.jpg", "not an image"),
]


def test_a_row_has_what_json_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_ROWS_A_GROUP", 2)
    file = tmp_path / "rows.parquet"
    assert list(write_parquet(PREDICTIONS, file, ("cat", "dog"))) == PREDICTIONS
    table = parquet.read_table(file)
    assert table.column_names[:2] == ["path", "label"]
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == ["a.jpg", "b\\xff.jpg", "c.jpg"]
    for row, prediction in zip(rows, PREDICTIONS, strict=True):
        values = prediction.to_json()
        for name in ("label", "probability", "verdict", "possible", "familiarity", "reason"):
            assert row[name] == values[name], name
        assert [row["p:cat"], row["p:dog"]] == [
            values["probabilities"].get(name) for name in ("cat", "dog")
        ]
    assert parquet.ParquetFile(file).num_row_groups == 2


def test_nothing_is_left_of_rows_that_were_not_all_written(tmp_path: Path) -> None:
    rows = write_parquet(PREDICTIONS, tmp_path / "rows.parquet", ("cat", "dog"))
    next(rows)
    rows.close()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        list(write_parquet(PREDICTIONS, tmp_path / "no" / "rows.parquet", ("cat", "dog")))
