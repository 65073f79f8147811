"""What the report gathers: an audit's shortcut, counts, heat maps of the mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from candid.auditing.audit import AuditOptions, audit
from candid.auditing.files import write_audit
from candid.cli.demo import SampleSet
from candid.training import Run, TrainOptions, train
from candid.training.report import find_shortcut


@pytest.fixture(scope="module")
def audited(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with an audit of the faces in it."""
    runs = tmp_path_factory.mktemp("audited") / "runs"
    made = audit(faces.folder, options=AuditOptions(backbone="efficientnet-lite0"))
    write_audit(made, runs / "faces-audit-1")
    return runs


def test_the_last_audit_of_the_folder_says_what_it_says_of_shortcuts(
    audited: Path, faces: SampleSet
) -> None:
    shortcut = find_shortcut(audited, faces.folder)
    assert shortcut is not None
    checks = json.loads((audited / "faces-audit-1" / "audit.json").read_text())["checks"]
    [check] = [row for row in checks if row["code"] == "shortcuts"]
    assert shortcut.summary == check["summary"]
    assert shortcut.found == (check["status"] == "found")
    assert shortcut.audit.endswith("faces-audit-1")


def test_an_audit_of_another_folder_says_nothing(
    audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_shortcut(audited, tmp_path) is None
    assert find_shortcut(tmp_path / "absent", tmp_path) is None


def test_an_audit_that_can_not_be_read_says_nothing(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "runs" / "faces-audit-1"
    broken.mkdir(parents=True)
    (broken / "audit.json").write_text("{")
    assert find_shortcut(tmp_path / "runs", faces.folder) is None


def test_a_run_beside_it_shows_it(audited: Path, faces: SampleSet) -> None:
    options = TrainOptions(backbone="efficientnet-lite0")
    run = train(faces.folder, run=audited / "faces-transfer-1", options=options)
    assert "faces-audit-1" in (run.folder / "report.html").read_text()


def test_a_run_without_an_audit_says_how_to_make_one(trained: Run) -> None:
    assert "candid audit" in (trained.folder / "report.html").read_text()
