"""Every figure of a run can be computed again, and one that was changed is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from candid.errors import ArtifactError, DataError
from candid.evaluation.verify import differences, verify_run
from candid.training import Run


def change(run: Path, file: str, alter: Callable[[dict[str, Any]], None]) -> None:
    """Alter a JSON file of a run, as somebody would who also mends its hash."""
    values = json.loads((run / file).read_text())
    alter(values)
    (run / file).write_text(json.dumps(values))
    if file != "candid.json":
        manifest = json.loads((run / "candid.json").read_text())
        manifest["files"][file] = hashlib.sha256((run / file).read_bytes()).hexdigest()
        (run / "candid.json").write_text(json.dumps(manifest))


def test_a_run_as_it_was_written_holds(trained: Run) -> None:
    verified = verify_run(trained.folder)
    assert verified.differences == ()
    assert verified.num_figures > 100
    assert verified.to_text().startswith("Everything holds")
    assert verified.to_json()["holds"] is True


def test_a_figure_that_was_polished_is_named(copied_run: Path) -> None:
    def polish(values: dict[str, Any]) -> None:
        values["kfold"]["accuracy"]["value"] = 0.999
        values["leak_tax"]["tax"]["high"] = 0.0

    change(copied_run, "metrics.json", polish)
    verified = verify_run(copied_run)
    names = [row.name for row in verified.differences]
    assert names == [
        "kfold.accuracy.value",
        "leak_tax.tax.high",
        "candid.json: kfold.accuracy.value",
    ]
    assert "kfold.accuracy.value: written 0.999, now " in verified.to_text()


def test_the_manifest_must_say_the_same(copied_run: Path) -> None:
    change(copied_run, "candid.json", lambda values: values["metrics"]["accuracy"].update(n=7))
    [row] = verify_run(copied_run).differences
    assert row.name == "candid.json: accuracy.n"


def test_a_figure_that_no_float_holds_is_an_error_in_a_line(copied_run: Path) -> None:
    change(copied_run, "metrics.json", lambda values: values["accuracy"].update(value=10**400))
    with pytest.raises(ArtifactError, match=r"metrics.json can't be read .*401 digits"):
        verify_run(copied_run)


def test_a_figure_that_is_left_out_is_named(copied_run: Path) -> None:
    change(copied_run, "metrics.json", lambda values: values.pop("abstained"))
    names = [row.name for row in verify_run(copied_run).differences]
    assert "abstained.coverage.value" in names


def test_a_file_that_was_changed_is_an_error(copied_run: Path) -> None:
    (copied_run / "metrics.json").write_text("{}")
    with pytest.raises(ArtifactError, match="not as it was written"):
        verify_run(copied_run)


def test_photos_that_are_gone_are_an_error(copied_run: Path, tmp_path: Path) -> None:
    def forget(values: dict[str, Any]) -> None:
        values["data"]["folder"] = str(tmp_path / "gone")

    change(copied_run, "candid.json", forget)
    with pytest.raises(DataError, match="does not exist"):
        verify_run(copied_run)


class TestDifferences:
    def test_are_none_between_figures_that_rounding_tells_apart(self) -> None:
        assert list(differences({"a": [1.0, 2.0]}, {"a": (1.00005, 2.0)})) == []

    def test_are_named_by_the_way_to_them(self) -> None:
        found = list(differences({"a": {"b": [1, 0.5]}}, {"a": {"b": [2, 0.6]}}, "file: "))
        assert [row.name for row in found] == ["file: a.b[0]", "file: a.b[1]"]

    def test_are_what_only_one_has(self) -> None:
        [row] = differences({}, {"a": 1})
        assert (row.written, row.now) == ("nothing", "1")

    def test_are_null_and_a_number(self) -> None:
        assert len(list(differences({"a": None}, {"a": 0.5}))) == 1
