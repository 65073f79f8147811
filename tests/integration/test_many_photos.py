"""Folders whose embeddings are in a file give what they give with them in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import BACKBONE

import candid
from candid.cli.demo import SampleSet
from candid.core.stored_rows import StoredRows
from candid.features import extract
from candid.splits import duplicates, neighbours
from candid.splits.prepare import prepare


@pytest.fixture
def _in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "MANY_ROWS", 10)


@pytest.mark.usefixtures("_in_files")
def test_a_training_gives_nearly_the_same_run(
    faces: SampleSet, sample: SampleSet, trained: candid.Run, tmp_path: Path
) -> None:
    options = candid.TrainOptions(backbone=BACKBONE)
    run = candid.train(faces.folder, run=tmp_path / "run", options=options)
    assert (run.folder / "split.csv").read_bytes() == (trained.folder / "split.csv").read_bytes()
    frames = [pd.read_csv(each.folder / "predictions.csv") for each in (run, trained)]
    columns = [name for name in frames[0] if name.startswith("p(")]
    assert frames[0].path.equals(frames[1].path)
    apart = np.abs(frames[0][columns].to_numpy() - frames[1][columns].to_numpy())
    is_final = (frames[0].estimate == "test").to_numpy()
    assert apart[is_final].max() < 0.01
    assert np.median(apart[~is_final]) < 0.05, "of sixty photos, whose folds share their axes"
    measured = candid.evaluate(run.folder)
    assert measured.evaluation.believed.accuracy == run.evaluation.believed.accuracy
    elsewhere, plain = (candid.evaluate(each.folder, sample.folder) for each in (run, trained))
    assert elsewhere.notes == plain.notes
    assert [row.name for row in elsewhere.evaluation.baselines] == [
        row.name for row in plain.evaluation.baselines
    ]


@pytest.mark.usefixtures("_in_files")
def test_an_audit_finds_the_same_but_for_what_a_model_suspects(
    faces: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> dict[str, list[str]]:
        audit = candid.audit(faces.folder, options=candid.AuditOptions(backbone=BACKBONE))
        assert not [row for row in audit.checked if row.outcome.status == "failed"]
        return {
            row.check.code: sorted(item.path for f in row.outcome.findings for item in f.items)
            for row in audit.checked
            if row.check.code != "label-suspects"  # of sixty photos, whose folds are few
        }

    many = found()
    monkeypatch.setattr(extract, "MANY_ROWS", 10**9)
    assert many == found()


def test_the_index_finds_copies_by_rows_of_a_file(
    faces: SampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = prepare(faces.folder, backbone=BACKBONE)
    monkeypatch.setattr(extract, "MANY_ROWS", 10)
    monkeypatch.setattr(neighbours, "MAX_EXACT", 10)
    stored = prepare(faces.folder, backbone=BACKBONE)
    assert isinstance(stored.features.embeddings, StoredRows)
    assert np.array_equal(stored.features.embeddings[:], plain.features.embeddings)
    assert stored.groups.copies == plain.groups.copies
    assert len(plain.catalog.photos) > duplicates.NUM_NEIGHBOURS, "the index is of use"
