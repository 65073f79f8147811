"""Runs in the studio: what starts them, what is shown of one, and of two side by side."""

from __future__ import annotations

import csv
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from candid.cli.demo import SampleSet
from candid.data.decisions import to_csv
from candid.data.decisions.decision import Decision
from candid.data.scan import scan
from candid.evaluation.stored import read_stored
from candid.server.settings import Settings
from candid.splits.prepare import SplitOptions
from candid.studio import jobs
from candid.studio.app import make_app
from candid.studio.decided import Decided
from candid.studio.judged import changes_between
from candid.studio.project import Project
from candid.studio.studio import Studio
from candid.studio.trainings import Trainings, words_to_train
from candid.training import Run, TrainOptions, train
from tests.conftest import BACKBONE

CLASSES = ("happy", "sad")


class Command:
    """In place of a process: remembers its words, and runs until it is told to end."""

    def __init__(self, number: int, kind: str, words: Sequence[str], project: Project) -> None:
        self.number, self.kind, self.words, self.code = number, kind, list(words), None
        self.project = project

    @property
    def is_running(self) -> bool:
        return self.code is None

    @property
    def command(self) -> str:
        return " ".join(["candid", *self.words])

    def end(self) -> None:
        self.code = 0

    cancel = end

    def wait(self, seconds: float) -> None:
        pass

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "is_running": self.is_running, "command": self.command}


@pytest.fixture
def folder(faces: SampleSet, tmp_path: Path) -> Path:
    return Path(shutil.copytree(faces.folder, tmp_path / "faces"))


@pytest.fixture
def studio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """A studio whose photos are listed, but not embedded."""
    monkeypatch.setattr(Project, "start", lambda _: None)
    monkeypatch.setattr(jobs, "Job", Command)
    studio = Studio()
    list_photos(studio.open(folder))
    return studio


def list_photos(project: Project) -> None:
    found = scan(project.folder, to_train=False, allow_unlabelled=True)
    photos = (*found.photos, *found.unlabelled)
    project._take(replace(found, photos=photos, unlabelled=()), CLASSES)


@pytest.fixture
def page(studio: Studio) -> TestClient:
    app = make_app(studio, Settings(), 8000)
    client = TestClient(app, base_url="http://127.0.0.1:8000")
    assert client.get(f"/?token={app.token}").status_code == 200
    return client


def with_run(studio: Studio, run: Path, name: str = "faces-1") -> Path:
    """Put a run beside the photos."""
    return Path(shutil.copytree(run, studio.project.state / "runs" / name))


@pytest.fixture(scope="module")
def corrected(trained: Run, faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run again, after a photo was dropped and another one was given the other class."""
    home = tmp_path_factory.mktemp("corrected")
    rows = [row for row in read_stored(trained.folder).split.rows if row.part == "train"]
    of_happy = [row for row in rows if row.label == "happy"][:2]
    words = zip(of_happy, ("drop", "sad"), strict=True)
    decisions = [Decision(row.path, row.content, "test", "", word) for row, word in words]
    (home / "decisions.csv").write_text(to_csv(decisions))
    options = TrainOptions(
        backbone=BACKBONE,
        split=SplitOptions(previous=trained.folder / "split.csv"),
        decisions=home / "decisions.csv",
    )
    return train(faces.folder, run=home / "run", options=options)


# --- What starts a training -----------------------------------------------------------------------


def words(studio: Studio) -> str:
    return " ".join(words_to_train(studio)["fast"])


def test_the_command_has_what_was_decided_and_the_groups_and_a_free_name(studio):
    project = studio.project
    assert words(studio) == f"train {project.folder} --run {project.state}/runs/faces-1"
    assert words_to_train(studio)["best"][2:4] == ["--quality", "best"]
    assert words_to_train(studio)["unmeasured"][2] == "--no-figures"
    studio.part(Decided).decide([0], "drop")
    (project.state / "groups.csv").write_text("path,group\ngone.jpg,a\n")
    assert "--group-by" not in words(studio)  # it names no photo that is learnt from
    learnt = project.photos[1].path
    (project.state / "groups.csv").write_text(f"path,group\n{learnt},a\n")
    (project.state / "runs" / "faces-1").mkdir(parents=True)
    (project.state / "runs" / ".faces-2.partial-x1").mkdir()  # it is being written
    assert words(studio) == (
        f"train {project.folder} --decisions {project.state}/decisions.csv "
        f"--group-by {project.state}/groups.csv --run {project.state}/runs/faces-3"
    )
    studio.part(Decided).undo()
    assert "--decisions" not in words(studio)


def test_photos_keep_the_part_that_they_had_in_the_newest_run(studio, trained):
    run = with_run(studio, trained.folder)
    assert f"--split {run}/split.csv" in words(studio)
    text = (run / "candid.json").read_text()
    (run / "candid.json").write_text(text.replace('"classes"', '"klasses"', 1))
    assert "--split" not in words(studio)  # it can't be read


def test_a_run_on_other_photos_gives_no_split(studio, trained):
    with_run(studio, trained.folder)
    for file in studio.project.folder.glob("[!.]*/*"):
        with file.open("ab") as stream:
            stream.write(b" ")
    list_photos(studio.project)
    assert "--split" not in words(studio)


def test_training_waits_until_the_photos_are_read(studio, page):
    assert page.post("/api/runs", json={"effort": "good"}).json() == {"job": None}
    state = page.get("/api/state").json()
    assert state["training"] == {"is_waiting": True, "effort": "good", "problem": ""}
    assert state["job"] is None
    studio.project.features = object()
    training = studio.part(Trainings)
    wait_for(lambda: not training.is_waiting)
    job = page.get("/api/state").json()["job"]
    assert job["command"].startswith(f"candid train {studio.project.folder} --quality good --run ")


def test_a_wish_can_be_given_up(studio, page):
    page.post("/api/runs", json={})
    assert page.delete("/api/runs").json()["training"]["is_waiting"] is False
    studio.project.features = object()
    assert page.post("/api/runs", json={}).json()["job"]["is_running"]
    assert len(studio.part(jobs.Jobs).all) == 1


def test_why_a_wish_came_to_nothing_is_told(studio, page):
    page.post("/api/runs", json={})
    studio.project.problem = "the folder is gone."
    training = studio.part(Trainings)
    wait_for(lambda: not training.is_waiting)
    assert page.get("/api/state").json()["training"]["problem"] == "the folder is gone."


def test_a_second_command_has_to_wait(studio, page):
    studio.project.features = object()
    assert page.post("/api/runs", json={}).status_code == 200
    answer = page.post("/api/runs", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "busy")


def wait_for(is_so: Any) -> None:
    """The thread looks every tenth of a second; a test that hangs is stopped by pytest."""
    while not is_so():
        time.sleep(0.01)


# --- What is shown of a run -----------------------------------------------------------------------


def test_the_list_shows_what_the_manifest_says(studio, page, trained, corrected):
    with_run(studio, trained.folder)
    with_run(studio, corrected.folder, "faces-2")
    (studio.project.state / "runs" / "broken").mkdir()
    (studio.project.state / "runs" / "broken" / "candid.json").write_text("{}")
    second, first = sorted(page.get("/api/runs").json()["runs"], key=lambda run: -run["number"])
    if first["name"] == "faces-2":
        first, second = second, first
    assert (first["name"], first["decisions"], first["recipe"]) == ("faces-1", None, "transfer")
    assert first["accuracy"]["value"] == trained.evaluation.believed.accuracy.value
    assert second["decisions"]["num_dropped"] == second["decisions"]["num_relabelled"] == 1
    assert second["num_photos"] == first["num_photos"] - 1


def test_classes_are_counted_as_decided(studio, page):
    before = {one["name"]: one["num"] for one in page.get("/api/runs").json()["classes"]}
    path = next(photo.path for photo in studio.project.photos if photo.label == "happy")
    number = studio.project.number_of(path)
    studio.part(Decided).decide([number], "sad")
    after = {one["name"]: one["num"] for one in page.get("/api/runs").json()["classes"]}
    assert after == {"happy": before["happy"] - 1, "sad": before["sad"] + 1}
    studio.part(Decided).decide([number], "drop")
    dropped = {one["name"]: one["num"] for one in page.get("/api/runs").json()["classes"]}
    assert dropped == {"happy": before["happy"] - 1, "sad": before["sad"]}


@pytest.fixture
def judged(studio: Studio, page: TestClient, trained: Run) -> dict[str, Any]:
    with_run(studio, trained.folder)
    number = page.get("/api/state").json()["runs"]["chosen"]
    return page.get(f"/api/runs/{number}").json()


def test_the_figures_are_those_of_the_run(judged, trained):
    believed = trained.evaluation.believed
    assert judged["accuracy"]["value"] == believed.accuracy.value
    assert judged["confusion"]["rows"] == believed.confusion.tolist()
    assert judged["statements"][0]["section"] == "figures"
    curve = trained.evaluation.learning_curve
    assert [one["num_photos"] for one in judged["curve"]["points"]] == [
        point.num_photos for point in curve.points
    ]
    assert len(judged["curve"]["line"]) == len(curve.curve)


def test_a_cell_of_the_matrix_has_as_many_photos_as_the_grid_that_it_leads_to(judged, page):
    rows = judged["confusion"]["rows"]
    for i, label in enumerate(CLASSES):
        for j, guess in enumerate(CLASSES):
            found = page.get("/api/photos/ids", params={"label": label, "guess": guess})
            assert len(found.content) // 4 == rows[i][j]


def test_the_slider_has_every_photo_once_on_one_of_its_sides(judged, studio, trained):
    answering, n = judged["answering"], trained.evaluation.believed.n
    counts = [step["count"] for step in answering["steps"]]
    assert counts[0] == n
    assert counts == sorted(counts, reverse=True)
    assert len(set(answering["photos"])) == len(answering["right"]) == n
    for step in answering["steps"]:
        right = answering["right"][: step["count"]]
        assert step["accuracy"]["value"] == pytest.approx(sum(right) / step["count"])
    stored = read_stored(trained.folder)
    is_right = dict(
        zip(
            stored.predictions.paths,
            stored.predictions.predicted == stored.predictions.truth,
            strict=True,
        )
    )
    paths = [studio.project.photos[number].path for number in answering["photos"]]
    assert [bool(is_right[path]) for path in paths] == answering["right"]


def embed_photos(project: Project, trained: Run) -> None:
    """As if all were read: some of the drawn photos can't be."""
    broken = {row.path for row in read_stored(trained.folder).split.rows if not row.group}
    assert broken
    project.features = object()
    project.embedded = [
        number for number in project.present if project.photos[number].path not in broken
    ]


def test_what_changed_since_the_training_is_counted(studio, page, trained):
    with_run(studio, trained.folder)
    number = page.get("/api/state").json()["runs"]["chosen"]
    embed_photos(studio.project, trained)
    assert page.get(f"/api/runs/{number}").json()["since"] == {
        "added": 0,
        "removed": 0,
        "relabelled": 0,
    }
    photos = [studio.project.photos[number] for number in studio.project.embedded]
    num = Counter(photo.content for photo in photos)
    first = next(photo for photo in photos if num[photo.content] == 2)  # the other one stays
    second = next(p for p in photos if p.label == "happy" and num[p.content] == 1)
    studio.part(Decided).decide([studio.project.number_of(first.path)], "drop")
    studio.part(Decided).decide([studio.project.number_of(second.path)], "sad")
    new = studio.project.folder / "sad" / "new.png"
    new.write_bytes((studio.project.folder / second.path).read_bytes() + b" ")  # another content
    list_photos(studio.project)
    embed_photos(studio.project, trained)
    now = page.get(f"/api/runs/{number}").json()["since"]
    assert now == {"added": 1, "removed": 1, "relabelled": 1}


def test_the_report_is_a_page_that_can_not_ask_the_studio(judged, page):
    answer = page.get(f"/api/runs/{judged['number']}/report")
    assert answer.text.startswith("<!doctype html>")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    (Path(judged["folder"]) / "report.html").unlink()
    assert page.get(f"/api/runs/{judged['number']}/report").status_code == 404


def test_a_run_that_was_changed_is_refused_with_a_sentence(studio, page, trained):
    run = with_run(studio, trained.folder)
    (run / "predictions.csv").write_text("nothing\n")
    number = page.get("/api/state").json()["runs"]["chosen"]
    answer = page.get(f"/api/runs/{number}")
    assert answer.status_code == 422
    assert "predictions.csv" in answer.json()["error"]["message"]
    assert page.get("/api/runs/99").json()["error"]["message"] == "there is no run 99 any more."


# --- Two side by side -----------------------------------------------------------------------------


def rights_of(run: Path) -> dict[str, bool]:
    """Whether the cross-validated prediction of each photo is right, by path."""
    with (run / "predictions.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["estimate"] == "kfold"]
    return {row["path"]: row["class"] == row["label"] for row in rows}


def test_two_runs_tell_which_photos_one_gets_right_and_the_other_wrong(
    studio, page, trained, corrected
):
    with_run(studio, trained.folder)
    with_run(studio, corrected.folder, "faces-2")
    numbers = {run["name"]: run["number"] for run in page.get("/api/runs").json()["runs"]}
    found = page.get(f"/api/runs/{numbers['faces-1']}/against/{numbers['faces-2']}").json()
    before, after = rights_of(trained.folder), rights_of(corrected.folder)
    shared = [path for path in before if path in after]
    wrong = {path for path in shared if before[path] and not after[path]}
    right = {path for path in shared if after[path] and not before[path]}
    photos = studio.project.photos
    assert wrong or right
    assert {photos[number].path for number in found["newly_wrong"]} <= wrong
    assert {photos[number].path for number in found["newly_right"]} <= right
    assert len(found["newly_wrong"]) == found["only_first"]
    assert len(found["newly_right"]) == found["only_second"]
    assert found["changed"] == {"added": 0, "removed": 1, "relabelled": 1}
    assert isinstance(found["is_real"], bool)
    assert found["sentence"]
    assert found["command"].startswith("candid compare ")


def test_a_photo_that_a_run_left_out_is_not_missed_later(corrected):
    run = read_stored(corrected.folder)
    assert changes_between(run, run) == {"added": 0, "removed": 0, "relabelled": 0}
    assert any(not row.group for row in run.split.rows)
    kept = replace(run, split=replace(run.split, rows=run.split.rows[1:]))
    assert changes_between(run, kept)["removed"] == 1


def test_the_chosen_run_is_shown_until_a_training_begins(studio, page, trained, corrected):
    with_run(studio, trained.folder)
    with_run(studio, corrected.folder, "faces-2")
    numbers = {run["name"]: run["number"] for run in page.get("/api/runs").json()["runs"]}
    for name in numbers:
        page.post(f"/api/runs/{numbers[name]}/choose")
        assert page.get("/api/state").json()["runs"]["name"] == name
    studio.project.features = object()
    page.post("/api/runs", json={})
    newest = page.get("/api/runs").json()["runs"][0]["number"]
    assert page.get("/api/state").json()["runs"]["chosen"] == newest


def test_a_run_that_was_not_measured_says_so_and_gives_no_split(
    studio, page, faces, tmp_path_factory
):
    home = tmp_path_factory.mktemp("unmeasured")
    options = TrainOptions(backbone=BACKBONE, figures=False)
    with_run(studio, train(faces.folder, run=home / "run", options=options).folder)
    number = page.get("/api/state").json()["runs"]["chosen"]
    judged = page.get(f"/api/runs/{number}").json()
    assert judged["accuracy"] is None
    assert judged["answering"]["steps"] == []
    assert judged["curve"] is None
    assert judged["statements"][0]["title"] == "Nothing measured"
    assert "--split" not in words(studio)
