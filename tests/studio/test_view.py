"""What the screen Photos finds: filters, orders, stacks, likeness, and what it says of photos."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.data.catalog import Photo
from candid.server.schemas import Problem
from candid.server.settings import Settings
from candid.studio.app import make_app
from candid.studio.judgements import Columns
from candid.studio.known import Query, describe, facets
from candid.studio.project import Project
from candid.studio.studio import Studio
from candid.studio.view import View

# Number by place: 0 and 1 are copies, 6 has no class and 7 can't be read.
PATHS = (
    "cat/IMG_1.png",
    "cat/b.png",
    "cat/c.png",
    "dog/d.png",
    "dog/e.png",
    "dog/img_2.png",
    "dog/img_3.png",
    "dog/z.png",
)
READABLE = range(7)
EMBEDDINGS = np.array(
    [[1, 0, 0], [1, 0.05, 0], [1, 0.6, 0], [0, 1, 0], [0, 1, 0.2], [0, 0.9, 0.6], [0, 0, 1]],
    np.float32,
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of eight photos whose embeddings and copies are known."""
    for number, path in enumerate(PATHS):
        file = tmp_path / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (4 + number, 8, 3), np.uint8)
        cv2.imwrite(str(file), pixels)
    project = Project(tmp_path / "data")
    photos = [
        Photo(path, "" if number == 6 else path.partition("/")[0], f"{number:064x}")
        for number, path in enumerate(PATHS)
    ]
    catalog = SimpleNamespace(photos=photos, parts=())
    project._take(catalog, ("cat", "dog"))
    readable = SimpleNamespace(photos=photos[:7])
    project.features = SimpleNamespace(embeddings=EMBEDDINGS, catalog=readable)
    project.embedded = [*READABLE]
    project.groups = SimpleNamespace(of_photo=np.array([0, 0, 1, 2, 3, 4, 5]))
    return project


def columns() -> Columns:
    return Columns(
        run="run",
        classes=("dog", "cat"),  # in another order than the project's
        guess=np.array([1, 1, 0, 0, 0, 1, 0]),  # of one photo less: it was added since
        probability=np.array([0.9, 0.8, 0.7, 0.95, 0.6, 0.99, 0.5], np.float32),
        verdict=np.array(["sure", "sure", "sure", "sure", "uncertain", "unknown", "sure"]),
        part=np.array(["train", "train", "train", "test", "val", "train", ""]),
    )


def find(project: Project, decisions=None, *, run=True, **asked) -> list[int]:
    view = View(project)
    known = view.look(decisions or {}, columns() if run else None)
    return view.find(Query(**asked), known).tolist()


def test_photos_come_by_path_and_turned_around(project):
    by_path = [*range(8)]
    assert find(project) == by_path
    assert find(project, descending=True) == by_path[::-1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"label": "cat"}, [0, 1, 2]),
        ({"label": "horse"}, []),
        ({"unlabelled": True}, [6]),
        ({"guess": "dog"}, [2, 3, 4, 6]),
        ({"label": "cat", "guess": "dog"}, [2]),
        ({"part": "train"}, [0, 1, 2, 5]),
        ({"verdict": "right"}, [0, 1, 3]),
        ({"verdict": "wrong"}, [2]),  # a guess at a photo without a class is not wrong
        ({"verdict": "uncertain"}, [4]),
        ({"verdict": "unknown"}, [5]),
        ({"name": "img"}, [0, 5, 6]),
        ({"name": "DOG/"}, [3, 4, 5, 6, 7]),
        ({"copies_of": 1}, [0, 1]),
        ({"copies_of": 7}, [7]),
        ({"fold": True}, [0, 2, 3, 4, 5, 6, 7]),
        ({"fold": True, "descending": True}, [7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_filters(project, asked, found):
    assert find(project, **asked) == found


def test_a_decision_changes_class_verdict_and_filter(project):
    decisions = {2: "dog", 0: "drop", 6: "cat", 3: "keep"}
    assert find(project, decisions, label="cat") == [0, 1, 6]
    assert find(project, decisions, verdict="wrong") == [6]
    assert find(project, decisions, decision="moved") == [2, 6]
    assert find(project, decisions, decision="drop") == [0]
    assert find(project, decisions, decision="keep") == [3]
    assert find(project, decisions, decision="none") == [1, 4, 5, 7]
    assert find(project, decisions, unlabelled=True) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"sort": "confidence"}, [6, 4, 2, 1, 0, 3, 5, 7]),  # what is not known comes last
        ({"sort": "confidence", "descending": True}, [5, 3, 0, 1, 2, 4, 6, 7]),
        ({"sort": "disagreement", "descending": True}, [5, 2, 4, 1, 0, 3, 7, 6]),
        ({"sort": "similarity", "like": 3, "descending": True}, [3, 4, 5, 0, 1, 2, 6, 7]),
    ],
)
def test_orders(project, asked, found):
    assert find(project, **asked)[: len(found) - 2] == found[:-2]


def test_sizes_and_dates_are_those_of_the_files(project):
    sizes = {n: (project.folder / path).stat().st_size for n, path in enumerate(PATHS)}
    assert find(project, sort="size", descending=True)[0] == max(sizes, key=sizes.__getitem__)
    (project.folder / PATHS[4]).unlink()
    assert find(project, sort="date")[-1] == 4


def test_what_is_not_known_yet_is_told(project):
    project.features = None
    with pytest.raises(Problem) as caught:
        find(project, sort="similarity", like=3)
    assert (caught.value.status, caught.value.code) == (409, "not_ready")


def test_all_like_a_photo_come_with_their_similarity(project):
    view = View(project)
    numbers, similarities = view.alike(0, view.look({}, None))
    assert numbers.tolist()[:3] == [0, 1, 2]
    assert len(numbers) == len(READABLE)  # the others have none
    assert similarities[0] == pytest.approx(1, abs=1e-3)
    assert (np.diff(similarities) <= 0).all()
    assert 0 not in view.nearest(1, view.look({}, None), 3)  # a copy of it


def test_the_map_has_a_place_for_each_readable_photo(project):
    numbers, places = View(project).places()
    assert numbers.tolist() == [*READABLE]
    assert places.shape == (7, 2)


def test_copies_are_found_for_some_of_them(project):
    view = View(project)
    assert view.unfold([1, 3], view.look({}, None)) == [0, 1, 3]


def test_counts_are_those_of_the_filters(project):
    view = View(project)
    known = view.look({2: "dog", 0: "drop"}, columns())
    told = facets(known)
    assert told["labels"] == [{"name": "cat", "num": 2}, {"name": "dog", "num": 5}]
    assert (told["num_unlabelled"], told["num_pictures"], told["has_run"]) == (1, 7, True)
    for name, key in (("parts", "part"), ("verdicts", "verdict"), ("decisions", "decision")):
        for one in told[name]:
            assert len(view.find(Query(**{key: one["name"]}), known)) == one["num"] > 0


def test_a_photo_is_described(project):
    known = View(project).look({2: "dog"}, columns())
    rows = describe(project, known, [2, 6, 7])
    assert rows[0] | {"findings": []} == {
        "id": 2,
        "path": "cat/c.png",
        "label": "dog",
        "folder_label": "cat",
        "decision": "dog",
        "guess": "dog",
        "probability": 0.7,
        "verdict": "right",
        "part": "train",
        "num_copies": 1,
        "findings": [],
    }
    assert (rows[1]["label"], rows[1]["guess"], rows[1]["verdict"]) == ("", "dog", "")
    assert (rows[2]["guess"], rows[2]["probability"]) == ("", None)


def test_the_stamp_rises_only_with_what_is_known(project):
    view, run = View(project), columns()
    view.look({}, run)
    stamp = view.stamp
    view.look({}, run)
    assert view.stamp == stamp
    view.look({1: "drop"}, run)
    view.look({1: "drop"}, None)
    assert view.stamp == stamp + 2


def test_photos_are_asked_for_by_number_only(project):
    studio = Studio()
    studio._project = project
    app = make_app(studio, Settings(), 8000)
    page = TestClient(app, base_url="http://127.0.0.1:8000")
    page.get(f"/?token={app.token}", headers={"Host": "127.0.0.1:8000"})
    ids = np.frombuffer(page.get("/api/photos/ids?label=cat").content, "<i4")
    assert ids.tolist() == [0, 1, 2]
    alike = np.frombuffer(page.get("/api/photos/3/alike").content, "<f4").reshape(-1, 2)
    assert alike[0, 0] == 3
    points = np.frombuffer(page.get("/api/photos/map").content, "<f4").reshape(-1, 4)
    assert points[:, 0].tolist() == [*READABLE]
    assert points[:, 3].tolist() == [0, 0, 0, 1, 1, 1, -1]
    assert page.get("/api/photos/99").status_code == 422
    assert page.get("/api/photos/99/alike").status_code == 422
    assert page.get("/api/photos/rows?ids=0,-1").status_code == 422
    assert page.get("/api/picture/0?size=7").status_code == 422
    assert page.get("/api/picture/cat%2Fb.png").status_code == 404
