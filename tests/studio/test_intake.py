"""New photos: whole, never in place of another, bursts together, refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.data.scan import scan
from candid.data.walk import STATE
from candid.errors import UsageError
from candid.server.settings import Settings
from candid.server.uploads import Upload
from candid.splits.user_groups import group_by_file, read_groups
from candid.studio.app import make_app
from candid.studio.bursts import GROUPS, Bursts
from candid.studio.intake import Intake
from candid.studio.project import Project
from candid.studio.studio import Studio


def picture(seed: int, suffix: str = ".png") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), np.uint8)
    return bytes(cv2.imencode(suffix, pixels)[1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, label in enumerate(("happy", "sad")):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / "a.png").write_bytes(picture(place))
    return tmp_path / "data"


def opened(folder: Path) -> tuple[Project, Intake]:
    """A project whose photos are listed, as after a start."""
    project = Project(folder)
    rescan(project)
    return project, Intake(project)


def rescan(project: Project) -> None:
    catalog = scan(project.folder, to_train=False, allow_unlabelled=True)
    every = (*catalog.photos, *catalog.unlabelled)
    project._take(replace(catalog, photos=every, unlabelled=()), catalog.classes)


def files_of(folder: Path) -> list[str]:
    """All files, also hidden ones, but for the groups."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != GROUPS)
    return sorted(str(file.relative_to(folder)) for file in files)


def test_photos_go_into_the_folder_of_their_class_and_replace_nothing(folder):
    before = (folder / "happy" / "a.png").read_bytes()
    _, intake = opened(folder)
    sent = [Upload("a.png", picture(5)), Upload("a.png", picture(6)), Upload("b.jpg", picture(7))]
    added = intake.add("happy", sent)
    assert [(one.outcome, one.path) for one in added] == [
        ("saved", "happy/a-2.png"),
        ("saved", "happy/a-3.png"),
        ("saved", "happy/b.jpg"),
    ]
    assert (folder / "happy" / "a.png").read_bytes() == before
    assert (folder / "happy" / "a-3.png").read_bytes() == picture(6)
    assert files_of(folder) == [
        *(f"happy/{name}" for name in ("a-2.png", "a-3.png", "a.png", "b.jpg")),
        "sad/a.png",
    ]


def test_a_copy_is_told_and_not_written(folder):
    project, intake = opened(folder)
    intake.add("sad", [Upload("new.png", picture(9))])
    added = intake.add("happy", [Upload("x.png", picture(1)), Upload("y.png", picture(9))])
    assert [(one.outcome, one.path) for one in added] == [
        ("copy", "sad/a.png"),
        ("copy", "sad/new.png"),
    ]
    (folder / "sad" / "a.png").unlink()  # no longer there, though the folder was not read again
    assert intake.add("happy", [Upload("x.png", picture(1))])[0].outcome == "saved"
    assert len(files_of(project.folder)) == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "not an image"),
        (b"%PDF-1.7 ...", "PDF"),
        (picture(3, ".jpg")[:200], ""),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason_and_keeps_no_other_back(folder, data, reason):
    before = files_of(folder)
    _, intake = opened(folder)
    refused, saved = intake.add("happy", [Upload("x.jpg", data), Upload("y.png", picture(4))])
    assert (refused.outcome, saved.outcome) == ("refused", "saved")
    assert refused.reason
    assert reason in refused.reason
    assert files_of(folder) == sorted([*before, "happy/y.png"])


def test_samples_of_which_no_range_is_known_yet_are_taken(folder):
    pixels = np.random.default_rng(0).normal(50, 20, (12, 16)).astype(np.float32)
    data = bytes(cv2.imencode(".tif", pixels)[1])
    assert opened(folder)[1].add("happy", [Upload("x.tif", data)])[0].outcome == "saved"


def test_a_photo_of_too_many_pixels_is_refused(folder):
    project, _ = opened(folder)
    intake = Intake(project, Settings(max_pixels=100))
    assert intake.add("happy", [Upload("x.png", picture(4))])[0].outcome == "refused"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../evil.png", "evil.png"),  # as the form's reader cuts it, see below
        ("a:b?.png", "a_b_.png"),
        (".hidden.png", "hidden.png"),
        ("CON.png", "photo-CON.png"),
        ("", "photo.png"),
        ("photo.exe", "photo.exe.png"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
        ("a\u202egpj.png", "a_u202egpj.png"),
    ],
)
def test_names_are_made_harmless(page, folder, sent, kept):
    answer = page.post("/api/intake?label=happy", files={"image": (sent, picture(8), "image/png")})
    assert answer.json()["added"][0]["path"] == f"happy/{kept}"
    assert (folder / "happy" / kept).is_file()
    assert len(files_of(folder)) == 3


def test_frames_of_a_burst_are_one_group_for_the_command(folder):
    _, intake = opened(folder)
    for burst in ("webcam-1", "webcam-2"):
        seeds = range(10, 13) if burst == "webcam-1" else range(20, 22)
        frames = [Upload(f"{burst}-{n}.jpg", picture(n, ".jpg")) for n in seeds]
        intake.add("happy", frames[:2], burst=burst)
        intake.add("happy", frames[2:], burst=burst)
    groups = read_groups(scan(folder), str(folder / STATE / GROUPS))
    assert groups == {
        **{f"happy/webcam-1-{n}.jpg": "webcam-1" for n in range(10, 13)},
        **{f"happy/webcam-2-{n}.jpg": "webcam-2" for n in range(20, 22)},
    }


def test_a_kill_while_a_group_was_written_harms_no_other(folder):
    project, intake = opened(folder)
    intake.add("happy", [Upload("1.jpg", picture(10))], burst="first")
    file = folder / STATE / GROUPS
    file.write_bytes(file.read_bytes() + b"happy/2.jp")
    intake = Intake(project)
    intake.add("happy", [Upload("2.jpg", picture(11))], burst="second")
    assert group_by_file(file) == {"happy/1.jpg": "first", "happy/2.jpg": "second"}


def test_groups_that_a_spreadsheet_wrote_are_kept(folder):
    _, intake = opened(folder)
    (folder / STATE).mkdir()
    (folder / STATE / GROUPS).write_text("Path;Group;Note\nsad/a.png;ada;hello\n", "utf-16")
    intake.add("happy", [Upload("1.jpg", picture(10))], burst="first")
    found = group_by_file(folder / STATE / GROUPS)
    assert found == {"sad/a.png": "ada", "happy/1.jpg": "first"}


def test_a_name_of_a_frame_that_is_gone_is_not_used_again(folder):
    project, intake = opened(folder)
    intake.add("happy", [Upload("1.jpg", picture(10))], burst="first")
    (folder / "happy" / "1.jpg").unlink()
    rescan(project)
    assert intake.add("happy", [Upload("1.jpg", picture(11))])[0].path == "happy/1-2.jpg"


def test_a_burst_is_taken_back_and_not_lost(folder):
    _, intake = opened(folder)
    frames = [Upload(f"{n}.jpg", picture(n)) for n in range(10, 13)]
    intake.add("happy", frames[:2], burst="one")
    intake.add("happy", frames[2:], burst="two")
    removed = folder / STATE / "removed" / "happy"
    removed.mkdir(parents=True)
    (removed / "10.jpg").write_bytes(b"another")
    assert intake.take_back("one") == 2
    assert intake.take_back("one") == 0
    assert files_of(folder / "happy") == ["12.jpg", "a.png"]
    assert files_of(removed) == ["10-2.jpg", "10.jpg", "11.jpg"]
    assert (removed / "10-2.jpg").read_bytes() == picture(10)
    assert intake.add("sad", frames[:1], burst="three")[0].outcome == "saved"


def test_groups_are_given_to_a_training_only_if_they_name_a_photo_that_is_learnt_from(folder):
    project, intake = opened(folder)
    bursts = Bursts(project)
    assert not bursts.are_needed(["happy/a.png", "happy/1.jpg"])
    intake.add("happy", [Upload("1.jpg", picture(10))], burst="first")
    assert bursts.are_needed(["happy/a.png", "happy/1.jpg"])
    assert not bursts.are_needed(["happy/a.png"])


def test_groups_are_counted_by_class(folder):
    project, intake = opened(folder)
    frames = [Upload(f"{n}.jpg", picture(n)) for n in range(10, 14)]
    intake.add("happy", frames[:3], burst="one")
    intake.add("happy", frames[3:], burst="two")
    rescan(project)
    found = Bursts(project).describe()
    assert found == [
        {"name": "happy", "bursts": 2, "groups": 3},
        {"name": "sad", "bursts": 0, "groups": 1},
    ]


def test_photos_without_a_class_go_into_the_folder_for_them(folder):
    _, intake = opened(folder)
    assert intake.add(" ", [Upload("1.jpg", picture(10))])[0].path == "unlabelled/1.jpg"
    (folder / "unlabelled").rename(folder / "Unlabeled")
    assert intake.add("", [Upload("2.jpg", picture(11))])[0].path == "Unlabeled/2.jpg"
    assert len(scan(folder, allow_unlabelled=True).unlabelled) == 2


def test_a_class_is_made_once_whatever_its_case(folder):
    _, intake = opened(folder)
    assert intake.name_class("HAPPY ") == "happy"
    assert intake.name_class(" so-so") == "so-so"
    assert (folder / "so-so").is_dir()


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".git", "a\\b", "nul", "Unlabelled", "test", "x.", "x" * 81, "a\u202eb"]
)
def test_a_class_that_no_folder_can_be_called_is_refused(folder, name):
    _, intake = opened(folder)
    with pytest.raises(UsageError):
        intake.name_class(name)
    assert sorted(path.name for path in folder.iterdir()) == ["happy", "sad"]


def test_in_a_folder_with_parts_new_photos_are_for_training(tmp_path):
    parted = tmp_path / "parted"
    for part in ("Train", "test"):
        (parted / part / "happy").mkdir(parents=True)
        (parted / part / "happy" / "a.png").write_bytes(picture(len(part)))
    project = Project(parted)
    intake = Intake(project)
    assert intake.add("happy", [Upload("b.png", picture(5))])[0].path == "Train/happy/b.png"
    with pytest.raises(UsageError, match="every photo has a class"):
        intake.add("", [Upload("c.png", picture(6))])


def test_a_folder_that_cannot_be_written_is_told(folder, monkeypatch):
    _, intake = opened(folder)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "can't be written" in intake.refusal
    with pytest.raises(UsageError, match="can't be written"):
        intake.add("happy", [Upload("b.png", picture(5))])
    assert len(files_of(folder)) == 2


def test_where_links_are_impossible_nothing_is_replaced_either(folder, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", no_links)
    _, intake = opened(folder)
    added = intake.add("happy", [Upload("a.png", picture(5))])
    assert added[0].path == "happy/a-2.png"
    assert (folder / "happy" / "a-2.png").read_bytes() == picture(5)
    assert len(files_of(folder)) == 3


@pytest.fixture
def page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(Project, "start", lambda _: None)  # nothing is read in the background
    studio = Studio()
    studio.open(folder)
    app = make_app(studio, Settings(), 8000)
    page = TestClient(app, base_url="http://127.0.0.1:8000", headers={"Host": "127.0.0.1:8000"})
    page.get(f"/?token={app.token}", follow_redirects=False)
    return page


def test_the_limits_of_the_server_hold(page, folder):
    limits = page.get("/api/intake").json()
    too_many = [("image", (f"{n}.png", b"x", "image/png")) for n in range(65)]
    assert limits["max_images"] == 64
    assert page.post("/api/intake?label=happy", files=too_many).status_code == 422
    large = {"image": ("x.png", bytes(limits["max_bytes"] + 1), "image/png")}
    answer = page.post("/api/intake?label=happy", files=large)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    answer = page.post("/api/intake?label=a/b", files={"image": ("x.png", picture(5), "image/png")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refused")
    assert len(files_of(folder)) == 2


def test_a_class_is_made_by_its_name(page, folder):
    assert page.post("/api/classes", json={"name": "so-so"}).json() == {"name": "so-so"}
    assert page.post("/api/classes", json={"name": "../x"}).status_code == 422
    assert not (folder.parent / "x").exists()
