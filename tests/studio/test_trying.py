"""Trying a run: its web export's files, similar photos, culprits, and corrected answers."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.core.safe_json import read_object
from candid.data.scan import scan
from candid.evaluation.stored import read_stored
from candid.runs.artifact import MANIFEST, MODEL
from candid.server.settings import Settings
from candid.studio.app import make_app
from candid.studio.project import STATE, Project
from candid.studio.studio import Studio
from candid.studio.tried import TRIED, Tried
from candid.training import Run

ENGINE = "export const createEngine = ({ isQuick }) => isQuick;"


@pytest.fixture
def folder(trained: Run, tmp_path: Path) -> Path:
    """The photos of the run, and the run beside them."""
    source = Path(trained.contents.folder)
    copied = Path(shutil.copytree(source, tmp_path / "data"))
    shutil.copytree(trained.folder, copied / STATE / "runs" / "first")
    return copied


@pytest.fixture
def studio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(Project, "start", lambda _: None)  # nothing is read in the background
    monkeypatch.chdir(folder.parent)
    studio = Studio()
    rescan(studio.open(folder))
    return studio


def rescan(project: Project) -> None:
    catalog = scan(project.folder, to_train=False, allow_unlabelled=True)
    every = (*catalog.photos, *catalog.unlabelled)
    project._take(replace(catalog, photos=every, unlabelled=()), catalog.classes)


@pytest.fixture
def page(studio: Studio) -> TestClient:
    app = make_app(studio, Settings(), 8000)
    page = TestClient(app, base_url="http://127.0.0.1:8000", headers={"Host": "127.0.0.1:8000"})
    page.get(f"/?token={app.token}", follow_redirects=False)
    return page


def export(folder: Path, *, engine: str = ENGINE) -> Path:
    """What an export to the web leaves, without its model."""
    values = read_object(folder / STATE / "runs" / "first" / MANIFEST)
    made = folder / STATE / "exports" / "first-web"
    (made / "app").mkdir(parents=True)
    (made / "app" / "engine.js").write_text(engine)
    (made / "secret.txt").write_text("not of the export")
    manifest = {
        "format": "web",
        "run": {"model_sha256": values["files"][MODEL]},
        "files": {"app/engine.js": "…", "../../../../outside.txt": "…"},
    }
    (made / "candid-export.json").write_text(json.dumps(manifest))
    return made


def encoded(embedding: np.ndarray) -> str:
    return b64encode(embedding.astype("<f4").tobytes()).decode()


def golden(folder: Path) -> np.ndarray:
    with np.load(folder / STATE / "runs" / "first" / "golden.npz") as arrays:
        return np.asarray(arrays["embedding"])


# --- The web export -------------------------------------------------------------------------------


def test_without_a_run_there_is_nothing_to_try(page: TestClient, folder: Path) -> None:
    shutil.rmtree(folder / STATE / "runs")
    assert page.get("/api/trying").json() == {"run": None, "corrected": []}
    assert page.post("/api/trying/web").json()["error"]["code"] == "no_run"


def test_the_command_that_makes_the_export_is_told(page: TestClient, folder: Path) -> None:
    told = page.get("/api/trying").json()
    assert (told["run"]["name"], told["web"], told["job"]) == ("first", "", None)
    run, output = folder / STATE / "runs" / "first", folder / STATE / "exports" / "first-web"
    assert told["command"] == f"candid export {run} --to web --output {output}"


def test_only_files_of_the_export_are_served(page: TestClient, folder: Path) -> None:
    export(folder)
    (folder.parent / "outside.txt").write_text("outside")
    web = page.get("/api/trying").json()["web"]
    answer = page.get(f"{web}app/engine.js")
    assert answer.text == ENGINE
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "wasm-unsafe-eval" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
    assert page.get("/").headers["cross-origin-embedder-policy"] == "require-corp"
    for name in (
        "secret.txt",
        "app",
        "../../../../outside.txt",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/outside.txt",
    ):
        assert page.get(f"{web}{name}").status_code == 404
    assert page.get(f"{web}app/engine.js".replace("/web/0/", "/web/7/")).status_code == 422


def test_a_new_export_has_a_new_address(page: TestClient, folder: Path) -> None:
    made = export(folder)
    before = page.get("/api/trying").json()["web"]
    manifest = (made / "candid-export.json").read_text()
    (made / "candid-export.json").write_text(manifest + "\n")
    after = page.get("/api/trying").json()["web"]
    assert before != after
    assert page.get(f"{before}app/engine.js").status_code == 404


@pytest.mark.parametrize("change", ["other run", "older version"])
def test_an_export_that_does_not_fit_is_made_again(
    page: TestClient, folder: Path, change: str
) -> None:
    made = export(folder, engine=ENGINE if change == "other run" else "export const old = 1;")
    if change == "other run":
        values = read_object(made / "candid-export.json")
        values["run"]["model_sha256"] = "0" * 64
        (made / "candid-export.json").write_text(json.dumps(values))
    told = page.get("/api/trying").json()
    assert told["web"] == ""
    assert told["command"].endswith("--overwrite") == (change == "older version")


# --- What an answer comes from --------------------------------------------------------------------


def test_similar_photos_are_named_by_number_wherever_they_are(
    page: TestClient, studio: Studio, folder: Path
) -> None:
    asked = {"run": 0, "embedding": encoded(golden(folder)[0])}
    found = page.post("/api/trying/similar", json=asked).json()["similar"]
    assert len(found) == 6
    assert [one["similarity"] for one in found] == sorted(
        (one["similarity"] for one in found), reverse=True
    )
    first = studio.project.photo(found[0]["id"])
    (folder / "elsewhere").mkdir()
    (folder / first.path).rename(folder / "elsewhere" / "renamed.png")
    rescan(studio.project)
    again = page.post("/api/trying/similar", json=asked).json()["similar"]
    assert studio.project.photo(again[0]["id"]).path == "elsewhere/renamed.png"


def test_leaving_a_culprit_out_changes_the_answer(page: TestClient, folder: Path) -> None:
    asked = {
        "run": 0,
        "embedding": encoded(golden(folder)[0]),
        "answered": "happy",
        "against": "sad",
    }
    found = page.post("/api/trying/culprits", json=asked).json()
    assert found["after"] == found["before"]
    assert not found["is_own"]
    first = found["pulls"][0]
    assert first["nats"] == max(pull["nats"] for pull in found["pulls"])
    without = page.post("/api/trying/culprits", json=asked | {"without": first["ids"][:1]}).json()
    assert without["before"] == found["before"]
    assert without["after"] == pytest.approx(first["alone"], abs=1e-5)
    assert without["after"]["happy"] < found["before"]["happy"]
    assert without["pulls"] == found["pulls"]


def test_a_photo_of_the_project_is_asked_without_itself(
    page: TestClient, studio: Studio, folder: Path
) -> None:
    stored = read_stored(folder / STATE / "runs" / "first")
    path = next(row.path for row in stored.split.rows if row.part == "train")
    own = studio.project.number_of(path)
    asked = {
        "run": 0,
        "embedding": encoded(golden(folder)[0]),
        "answered": "happy",
        "against": "sad",
    }
    found = page.post("/api/trying/culprits", json=asked | {"own": own}).json()
    assert found["is_own"]
    assert own not in [number for pull in found["pulls"] for number in pull["ids"]]
    assert page.get(f"/api/trying/photo/{own}").content == (folder / path).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"against": "bird"}, "the run has no class 'bird'"),
        ({"embedding": "AAAA"}, "an embedding in base64"),
        ({"embedding": encoded(np.zeros(5))}, "an embedding of"),
        ({"without": [99_999]}, "there is no photo 99999"),
        ({"run": 5}, "there is no run 5"),
    ],
)
def test_questions_that_can_not_be_answered(
    page: TestClient, folder: Path, change: dict[str, object], message: str
) -> None:
    asked = {
        "run": 0,
        "embedding": encoded(golden(folder)[0]),
        "answered": "happy",
        "against": "sad",
    }
    answer = page.post("/api/trying/culprits", json=asked | change)
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]


# --- Corrected answers ----------------------------------------------------------------------------


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def correct(page: TestClient, data: bytes, *, label: str = "sad") -> object:
    query = {"run": 0, "label": label, "answered": "happy", "probability": 0.9}
    return page.post(
        "/api/trying/wrong", params=query, files={"image": ("new.png", data, "image/png")}
    )


def test_a_corrected_photo_becomes_one_of_its_class(page: TestClient, folder: Path) -> None:
    answer = correct(page, picture(1)).json()
    assert answer == {"outcome": "saved", "path": "sad/new.png"}
    assert (folder / "sad" / "new.png").read_bytes() == picture(1)
    (told,) = page.get("/api/trying").json()["corrected"]
    assert (told["label"], told["answered"], told["run"]) == ("sad", "happy", "first")
    assert told["now"] == {"outcome": "waiting"}
    assert page.get("/api/state").json()["tried"] == 1
    assert correct(page, picture(1)).json() == {"outcome": "copy", "path": "sad/new.png"}
    assert len(page.get("/api/trying").json()["corrected"]) == 1


def test_what_is_no_photo_is_refused_and_not_remembered(page: TestClient, folder: Path) -> None:
    answer = correct(page, b"no photo")
    assert answer.status_code == 422
    assert "not an image" in answer.json()["error"]["message"]
    assert correct(page, picture(1), label=" ").status_code == 422
    assert page.get("/api/trying").json()["corrected"] == []
    assert not (folder / STATE / TRIED).exists()


def test_a_later_run_says_whether_it_helped(page: TestClient, studio: Studio, folder: Path) -> None:
    stored = read_stored(folder / STATE / "runs" / "first")
    contents = {row.path: row.content for row in stored.split.rows}
    predictions = stored.predictions
    right = predictions.predicted == predictions.truth
    held_out = {path: bool(known) for path, known in zip(predictions.paths, right, strict=True)}
    learnt = [row.path for row in stored.split.rows if row.part and row.path not in held_out]
    tried = studio.part(Tried)
    expected = {contents[path]: "learnt" for path in learnt}  # two paths may be of one content
    expected |= {contents[path]: "right" if held_out[path] else "wrong" for path in held_out}
    for content in expected:
        tried.add(content, "sad/any.png", "sad", "happy", 0.9, "earlier")
    tried.add("f" * 64, "sad/gone.png", "sad", "happy", 0.9, "earlier")
    told = page.get("/api/trying").json()["corrected"]
    assert {row["now"]["outcome"] for row in told} == {"waiting"}  # the run is older
    manifest = folder / STATE / "runs" / "first" / MANIFEST
    manifest.write_bytes(manifest.read_bytes())  # now it is newer
    told = page.get("/api/trying").json()["corrected"]
    found = {row["content"]: row["now"]["outcome"] for row in told}
    assert found == expected | {"f" * 64: "absent"}
    assert set(found.values()) >= {"right", "absent"}


def test_a_torn_line_of_the_journal_loses_no_other(studio: Studio, folder: Path) -> None:
    tried = studio.part(Tried)
    tried.add("a" * 64, "sad/a.png", "sad", "happy", 0.9, "first")
    file = folder / STATE / TRIED
    file.write_bytes(file.read_bytes() + b'{"content": "bb')  # killed in the middle
    tried.add("c" * 64, "sad/c.png", "sad", "happy", 0.9, "first")
    tried.add("a" * 64, "happy/a.png", "happy", "sad", 0.8, "second")
    assert [row.path for row in Tried(studio.project).all()] == ["happy/a.png", "sad/c.png"]
