"""What is read back from a run's files is what was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candid.errors import ArtifactError
from candid.evaluation.stored import StoredRun, read_stored
from candid.training import Run


@pytest.fixture(scope="module")
def stored(trained: Run) -> StoredRun:
    return read_stored(trained.folder)


def test_the_figures_are_those_that_were_measured(stored: StoredRun, trained: Run):
    assert stored.evaluation.to_json() == trained.evaluation.to_json()
    assert stored.evaluation.believed.classes == stored.manifest.classes


def test_the_predictions_give_the_figures_again(stored: StoredRun):
    found, believed = stored.predictions, stored.evaluation.believed
    assert len(found.truth) == believed.n
    assert believed.accuracy is not None
    assert (found.predicted == found.truth).mean() == pytest.approx(believed.accuracy.value)
    assert found.probabilities.argmax(axis=1).tolist() == found.predicted.tolist()
    sure = stored.verdicts == "sure"
    abstained = stored.evaluation.abstained
    assert abstained is not None
    assert sure.mean() == pytest.approx(abstained.sure.value)


def test_of_many_classes_the_confusions_above_zero_are_read_back(stored: StoredRun):
    names = tuple(f"class {number:02}" for number in range(30))
    row = stored.evaluation.test.per_class[0]
    confusion = np.diag(np.arange(30)).astype(np.int64)
    confusion[3, 7] = 5
    measures = replace(
        stored.evaluation.test,
        classes=names,
        per_class=tuple(replace(row, name=name) for name in names),
        confusion=confusion,
    )
    again = type(measures).from_json(json.loads(json.dumps(measures.to_json())), names)
    assert np.array_equal(again.confusion, confusion)
    assert again.per_class == measures.per_class


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda values: values.pop("confusion"), "metrics.json"),
        (lambda values: values.update(leak_tax="none"), "metrics.json"),
        (lambda values: values["per_class"].clear(), "metrics.json"),
    ],
)
def test_figures_that_are_damaged_are_told(copied_run: Path, change, name: str, monkeypatch):
    monkeypatch.setattr("candid.runs.artifact._check_files", lambda *_, **__: None)
    file = copied_run / name
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=f"{name} can't be read .*train again"):
        read_stored(copied_run)
