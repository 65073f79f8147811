"""The contents of a run's report: the audit's check for shortcuts, heat maps per fold."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from candid.auditing.audit import AuditOptions, audit
from candid.auditing.files import write_audit
from candid.cli.demo import SampleSet
from candid.core.cache import Cache
from candid.core.hashing import hash_bytes
from candid.data.file_reader import make_once
from candid.data.images import PixelContract
from candid.data.source import DataSource
from candid.evaluation.stored import read_stored
from candid.features.backbones import get
from candid.features.backbones.registry import Embedder
from candid.models.recipes.linear_head import LinearHead
from candid.reporting.report.advice import advise
from candid.reporting.report.answer import statements
from candid.training import Run, TrainOptions, report, train
from candid.training.report import (
    feature_maps,
    find_shortcut,
    gather_stored,
    map_of,
    read_shortcut,
)


@pytest.fixture(scope="module")
def audited(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with an audit of the faces in it."""
    runs = tmp_path_factory.mktemp("audited") / "runs"
    made = audit(faces.folder, options=AuditOptions(backbone="efficientnet-lite0"))
    write_audit(made, runs / "faces-audit-1")
    return runs


def test_the_latest_audit_of_the_folder_gives_the_check_for_shortcuts(
    audited: Path, faces: SampleSet
) -> None:
    shortcut = find_shortcut(audited, DataSource(faces.folder))
    assert shortcut is not None
    checks = json.loads((audited / "faces-audit-1" / "audit.json").read_text())["checks"]
    [check] = [row for row in checks if row["code"] == "shortcuts"]
    assert shortcut.summary == check["summary"]
    assert shortcut.found == (check["status"] == "found")
    assert shortcut.audit.endswith("faces-audit-1")


def audit_of(status: str, *traits: str, num_kept: int = 0) -> dict[str, Any]:
    """An audit as JSON with the checks for shortcuts."""
    found = [{"summary": f"{name} alone: 0.9", "about": f"*: {name}"} for name in traits]
    check = {"code": "shortcuts", "status": status, "summary": "s", "num_kept": num_kept}
    looks = {"code": "brightness-and-colour", "status": "found", "summary": "s"}
    colour = [{"summary": "colour alone: 0.8", "about": "*: colour"}]
    return {"checks": [{**check, "findings": found}, {**looks, "findings": colour}]}


def test_what_a_person_has_kept_is_judged_and_no_longer_found() -> None:
    audit, folder = audit_of("found", "file size", "camera"), Path("runs/a")
    shortcut = read_shortcut(audit, folder)
    assert shortcut is not None
    assert (shortcut.found, shortcut.traits) == (True, ("file size", "camera"))
    assert shortcut.looks == ("colour alone: 0.8",)
    half = {("*: file size", "", "shortcuts"), ("*: colour", "", "brightness-and-colour")}
    shortcut = read_shortcut(audit, folder, half)
    assert shortcut is not None
    assert (shortcut.found, shortcut.traits, shortcut.looks) == (True, ("camera",), ())
    shortcut = read_shortcut(audit, folder, {*half, ("*: camera", "", "shortcuts")})
    assert shortcut is not None
    assert (shortcut.found, shortcut.is_judged) == (False, True)
    shortcut = read_shortcut(audit_of("clean", num_kept=1), folder)
    assert shortcut is not None
    assert (shortcut.found, shortcut.is_judged) == (False, True)
    shortcut = read_shortcut(audit_of("clean"), folder)
    assert shortcut is not None
    assert not shortcut.is_judged


def test_an_audit_whose_check_did_not_run_is_an_audit() -> None:
    shortcut = read_shortcut(audit_of("not applicable"), Path("runs/a"))
    assert shortcut is not None
    assert not shortcut.is_checked


def test_an_audit_of_another_folder_is_ignored(
    audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_shortcut(audited, DataSource(tmp_path)) is None
    assert find_shortcut(tmp_path / "absent", DataSource(tmp_path)) is None


def test_an_unreadable_audit_is_ignored(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "runs" / "faces-audit-1"
    broken.mkdir(parents=True)
    (broken / "audit.json").write_text("{")
    assert find_shortcut(tmp_path / "runs", DataSource(faces.folder)) is None


def test_the_report_of_a_run_beside_the_audit_shows_it(audited: Path, faces: SampleSet) -> None:
    options = TrainOptions(backbone="efficientnet-lite0")
    run = train(faces.folder, run=audited / "faces-transfer-1", options=options)
    assert "faces-audit-1" in (run.folder / "report.html").read_text()


def test_the_report_of_a_run_without_an_audit_says_how_to_make_one(trained: Run) -> None:
    assert "candid audit" in (trained.folder / "report.html").read_text()


def test_what_is_gathered_from_the_files_says_what_the_report_says(trained: Run) -> None:
    first, again = trained.contents, gather_stored(read_stored(trained.folder))
    assert statements(again) == statements(first)
    assert advise(again) == advise(first)
    for name in ("name", "run", "counts", "folder", "recipe", "trained_on", "notes", "created"):
        assert getattr(again, name) == getattr(first, name), name


def test_the_map_of_a_fold_adds_up_to_the_scores_of_its_head(embedder: Embedder) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, embedder.backbone.num_features)).astype(np.float32) / 30
    head = LinearHead(kernel, rng.normal(size=3).astype(np.float32), 10.0)
    pixels = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    file = bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
    found = map_of(head, feature_maps(get("efficientnet-lite0"), PixelContract())(file))
    assert found.shape == (3, 7, 7)
    [scores] = head.scores(embedder.embed(pixels[None]))
    assert found.mean(axis=(1, 2)) == pytest.approx(scores, abs=2e-3)


def test_photos_share_one_session_and_none_is_started_where_all_are_cached(
    folder: Path, memory: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    class Session:
        def __init__(self, *_: object, **__: object) -> None:
            started.append(self)

        def run(self, *_: object) -> list[Any]:
            return [np.zeros((1, get("efficientnet-lite0").num_features), np.float32)]

    monkeypatch.setattr(report, "start_onnx", Session)
    files = {hash_bytes(file.read_bytes()): file for file in folder.glob("*/*")}
    start = partial(feature_maps, get("efficientnet-lite0"), PixelContract())
    made = make_once(memory, "maps", files, start)
    assert made.keys() == files.keys()
    assert make_once(memory, "maps", files, start) == made
    assert len(started) == 1
