"""An explanation belongs to the version that answered, whatever the folder holds now."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from candid.data.images import PixelContract
from candid.runs.artifact import GOLDEN, MANIFEST, MODEL, SPLIT
from candid.runs.classifier import Classifier
from candid.server.models import Models
from candid.server.settings import Settings
from candid.splits.split import Row, Split, read_csv, to_csv
from candid.training import Run

# Nothing is loaded again unless the test says so.
STILL = Settings(poll_s=3600.0)
JPEG = {"Content-Type": "image/jpeg"}


def opposite(run: Path) -> None:
    """Change a run so that it predicts the other class, and its split names other photos."""
    model = onnx.load(run / MODEL)
    for values in model.graph.initializer:
        if values.name.startswith("head."):
            array = numpy_helper.to_array(values)
            values.CopyFrom(numpy_helper.from_array(-array, values.name))
    (run / MODEL).write_bytes(model.SerializeToString())
    manifest = json.loads((run / MANIFEST).read_text())
    contract = PixelContract(manifest["pixels"]["size_px"], manifest["pixels"]["fit"])
    with np.load(run / GOLDEN) as golden:
        pixels = golden["image"]
    classifier = Classifier((run / MODEL).read_bytes(), manifest["classes"], contract)
    np.savez(run / GOLDEN, image=pixels, probabilities=classifier.model.run(pixels).probabilities)
    other = dict(zip(manifest["classes"], reversed(manifest["classes"]), strict=True))
    rows = [
        Row(f"gone/{row.path}", other[row.label], row.part, row.group, row.content)
        for row in read_csv(run / SPLIT).rows
    ]
    (run / SPLIT).write_text(to_csv(Split(tuple(rows), ()), with_content=True))
    for name in (MODEL, GOLDEN, SPLIT):
        manifest["files"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
    (run / MANIFEST).write_text(json.dumps(manifest))


@dataclass(frozen=True)
class Served:
    """A run in a folder, and another one to take its place.

    Attributes:
        folder: What is served.
        other: Lies beside it.
        models: The run, loaded.
        client: Asks a server that answers for it.
        photo: The bytes of a picture.
    """

    folder: Path
    other: Path
    models: Models
    client: httpx.Client
    photo: bytes

    def explain(self, content: bytes | Iterator[bytes] | None = None, **asked: str) -> Any:
        """What is said of the photo."""
        answer = self.client.post(
            "/v1/predict",
            content=self.photo if content is None else content,
            params={"explain": "1"} | asked,
            headers=JPEG,
        )
        assert answer.status_code == 200, answer.text
        [prediction] = answer.json()["predictions"]
        return prediction

    def replace(self) -> None:
        """Put the other run into the folder of the first, of which nothing is left."""
        shutil.rmtree(self.folder)
        self.other.rename(self.folder)


@pytest.fixture
def served(trained: Run, tmp_path: Path, running: Callable, photos: list[Path]) -> Iterator[Served]:
    folder = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    other = Path(shutil.copytree(trained.folder, tmp_path / "other"))
    opposite(other)
    models = Models([folder], STILL.max_pixels)
    with running(models, STILL) as client:
        yield Served(folder, other, models, client, photos[0].read_bytes())


def fresh(folder: Path, photo: bytes, running: Callable) -> Any:
    """What a server says that has loaded a folder just now, and has it still."""
    models = Models([folder], STILL.max_pixels)
    with running(models, STILL) as client:
        return Served(folder, folder, models, client, photo).explain()


def test_the_two_runs_differ_in_all_that_an_explanation_says(
    served: Served, running: Callable
) -> None:
    mine, theirs = served.explain(), fresh(served.other, served.photo, running)
    assert mine["label"] != theirs["label"]
    assert mine["explanation"]["heat"] != theirs["explanation"]["heat"]
    ours, others = (each["explanation"]["similar"] for each in (mine, theirs))
    assert [photo["label"] for photo in ours] != [photo["label"] for photo in others]
    assert all(photo["thumbnail"] for photo in ours)
    assert not any(photo["thumbnail"] for photo in others)


@pytest.mark.parametrize("coverage", [{}, {"coverage": "0.8"}])
def test_it_is_of_the_version_that_answers_where_another_took_its_folder(
    served: Served, running: Callable, coverage: dict[str, str]
) -> None:
    """Nobody has asked for an explanation before, so nothing was kept from one."""
    expected = fresh(served.folder, served.photo, running)["explanation"]
    served.replace()
    assert served.explain(**coverage)["explanation"] == expected


@pytest.mark.parametrize("coverage", [{}, {"coverage": "0.8"}])
def test_it_is_whole_where_the_folder_is_gone(
    served: Served, running: Callable, coverage: dict[str, str]
) -> None:
    expected = fresh(served.folder, served.photo, running)["explanation"]
    shutil.rmtree(served.folder)
    assert served.explain(**coverage)["explanation"] == expected


def test_it_is_of_the_version_that_was_asked_where_another_is_loaded_meanwhile(
    served: Served, running: Callable
) -> None:
    """The photo comes in two halves, and between them the run is exchanged."""
    expected = fresh(served.folder, served.photo, running)
    new = fresh(served.other, served.photo, running)
    half = len(served.photo) // 2

    def halves() -> Iterator[bytes]:
        yield served.photo[:half]
        wait_until_asked(served.client)
        served.replace()
        [reloaded] = served.models.reload()
        assert reloaded.problem is None
        yield served.photo[half:]

    assert served.explain(halves()) == expected
    assert served.explain() == new


def wait_until_asked(client: httpx.Client) -> None:
    """Until the server has begun with a request, whose run is chosen before its body is read."""
    end = time.monotonic() + 30
    with httpx.Client(base_url=client.base_url, timeout=30) as another:
        while "candid_waiting_requests 1.0\n" not in another.get("/metrics").text:
            assert time.monotonic() < end
