"""Overload is refused with 503, and the server recovers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from candid.runs.prediction import Prediction
from candid.server.models import Models
from candid.server.settings import Settings
from candid.training import Run

ErrorOf = Callable[[httpx.Response], str]
JPEG = {"Content-Type": "image/jpeg"}


class Held:
    """A model that answers only once `go_on` is set."""

    def __init__(self, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        model = next(iter(models))
        usual = model.classifier.predict_pixels

        def predict_pixels(pixels: np.ndarray, **options: bool) -> list[Prediction]:
            assert self.go_on.wait(20)
            return usual(pixels, **options)

        monkeypatch.setattr(model.classifier, "predict_pixels", predict_pixels, raising=False)


@pytest.fixture
def own(trained: Run) -> Models:
    return Models([trained.folder], Settings().max_pixels)


def test_beyond_the_queue_503_says_when_to_try_again(
    own: Models,
    running: Callable,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
    metric: Callable,
) -> None:
    held = Held(own, monkeypatch)
    data = photos[0].read_bytes()
    statuses: list[int] = []
    with running(own, Settings(max_waiting_images=4)) as client:

        def ask() -> None:
            statuses.append(client.post("/v1/predict", content=data, headers=JPEG).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: metric(client, "candid_waiting_images") == 4)
        refused = client.post("/v1/predict", content=data, headers=JPEG)
        assert (refused.status_code, error_of(refused)) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200
        held.go_on.set()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 4
        assert metric(client, "candid_waiting_images") == 0
        assert metric(client, "candid_waiting_bytes") == 0
        assert client.post("/v1/predict", content=data, headers=JPEG).status_code == 200


def test_beyond_the_memory_for_bodies_503(
    own: Models,
    running: Callable,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
    metric: Callable,
) -> None:
    held = Held(own, monkeypatch)
    data = photos[0].read_bytes()
    with running(own, Settings(max_waiting_bytes=2 * len(data) - 1)) as client:
        thread = threading.Thread(
            target=client.post, args=("/v1/predict",), kwargs={"content": data, "headers": JPEG}
        )
        thread.start()
        wait_for(lambda: metric(client, "candid_waiting_bytes") == len(data))
        refused = client.post("/v1/predict", content=data, headers=JPEG)
        assert (refused.status_code, error_of(refused)) == (503, "busy")
        held.go_on.set()
        thread.join()


def test_an_answer_that_takes_too_long_is_given_up(
    own: Models,
    running: Callable,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
    metric: Callable,
) -> None:
    held = Held(own, monkeypatch)
    with running(own, Settings(request_s=2.0)) as client:
        late = client.post("/v1/predict", content=photos[0].read_bytes(), headers=JPEG)
        assert (late.status_code, error_of(late)) == (503, "busy")
        assert metric(client, "candid_waiting_images") == 0
        held.go_on.set()


def test_an_error_of_the_server_tells_nobody_how_it_is_made(
    own: Models,
    running: Callable,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    error_of: ErrorOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = next(iter(own))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret of /home/somebody")

    monkeypatch.setattr(model.classifier, "predict_pixels", fail, raising=False)
    with running(own) as client:
        answer = client.post(
            "/v1/predict", content=photos[0].read_bytes(), headers=JPEG | {"X-Request-ID": "abc"}
        )
        assert (answer.status_code, error_of(answer)) == (500, "internal")
        assert "secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/readyz").status_code == 200
    assert "request abc failed" in caplog.text


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
