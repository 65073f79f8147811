"""A set of 12 bits in 16: the range is decided, told, and kept in all that is made from it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import go_without
from PIL import Image

from candid import AuditOptions, audit, load
from candid.cli.demo import SampleSet
from candid.data.images import PixelContract, decode
from candid.evaluation.evaluate import evaluate_run
from candid.exporting import ExportRequest, export_run
from candid.exporting.parity import Parity
from candid.exporting.samples import read_golden
from candid.training import Run, TrainOptions, train
from tests.exporting.run_snippets import run_snippet
from tests.exporting.web_pages import use_browser

BACKBONE = "efficientnet-lite0"
RANGE = (0.0, 4095.0)


@pytest.fixture(scope="module")
def scans(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn faces as grey pictures of 12 bits in PNG files of 16."""
    folder = tmp_path_factory.mktemp("scans") / "data"
    for file in sorted(path for path in faces.folder.rglob("*") if path.is_file()):
        to = folder / file.relative_to(faces.folder).with_suffix(".png")
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with Image.open(file) as image:
                grey = np.asarray(image.convert("L"))
        except OSError:
            continue
        cv2.imwrite(str(to), grey.astype(np.uint16) * 16)
    return folder


@pytest.fixture(scope="module")
def run(scans: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        scans, run=tmp_path_factory.mktemp("deep") / "run", options=TrainOptions(backbone=BACKBONE)
    )


def test_the_range_is_in_the_manifest_and_told(run: Run) -> None:
    manifest = json.loads((run.folder / "candid.json").read_text())
    assert manifest["pixels"]["sample_range"] == list(RANGE)
    assert manifest["pixels"]["key"].endswith(":range=0,4095")
    assert any("use 12 of 16 bits (0 to 4095)" in note for note in run.notes)


def test_predictions_see_all_levels(run: Run, scans: Path) -> None:
    classifier = load(run.folder)
    file = next(scans.rglob("*.png"))
    pixels = decode(file.read_bytes(), classifier.contract)
    assert len(np.unique(pixels)) > 20
    eight = np.asarray(Image.open(file)) >> 4
    stream = cv2.imencode(".png", eight.astype(np.uint8))[1].tobytes()
    as_8_bits = decode(stream, PixelContract(classifier.contract.size_px)).astype(int)
    assert np.abs(pixels - as_8_bits).max() <= 1
    assert classifier.predict(file).label == classifier.predict(stream).label


def test_the_golden_images_are_read_by_it(run: Run, scans: Path) -> None:
    golden = read_golden(run.folder).pixels
    assert golden.max() > 200
    del scans


def test_the_same_folder_is_evaluated_in_the_same_way(run: Run) -> None:
    measured = evaluate_run(run.folder)
    assert measured.evaluation.test.accuracy.value == pytest.approx(
        run.evaluation.test.accuracy.value
    )


def test_the_report_shows_the_pictures(run: Run) -> None:
    assert "data:image/jpeg" in (run.folder / "report.html").read_text()


def test_an_audit_calls_nothing_blank(scans: Path) -> None:
    made = audit(scans, options=AuditOptions(backbone=BACKBONE))
    assert any("12 of 16 bits" in note for note in made.notes)
    blank = {item.path for check, _, item in made.items() if check.code == "blank"}
    levels = {path: len(np.unique(cv2.imread(str(scans / path), -1))) for path in blank}
    assert all(count < 8 for count in levels.values()), levels


def test_an_export_says_it_and_its_snippet_keeps_to_it(
    run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = export_run(ExportRequest(run.folder, "onnx")).snippets
    [made] = tmp_path.rglob("candid-export.json")
    assert json.loads(made.read_text())["pixels"]["sample_range"] == list(RANGE)
    photo = next(scans.rglob("*.png"))
    Path("photo.jpg").write_bytes(photo.read_bytes())
    names = run_snippet(snippet.code, tmp_path)
    expected = run.classifier.predict(photo)
    assert names["classify"]("photo.jpg")["label"] == expected.label
    pixels = decode(photo.read_bytes(), run.classifier.contract).astype(int)
    assert np.abs(names["read_photo"]("photo.jpg")[0] - pixels).max() <= 1


def test_the_page_answers_as_the_run_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate asks a real browser about the test part, which is 16-bit PNG."""
    monkeypatch.chdir(tmp_path)
    use_browser(monkeypatch)
    exported = export_run(ExportRequest(run.folder, "web"))
    assert isinstance(exported.parity, Parity)
    if exported.parity.decoded is None:
        go_without(f"no browser: {exported.notes[0]}. Run: make browser")
    assert exported.parity.decoded.num_same_label == exported.parity.decoded.num_images > 0


def test_a_range_of_the_person_s_own_is_kept(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from candid.cli.main import app

    monkeypatch.chdir(tmp_path)
    asked = ["train", str(scans), "--run", "own", "--range", "16,2000", "--backbone", BACKBONE]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert load("own").contract.sample_range == (16, 2000)
