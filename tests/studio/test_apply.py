"""Applying decisions to the folder: commands stay right, and all of it can be taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.data.decisions import decide, load_decisions
from candid.data.decisions.moving import Mover
from candid.data.scan import scan
from candid.data.walk import STATE
from candid.errors import UsageError
from candid.server.schemas import Problem
from candid.server.settings import Settings
from candid.splits.user_groups import read_groups
from candid.studio.app import make_app
from candid.studio.applying import Applying
from candid.studio.decided import Decided
from candid.studio.project import Project
from candid.studio.studio import Studio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, path in enumerate(("cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png", "e.png")):
        pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
        (tmp_path / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "data" / path), pixels)
    twin = tmp_path / "data" / "dog" / "twin.png"
    twin.write_bytes((tmp_path / "data" / "cat" / "b.png").read_bytes())
    return tmp_path / "data"


class Opened:
    """A project whose photos are listed, as after a start."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.list()
        self.decided = Decided(self.project)
        self.applying = Applying(self.project)
        self.last = self.applying.last(self.decided)

    def list(self) -> None:
        catalog = scan(self.project.folder, to_train=False)
        everything = (*catalog.photos, *catalog.unlabelled)
        self.project._take(replace_photos(catalog, everything), ("cat", "dog"))

    def decide(self, path: str, word: str) -> None:
        number = self.project.number_of(path)
        assert number is not None
        self.decided.decide([number], word)

    def apply(self) -> int:
        done = self.applying.apply(self.decided, self.applying.plan(self.decided).key)
        self.list()
        return len(done.moved)

    def labels(self) -> dict[str, str]:
        """What a command sees, with the decisions."""
        found = decide(scan(self.project.folder), load_decisions(self.decided.file))
        assert not found.applied.notes
        return {photo.path: photo.label for photo in found.applied.catalog.photos}


def replace_photos(catalog, photos):
    return replace(catalog, photos=tuple(sorted(photos, key=lambda one: one.path)), unlabelled=())


def decided_all(folder: Path) -> Opened:
    studio = Opened(folder)
    studio.decide("cat/a.png", "dog")
    studio.decide("cat/b.png", "drop")
    studio.decide("e.png", "cat")
    return studio


def test_commands_see_the_same_photos_before_and_after(folder):
    studio = decided_all(folder)
    before = sorted(studio.labels().values())
    assert studio.apply() == 3
    assert studio.labels() == {
        "cat/e.png": "cat",
        "dog/a.png": "dog",
        "dog/c.png": "dog",
        "dog/d.png": "dog",
        "dog/twin.png": "dog",  # of the same content as what was dropped
    }
    assert sorted(studio.labels().values()) == before
    assert (folder / STATE / "removed" / "cat" / "b.png").is_file()
    assert not studio.decided.current


def test_moved_back_the_decisions_hold_again_and_are_undone_one_by_one(folder):
    studio = decided_all(folder)
    current, labels = studio.decided.current, studio.labels()
    studio.apply()
    studio.decide("dog/d.png", "keep")
    assert studio.decided.undo()
    with pytest.raises(UsageError, match="Move them back first"):
        studio.decided.undo()
    studio.decide("dog/d.png", "keep")
    studio = Opened(folder)  # after a restart
    assert len(studio.applying.move_back(studio.decided)) == 3
    studio.list()
    kept = studio.project.number_of("dog/d.png")
    assert studio.labels() == labels
    assert {k: v for k, v in studio.decided.current.items() if k != kept} == {
        studio.project.number_of("cat/a.png"): "dog",
        studio.project.number_of("cat/b.png"): "drop",
        studio.project.number_of("e.png"): "cat",
    }
    assert len(current) == 3
    steps = 0
    while studio.decided.undo():
        steps += 1
    assert steps == 4
    assert not studio.decided.current


def test_what_cannot_be_moved_back_stays_undecided(folder):
    studio = decided_all(folder)
    studio.apply()
    (folder / STATE / "removed" / "cat" / "b.png").unlink()
    assert len(studio.applying.move_back(studio.decided)) == 2
    studio.list()
    assert "dog/twin.png" in studio.labels()  # not dropped in the place of its twin
    assert len(studio.decided.current) == 2


@pytest.mark.parametrize("settled", [True, False])
def test_a_kill_while_moving_is_settled_at_the_next_start(folder, settled, monkeypatch):
    studio = decided_all(folder)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    where = (Applying, "_settle") if settled else (Mover, "_missing_above")  # after all, before all
    with monkeypatch.context() as patch:
        patch.setattr(*where, killed)
        with pytest.raises(KeyboardInterrupt):
            studio.apply()
    studio = Opened(folder)
    num = 3 if settled else 0
    assert len(studio.last.moved if studio.last else ()) == num
    assert len(studio.decided.current) == 3 - num
    assert len(studio.labels()) == 5
    assert Opened(folder).decided.current == studio.decided.current
    if settled:
        assert len(studio.applying.move_back(studio.decided)) == 3
    studio.list()
    assert len(studio.decided.current) == 3


def test_groups_follow_their_photos(folder):
    groups = folder / STATE / "groups.csv"
    groups.parent.mkdir()
    groups.write_text("path,group\ncat/a.png,burst-1\ndog/c.png,burst-1\ne.png,burst-2\n")
    studio = decided_all(folder)
    studio.apply()
    catalog = scan(folder)
    assert read_groups(catalog, str(groups)) == {
        "dog/a.png": "burst-1",
        "dog/c.png": "burst-1",
        "cat/e.png": "burst-2",
    }
    studio.applying.move_back(studio.decided)
    assert read_groups(catalog, str(groups))["cat/a.png"] == "burst-1"


def test_a_plan_that_is_out_of_date_is_refused(folder):
    studio = decided_all(folder)
    key = studio.applying.plan(studio.decided).key
    studio.decide("dog/c.png", "drop")
    with pytest.raises(Problem) as caught:
        studio.applying.apply(studio.decided, key)
    assert (caught.value.status, caught.value.code) == (409, "changed")
    assert (folder / "cat" / "b.png").is_file()


def test_the_screen_lists_what_it_moves_and_tells_what_was_moved(folder):
    studio = Studio()
    studio._project = decided_all(folder).project
    app = make_app(studio, Settings(), 8000)
    page = TestClient(app, base_url="http://127.0.0.1:8000")
    page.get(f"/?token={app.token}", headers={"Host": "127.0.0.1:8000"})
    plan = page.get("/api/apply").json()
    assert (plan["num"], plan["num_removed"], plan["left"]) == (3, 1, [])
    assert plan["moves"][1]["target"] == ".candid/removed/cat/b.png"
    assert page.get("/api/state").json()["applied"] is None
    answer = page.post("/api/apply", json={"key": plan["key"]})
    assert answer.json() == {"num": 3, "num_left": 0}
    assert page.get("/api/state").json()["applied"]["num"] == 3
    assert page.post("/api/apply/back").json() == {"num": 3, "num_left": 0}
    assert page.post("/api/apply/back").status_code == 409


def test_in_a_folder_that_cannot_be_written_nothing_is_moved_and_the_way_without_is_told(
    folder, tmp_path
):
    studio = Opened(folder)
    studio.project.state = tmp_path / "elsewhere"
    studio.decided, studio.applying = Decided(studio.project), Applying(studio.project)
    studio.decide("cat/b.png", "drop")
    with pytest.raises(UsageError, match=r"--decisions .*elsewhere/decisions\.csv"):
        studio.applying.plan(studio.decided)
    assert "cat/b.png" not in studio.labels()
