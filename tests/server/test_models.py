"""A replaced run is used soon, and no request fails meanwhile."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from candid.errors import ArtifactError
from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run

FAST = Settings(poll_s=0.05)
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def runs(trained: Run, tmp_path: Path) -> Path:
    """Two runs that answer differently, and ``latest``, which points to the first."""
    folder = tmp_path / "runs"
    for name, threshold in (("one", 1.0), ("two", 0.0)):
        shutil.copytree(trained.folder, folder / name)
        set_threshold(folder / name, threshold)
    point(folder, "one")
    return folder


def set_threshold(run: Path, threshold: float) -> None:
    manifest = json.loads((run / "candid.json").read_text())
    manifest["rule"]["threshold"] = threshold
    fresh = run / ".candid.json"
    fresh.write_text(json.dumps(manifest))
    fresh.replace(run / "candid.json")


def point(folder: Path, name: str) -> None:
    (folder / ".fresh").symlink_to(name)
    (folder / ".fresh").replace(folder / "latest")


def served(client: httpx.Client) -> dict[str, object]:
    return dict(client.get("/v1/models").json()["models"][0])


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def asking(client: httpx.Client, data: bytes) -> Iterator[list[tuple[int, str]]]:
    """Two clients that send requests in a loop; yields their responses."""
    answers: list[tuple[int, str]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = client.post("/v1/predict", content=data, headers=JPEG)
            answers.append((answer.status_code, answer.json()["predictions"][0]["label"]))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_latest_points_to_is_exchanged_while_requests_run(
    runs: Path, running: Callable, photos: list[Path], metric: Callable
) -> None:
    with running(Models([runs / "latest"], FAST.max_pixels), FAST) as client:
        assert (served(client)["name"], served(client)["run"]) == ("latest", "one")
        with asking(client, photos[0].read_bytes()) as answers:
            wait_until(lambda: len(answers) > 4)
            point(runs, "two")
            wait_until(lambda: served(client)["run"] == "two")
            count = len(answers)
            wait_until(lambda: len(answers) > count + 6)
        assert {status for status, _ in answers} == {200}
        labels = [label for _, label in answers]
        assert (labels[0], labels[-1]) == ("happy", "sad")
        assert metric(client, 'candid_reloads_total{model="latest",result="loaded"}') == 1


def test_a_run_that_is_written_again_is_loaded_again(runs: Path, running: Callable) -> None:
    with running(Models([runs / "one"], FAST.max_pixels), FAST) as client:
        set_threshold(runs / "one", 0.25)
        wait_until(lambda: served(client)["threshold"] == 0.25)


def test_a_run_that_does_not_load_leaves_the_old_one_and_is_told_of_once(
    runs: Path, running: Callable, metric: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    (runs / "two" / "model.onnx").write_bytes(b"damaged")
    failed = 'candid_reloads_total{model="latest",result="failed"}'
    with running(Models([runs / "latest"], FAST.max_pixels), FAST) as client:
        point(runs, "two")
        wait_until(lambda: metric(client, failed) == 1)
        time.sleep(0.3)
        assert metric(client, failed) == 1
        assert served(client)["run"] == "one"
        assert "not as it was written" in caplog.text
        shutil.rmtree(runs / "two")
        (runs / "latest").unlink()
        time.sleep(0.2)
        assert client.get("/readyz").status_code == 200
        point(runs, "one")
        set_threshold(runs / "one", 0.5)
        wait_until(lambda: served(client)["threshold"] == 0.5)


def test_what_failed_is_tried_again_later_and_when_asked(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models([runs / "latest"], FAST.max_pixels)
    good = (runs / "two" / "model.onnx").read_bytes()
    (runs / "two" / "model.onnx").write_bytes(b"damaged")
    point(runs, "two")
    assert [result.problem is None for result in models.reload()] == [False]
    (runs / "two" / "model.onnx").write_bytes(good)
    assert models.reload() == []
    assert [result.problem is None for result in models.reload(always=True)] == [True]
    assert models.reload() == []
    (runs / "one" / "model.onnx").write_bytes(b"damaged")
    point(runs, "one")
    monkeypatch.setattr("candid.server.models._RETRY_S", 0.0)
    assert [result.problem is None for result in models.reload()] == [False]
    (runs / "one" / "model.onnx").write_bytes(good)
    assert [result.problem is None for result in models.reload()] == [True]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no run"):
        Models([tmp_path], FAST.max_pixels)
