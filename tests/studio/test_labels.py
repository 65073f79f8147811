"""The screen Label: what is said of a batch, the next one, undoing, and what is remembered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from candid.data.decisions import load_decisions
from candid.features.extract import Features
from candid.server.settings import Settings
from candid.studio.app import make_app
from candid.studio.project import STATE, Project
from candid.studio.studio import Studio

CLASSES = ("blue", "red")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photos of each colour have a class, one of them the wrong one, and thirty have none."""
    rng = np.random.default_rng(0)
    for place, label in enumerate(CLASSES):
        for number in range(20):
            pixels = rng.integers(0, 60, (8, 8, 3), np.uint8)
            pixels[..., 2 * place] += 190
            where = label if number < 5 else "unlabelled"
            (tmp_path / "data" / where).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / where / f"{label}{number}.png"), pixels)
    (tmp_path / "data" / "red" / "red0.png").rename(tmp_path / "data" / "blue" / "red0.png")
    return tmp_path / "data"


class Page:
    """The studio as the screen sees it."""

    def __init__(self, studio: Studio) -> None:
        app = make_app(studio, Settings(), 8000)
        self._project = studio.project
        self._client = TestClient(
            app, base_url="http://127.0.0.1:8000", headers={"Host": "127.0.0.1:8000"}
        )
        self._client.get(f"/?token={app.token}")

    def get(self, path: str) -> Any:
        return self._client.get(f"/api/{path}").json()

    def post(self, path: str, **values: Any) -> Any:
        answer = self._client.post(f"/api/{path}", json=values)
        return answer.json()

    def colour(self, number: int) -> str:
        return self._project.photos[number].path.rpartition("/")[2].rstrip("0123456789.png")


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Opens a folder, whose photos are embedded as their colours."""
    studios = []

    def embed(project: Project, catalog: Any, cache: Any, reader: Any) -> None:
        del cache, reader
        files = [str(project.folder / photo.path) for photo in catalog.photos]
        pixels = [cv2.imread(file).reshape(-1).astype(np.float32) for file in files]
        with project.lock:
            embeddings = np.stack(pixels)
            project.features = Features(catalog, embeddings, None, embeddings)  # type: ignore[arg-type]
            project.embedded = [project.number_of(p.path) for p in catalog.photos]  # type: ignore[misc]
        ready.set()

    ready = threading.Event()
    monkeypatch.setattr(Project, "_embed", embed)

    def opened(folder: Path) -> Page:
        ready.clear()
        studio = Studio()
        studio.open(folder)
        studios.append(studio)
        assert ready.wait(30)
        return Page(studio)

    yield opened
    for studio in studios:
        studio.close()


def test_a_batch_shares_a_guess_and_one_answer_gives_all_their_class(folder, open_page):
    page = open_page(folder)
    batch = page.get("labels")
    assert (batch["num"], batch["num_labelled"]) == (40, 10)
    assert batch["guess"] in CLASSES
    assert {page.colour(number) for number in batch["ids"]} == {batch["guess"]}
    labels = dict.fromkeys(batch["ids"], batch["guess"])
    following = page.post("labels", guess=batch["guess"], labels=labels)
    assert following["num_labelled"] == 10 + len(batch["ids"])
    assert following["guess"] != batch["guess"]
    assert not set(following["ids"]) & set(batch["ids"])
    rows = load_decisions(folder / STATE / "decisions.csv").rows
    assert {row.decision for row in rows} == {batch["guess"]}
    assert len(rows) == len(batch["ids"])


def test_a_batch_is_undone_in_one_step_and_comes_again(folder, open_page):
    page = open_page(folder)
    batch = page.get("labels")
    first, *others = batch["ids"]
    other = next(label for label in CLASSES if label != batch["guess"])
    labels = {first: other, **dict.fromkeys(others, batch["guess"])}
    page.post("labels", guess=batch["guess"], labels=labels)
    decided = {row["id"]: row["label"] for row in rows_of(page, batch["ids"])}
    assert decided == labels
    page.post("undo")
    assert page.get("labels") == batch
    assert page.get("state")["labels"] == {"num": 40, "num_labelled": 10}


def rows_of(page: Page, ids: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = page.get(f"photos/rows?ids={','.join(map(str, ids))}")["rows"]
    return rows


def test_a_photo_that_was_clicked_out_comes_with_another_guess_after_a_restart_too(
    folder, open_page
):
    page = open_page(folder)
    batch = page.get("labels")
    out, *accepted = batch["ids"]
    labels = dict.fromkeys(accepted, batch["guess"])
    page.post("labels", guess=batch["guess"], labels=labels, refused=[out])
    with (folder / STATE / "refused.jsonl").open("a") as journal:
        journal.write('{"label": "torn')
    others = [row["id"] for row in rows_of(page, [*range(40)]) if not row["label"]]
    page.post("decisions", ids=[number for number in others if number != out], decision="drop")
    for again in (page, open_page(folder)):
        found = again.get("labels")
        assert found["ids"] == [out]
        assert found["guess"] not in ("", batch["guess"])
    page.post("labels", guess="red", labels={}, refused=batch["ids"])
    lines = (folder / STATE / "refused.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["label"] == "red"


def test_classes_in_doubt_are_changed_or_kept_and_come_once(folder, open_page):
    page = open_page(folder)
    batch = page.get("labels?mode=doubted")
    assert batch["guess"] == "red"
    assert [page.colour(number) for number in batch["ids"]] == ["red"]
    (wrong,) = batch["ids"]
    following = page.post("labels", mode="doubted", guess="red", labels={}, refused=[wrong])
    assert following["ids"] == []
    assert rows_of(page, [wrong])[0]["decision"] == "keep"
    page.post("undo")
    following = page.post("labels", mode="doubted", guess="red", labels={wrong: "red"})
    assert following["ids"] == []
    assert rows_of(page, [wrong])[0]["label"] == "red"


def test_dropped_photos_are_neither_asked_for_nor_counted(folder, open_page):
    page = open_page(folder)
    batch = page.get("labels")
    page.post("decisions", ids=batch["ids"], decision="drop")
    following = page.get("labels")
    assert not set(following["ids"]) & set(batch["ids"])
    assert following["num"] == 40 - len(batch["ids"])


def test_without_any_class_photos_are_asked_for_that_differ(folder, open_page):
    for label in CLASSES:
        for file in (folder / label).iterdir():
            file.rename(folder / "unlabelled" / f"{label}-{file.name}")
        (folder / label).rmdir()
    page = open_page(folder)
    batch = page.get("labels")
    assert (batch["guess"], batch["num_labelled"]) == ("", 0)
    assert len(set(batch["ids"])) == 24
    answer = page.post("labels", guess="", labels={batch["ids"][0]: "green"})
    assert "there is no class 'green'" in answer["error"]["message"]


def test_before_the_photos_are_read_it_is_said(folder, open_page):
    page = open_page(folder)
    page._project.features = None
    assert page.get("labels")["error"]["code"] == "not_ready"
