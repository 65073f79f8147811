"""Three people find their way through the studio, from the start to an export, in two browsers.

A teacher fills two classes with the webcam; a biologist sorts photos that have no class; an
engineer cleans, compares and ships. Their steps are in ``browser/ways.mjs``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from browser import DRIVER, FIREFOX, NAMES, find, go_without, has_driver

from candid.cli.demo import SampleSet
from candid.training import Run
from tests.studio.opened import open_studio

_TIMEOUT_S = 420


@pytest.fixture(params=["chrome", "firefox"])
def browser(request: pytest.FixtureRequest) -> dict[str, str]:
    """A browser, as the driver wants it."""
    if not has_driver():
        go_without("no puppeteer-core for Node.js. Run: make browser")
    executable = find(FIREFOX if request.param == "firefox" else NAMES)
    if executable is None:
        go_without(f"no {request.param}. Run: make browser")
    return {"browser": request.param, "executable": executable}


def go(way: str, browser: dict[str, str], tmp_path: Path, *words: object, **more: Any) -> Any:
    """Open the studio, go a way in a browser, and give what was seen."""
    with open_studio(*words, within=tmp_path) as address:
        wish = {**browser, "address": address, "way": way, "shots": str(tmp_path), **more}
        done = subprocess.run(
            [shutil.which("node") or "node", "drive.mjs", json.dumps(wish)],
            cwd=DRIVER,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, f"{done.stderr}\n(pictures are in {tmp_path})"
    seen = json.loads(done.stdout)
    print(f"{way}, {browser['browser']}: {seen}")
    assert seen["complaints"] == []
    assert (seen["export"]["status"], seen["export"]["begins"]) == (200, "PK")
    return seen


def exported(folder: Path, form: str) -> dict[str, Any]:
    """The manifest of the only export of a project."""
    (file,) = (folder / ".candid" / "exports").glob("**/candid-export.json")
    values: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert values["format"] == form
    return values


def test_a_teacher_records_two_classes_and_ships_a_page(browser, tmp_path):
    seen = go("teacher", browser, tmp_path, folder=str(tmp_path))
    folder = tmp_path / "shapes"
    assert {path.name for path in folder.iterdir()} == {".candid", "circle", "stripes"}
    # What one press recorded is a group, and twenty presses are twenty.
    rows = (folder / ".candid" / "groups.csv").read_text("utf-8").splitlines()[1:]
    assert len({row.rpartition(",")[2] for row in rows}) == 20
    assert len(rows) == sum(1 for _ in folder.glob("[cs]*/*.jpg"))
    assert exported(folder, "web")["parity"]["label_agreement"] == 1
    assert float(seen["speed"].split()[0]) > 0


def test_a_biologist_gives_photos_a_class_trains_and_judges(browser, faces: SampleSet, tmp_path):
    folder = Path(shutil.copytree(faces.folder, tmp_path / "traps"))
    truth = {}
    (folder / "unlabelled").mkdir()
    for label in ("happy", "sad"):
        for photo in sorted((folder / label).glob("*.jpg"))[8:]:
            truth[photo.name] = label
            photo.rename(folder / "unlabelled" / photo.name)
    seen = go("biologist", browser, tmp_path, folder, truth=truth)
    decided = (folder / ".candid" / "decisions.csv").read_text("utf-8").splitlines()[1:]
    assert len(decided) >= len(truth)
    for name, label in truth.items():
        assert any(name in row and label in row for row in decided), name
    assert exported(folder, "onnx")["parity"]["label_agreement"] == 1
    assert seen["batches"] >= 2


def test_an_engineer_cleans_compares_and_ships(browser, faces: SampleSet, trained: Run, tmp_path):
    folder = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    shutil.copytree(trained.folder, folder / ".candid" / "runs" / "faces-0")
    seen = go("engineer", browser, tmp_path, folder)
    decided = (folder / ".candid" / "decisions.csv").read_text("utf-8")
    assert decided.count("drop") == 1
    (run,) = (folder / ".candid" / "runs").glob("faces-[1-9]*")
    assert (run / "decisions.csv").is_file()
    assert seen["serve"] == f"candid serve {run}"
    assert exported(folder, "onnx")["run"]["name"] == run.name
