"""Exports in the studio: found by what they say of themselves, and downloaded as archives."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from candid.errors import DataError, UsageError
from candid.exporting import FORMATS
from candid.server.settings import Settings
from candid.studio.app import make_app
from candid.studio.exports import Exports, find_variant, variants_of, zip_export
from candid.studio.jobs import Jobs
from candid.studio.judgements import FoundRun
from candid.studio.project import Project
from candid.studio.studio import Studio

MODEL = "a" * 64


def write(file: Path, values: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(values if isinstance(values, str) else json.dumps(values), "utf-8")


def write_export(folder: Path, form: str = "onnx", model: str = MODEL, **values: Any) -> Path:
    write(folder / "model.onnx", "weights" * 1000)
    write(folder / "README.md", "# How to use it")
    parity = {"runtime": "X 1", "num_images": 9, "num_same_label": 9}
    files = {"model.onnx": "", "README.md": ""}
    found = {"format": form, "run": {"model_sha256": model}, "parity": parity, "files": files}
    write(folder / "candid-export.json", found | values)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    return Project(tmp_path / "pets")


@pytest.fixture
def run(project: Project) -> FoundRun:
    """A run on the project, as far as its manifest is read."""
    folder = project.state / "runs" / "pets-1"
    values = {
        "classes": ["cat", "dog"],
        "recipe": "transfer",
        "settings": {"backbone": "efficientnet-lite0"},
        "data": {"folder": str(project.folder)},
        "files": {"model.onnx": MODEL},
    }
    write(folder / "candid.json", values)
    write(folder / "MODEL_CARD.md", "# pets-1")
    return FoundRun(0, folder, 1, values)


@pytest.fixture
def page(project: Project, run: FoundRun) -> Iterator[TestClient]:
    """A browser in a studio that has the project open."""
    del run
    studio = Studio()
    studio.open(project.folder)
    app = make_app(studio, Settings(), 8000)
    client = TestClient(app, base_url="http://127.0.0.1:8000", headers={"Host": "127.0.0.1:8000"})
    client.get(f"/?token={app.token}")
    yield client
    studio.close()


def test_an_export_is_found_by_its_manifest_wherever_it_is(project, run):
    exports = Exports(project)
    assert exports.of(run) == {}
    below = write_export(exports.home / "pets-1" / "page", "web")
    write_export(exports.home / "pets-1-onnx", model="b" * 64)  # of another model
    write_export(exports.home / ".partial-x")
    write(exports.home / "foreign" / "candid-export.json", "no JSON")
    write(exports.home / "odd" / "candid-export.json", {"format": "onnx", "files": [1]})
    assert {name: one.folder for name, one in exports.of(run).items()} == {"web": below}
    with pytest.raises(DataError, match="pets-1 is not exported to onnx yet"):
        exports.find(run, find_variant("onnx"))


def test_a_new_export_gets_a_free_folder_and_another_one_takes_its_place(project, run):
    exports, onnx = Exports(project), find_variant("onnx-int8")
    first, second = (exports.home / name for name in ("pets-1-onnx-int8", "pets-1-onnx-int8-2"))
    begin = ["export", str(run.folder), "--to", "onnx", "--int8", "--output"]
    assert exports.words(run, onnx) == [*begin, str(first)]
    write_export(first, model="b" * 64, int8={})
    assert exports.words(run, onnx) == [*begin, str(second)]
    write_export(second, int8={})
    assert exports.words(run, onnx) == [*begin, str(second), "--overwrite"]


def test_a_run_in_eight_bits_is_not_offered_to_be_quantised_again(run):
    settings = {"backbone": "efficientnet-lite2-int8"}
    rounded = replace(run, values=run.values | {"settings": settings})
    names, rest = ({one.name for one in variants_of(given)} for given in (run, rounded))
    assert names - rest == {"onnx-int8", "web-int8"}
    assert rest > set(FORMATS)


def test_the_archive_has_what_the_manifest_lists_and_nothing_from_outside(project, run):
    exports = Exports(project)
    write(project.folder / "secret.txt", "secret")
    files = {"model.onnx": "", "../../../secret.txt": "", "gone.txt": "", "README.md": ""}
    folder = write_export(exports.home / "pets", files=files)
    write(folder / "not-listed.txt", "mine")
    pieces = list(zip_export(exports.find(run, find_variant("onnx"))))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None
    listed = {"pets/model.onnx", "pets/README.md", "pets/candid-export.json"}
    assert set(archive.namelist()) == listed
    assert archive.read("pets/model.onnx") == b"weights" * 1000
    assert len(pieces) > 3  # it is not held in memory as a whole


def test_an_export_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UsageError, match="expected one of onnx, onnx-int8, keras"):
        find_variant("../onnx")


def test_formats_are_the_librarys_and_say_what_is_missing(page, monkeypatch):
    litert = replace(FORMATS["litert"], packages=("no_such_runtime",))
    monkeypatch.setitem(FORMATS, "litert", litert)
    found = page.get("/api/exports").json()
    assert [form["name"] for form in found["formats"]] == list(FORMATS)
    lacking = {form["name"]: form["lacks"] for form in found["formats"]}
    assert "no_such_runtime" in lacking["litert"]
    assert 'pip install "candid-image[export]"' in lacking["litert"]
    assert lacking["onnx"] == ""
    assert found["run"]["serve"].startswith("candid serve ")


def test_what_is_made_is_told_and_downloaded_after_a_restart_too(page, project):
    write_export(project.state / "exports" / "pets-1-onnx", speed={"images_per_s": 40})
    state = page.get("/api/state").json()["exports"]
    assert (state["stamp"][:2], state["job"]) == ("1-", None)
    made = page.get("/api/exports").json()["formats"][0]["variants"][0]["made"]
    assert (made["num_compared"], made["num_same_label"], made["images_per_s"]) == (9, 9, 40)
    assert made["num_bytes"] > 7000
    answer = page.get("/api/exports/0/onnx/zip")
    assert answer.headers["content-disposition"].endswith("pets-1-onnx.zip")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert page.get("/api/exports/0/onnx/readme").json() == {"text": "# How to use it"}
    assert page.get("/api/exports/0/card").json() == {"text": "# pets-1"}
    assert page.get("/api/exports/0/MODEL_CARD.md").text == "# pets-1"


@pytest.mark.parametrize("path", ["0/keras/zip", "0/..%2Fonnx/zip", "7/onnx/zip", "7/card"])
def test_what_is_not_there_is_no_file_of_anything(page, path):
    assert page.get(f"/api/exports/{path}").status_code in (404, 422)


def test_exporting_runs_the_command_that_was_shown(page, monkeypatch):
    begun = []

    class Begun:
        def to_json(self) -> dict[str, Any]:
            return {}

    def start(_: Jobs, kind: str, words: list[str]) -> Begun:
        begun.append((kind, words))
        return Begun()

    monkeypatch.setattr(Jobs, "start", start)
    shown = page.get("/api/exports").json()["formats"][0]["variants"][0]["command"]
    assert page.post("/api/exports", json={"run": 0, "variant": "onnx"}).status_code == 200
    assert begun[0][0] == "export"
    assert " ".join(["candid", *begun[0][1]]) == shown
    assert page.post("/api/exports", json={"run": 0, "variant": "x"}).status_code == 422


def test_without_a_run_there_is_nothing_to_ship(tmp_path):
    studio = Studio()
    (tmp_path / "empty").mkdir()
    studio.open(tmp_path / "empty")
    app = make_app(studio, Settings(), 8000)
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    client.get(f"/?token={app.token}")
    assert client.get("/api/exports").json() == {"run": None, "formats": []}
    studio.close()
