"""Opening: recent folders, choosing one, starting empty, and the sample set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.data.scan import scan
from candid.errors import UsageError
from candid.server.settings import Settings
from candid.studio import recent
from candid.studio.app import make_app
from candid.studio.folders import list_folder, make_folder, refusal_of
from candid.studio.jobs import Jobs
from candid.studio.project import Project
from candid.studio.studio import Studio


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, a home and a current folder of this test's own."""
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Project, "start", lambda _: None)  # nothing is read in the background
    return tmp_path


def draw(folder: Path) -> None:
    (folder / "happy").mkdir(parents=True, exist_ok=True)
    (folder / ".candid-demo.json").touch()


class Browser(TestClient):
    """A browser, and the studio that it shows."""

    studio: Studio


def browser(studio: Studio) -> Browser:
    app = make_app(studio, Settings(), 8000)
    page = Browser(app, base_url="http://127.0.0.1:8000", headers={"Host": "127.0.0.1:8000"})
    page.studio = studio
    page.get(f"/?token={app.token}", follow_redirects=False)
    return page


@pytest.fixture
def page() -> Browser:
    return browser(Studio(draw))


def test_the_last_opened_folder_is_first_and_missing_ones_are_told(page, places):
    for name in ("one", "two", "one"):
        (places / name).mkdir(exist_ok=True)
        assert page.post("/api/open", json={"folder": str(places / name)}).status_code == 200
    (places / "two").rmdir()
    rows = page.get("/api/start").json()["recent"]
    assert [(row["name"], row["is_there"]) for row in rows] == [("one", True), ("two", False)]
    assert page.post("/api/forget", json={"folder": rows[1]["folder"]}).status_code == 200
    assert [row["name"] for row in page.get("/api/start").json()["recent"]] == ["one"]


@pytest.mark.parametrize("text", ["", "[]", '{"folders": [{"folder": 1}]}', "{", '{"folders": 3}'])
def test_a_damaged_list_is_empty_and_mended_by_the_next_folder(places, text):
    file = places / "cache" / "studio" / "recent.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert recent.recent() == []
    recent.remember(places)
    assert [one.folder for one in recent.recent()] == [str(places)]
    assert list(file.parent.iterdir()) == [file]


def test_the_list_has_an_end(places):
    for number in range(30):
        recent.remember(places / str(number))
    assert [Path(one.folder).name for one in recent.recent()][:2] == ["29", "28"]
    assert len(recent.recent()) == 20


def test_folders_are_chosen_by_their_names(page, places):
    for name in ("b", "a", ".hidden", "a/below"):
        (places / "photos" / name).mkdir(parents=True)
    (places / "photos" / "photo.jpg").touch()
    found = page.get("/api/folders", params={"at": str(places / "photos")}).json()
    assert found["names"] == ["a", "b"]
    assert found["above"] == str(places)
    assert found["refusal"] == ""
    assert page.get("/api/folders", params={"at": "/nowhere/at/all"}).status_code == 422
    assert page.get("/api/folders", params={"at": "a\0b"}).status_code == 422
    assert list_folder("").path == str(places)


def test_a_folder_name_that_is_no_text_does_not_break_the_list(places):
    if sys.platform == "darwin":
        pytest.skip("macOS has no such names")
    (places / "photos" / "a").mkdir(parents=True)
    Path(f"{places}/photos/\udcff").mkdir()
    assert list_folder(str(places / "photos")).names == ["a"]


def test_all_that_a_person_has_is_not_opened(page, places):
    for folder in (places / "home", places, Path("/")):
        assert refusal_of(folder)
        answer = page.post("/api/open", json={"folder": str(folder)})
        assert answer.status_code == 422
    assert not refusal_of(places / "home" / "photos")
    assert page.get("/api/state").json()["project"] is None


@pytest.mark.parametrize("folder", ["", "  ", "/nowhere/at/all"])
def test_what_is_no_folder_is_not_opened(page, folder):
    answer = page.post("/api/open", json={"folder": folder})
    assert answer.status_code == 422
    assert "folder" in answer.json()["error"]["message"]


def test_an_empty_project_has_its_classes_and_is_open(page, places):
    wish = {"parent": str(places), "name": "fruit", "classes": ["apple", " pear ", ""]}
    made = page.post("/api/make", json=wish).json()
    assert made["folder"] == str(places / "fruit")
    assert sorted(path.name for path in (places / "fruit").iterdir()) == ["apple", "pear"]
    assert page.get("/api/state").json()["project"]["folder"] == str(places / "fruit")


@pytest.mark.parametrize(
    ("name", "classes"),
    [("", []), ("../x", []), ("x", ["a", "A"]), ("x", ["a/b"]), ("x", ["train"]), ("full", [])],
)
def test_an_empty_project_that_cannot_be_is_refused_and_nothing_is_made(places, name, classes):
    (places / "full" / "a").mkdir(parents=True)
    before = sorted(places.rglob("*"))
    with pytest.raises(UsageError):
        make_folder(str(places), name, classes)
    assert sorted(places.rglob("*")) == before


def test_the_sample_set_is_drawn_where_nothing_is_in_the_way(page, places):
    (places / "candid-sample").mkdir()
    (places / "candid-sample" / "mine.jpg").touch()
    first = page.post("/api/sample", json={}).json()["folder"]
    assert first == str(places / "candid-sample-2")
    assert page.post("/api/sample", json={}).json()["folder"] == first
    assert browser(Studio()).get("/api/start").json()["sample"] is None


def test_opening_another_folder_does_not_stop_a_command_unasked(places):
    for name in ("one", "two"):
        (places / name).mkdir()
    studio = Studio(draw)
    page = browser(studio)
    page.post("/api/open", json={"folder": str(places / "one")})
    job = Mock(is_running=True, kind="train")
    job.to_json.return_value = {}
    studio.part(Jobs).all.append(job)
    for path, wish in [
        ("open", {"folder": str(places / "two")}),
        ("make", {"parent": str(places), "name": "three", "classes": []}),
        ("sample", {}),
    ]:
        answer = page.post(f"/api/{path}", json=wish)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "busy")
        assert "candid train" in answer.json()["error"]["message"]
    assert not (places / "three").exists()
    assert not (places / "candid-sample").exists()
    job.cancel.assert_not_called()
    answer = page.post("/api/open", json={"folder": str(places / "two"), "stop": True})
    assert answer.status_code == 200
    job.cancel.assert_called_once()
    assert studio.part(Jobs).all == []  # of the other project


def test_names_that_are_no_text_break_no_screen(page, places):
    if sys.platform == "darwin":
        pytest.skip("macOS has no such names")
    label = places / "photos" / "s\udcffd"
    label.mkdir(parents=True)
    (label / "\udcfe.png").write_bytes(
        bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])
    )
    page.post("/api/open", json={"folder": str(places / "photos")})
    catalog = scan(places / "photos", to_train=False)
    page.studio.project._take(catalog, catalog.classes)
    for path in ("state", "start", "intake", "photos/rows?ids=0", "photos/facets", "photos/0"):
        assert page.get(f"/api/{path}").status_code == 200
    assert page.get("/api/photos/rows?ids=0").json()["rows"][0]["path"] == "s\udcffd/\udcfe.png"


def test_a_step_of_the_tour_in_the_address_is_no_token(page):
    assert page.get("/?tour=2", follow_redirects=False).status_code == 200
    assert json.loads(page.get("/api/state").text)["project"] is None
