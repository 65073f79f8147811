"""Explanations as JSON; erasing the evidence that the default network shows changes its answers."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from candid.cli.demo import SampleSet
from candid.data.images import PixelContract, decode, read_file
from candid.errors import ImageError
from candid.runs.explaining import Explanation, Similar, contrast
from candid.training import Run, TrainOptions, train
from tests.runs.explaining.erasing import drops_by_erasing

HAPPY_SAD = Path(__file__).parents[4] / "shared" / "data" / "happy_sad"
BACKBONE = "efficientnet-lite0"
SIZE = 224


@pytest.fixture(scope="module")
def trained_on_photos(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on every fourth photo."""
    if not HAPPY_SAD.is_dir():
        pytest.skip(f"{HAPPY_SAD} is not here")
    folder = tmp_path_factory.mktemp("photos")
    for name in ("happy", "sad"):
        (folder / "data" / name).mkdir(parents=True)
        for file in sorted((HAPPY_SAD / name).iterdir())[::4]:
            (folder / "data" / name / file.name).symlink_to(file)
    return train(folder / "data", run=folder / "run", options=TrainOptions(backbone=BACKBONE))


def photos_of(folder: Path, num_photos: int) -> np.ndarray:
    """Some of a folder's photos, spread over its classes, uint8 ``(n, 224, 224, 3)``."""
    pictures = []
    for file in sorted(folder.glob("*/*")):
        with suppress(ImageError):  # the sample set has files that can't be read
            pictures.append(decode(read_file(file), PixelContract(SIZE)))
    return np.stack(pictures[:: len(pictures) // num_photos][:num_photos])


class Network:
    """A run's graph, with its maps."""

    def __init__(self, run: Run) -> None:
        model = str(run.folder / "model.onnx")
        self._session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(["probabilities"], {"image": pixels})[0])

    def maps(self, pixels: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(["heatmap"], {"image": pixels})[0])


def drops_on(network: Network, pixels: np.ndarray) -> np.ndarray:
    """What each picture's answer loses by erasing, float64 ``(n, 7)``; see `drops_by_erasing`."""
    random, run = np.random.default_rng(0), network.probabilities
    drops = []
    for picture in pixels:
        answered = int(run(picture[None])[0].argmax())
        heat = contrast(network.maps(picture[None])[0], answered)
        drops.append(drops_by_erasing(picture, heat, run, answered, random))
    return np.stack(drops)


def test_the_heat_of_the_graph_adds_up_to_the_log_odds(trained: Run, faces: SampleSet) -> None:
    network = Network(trained)
    pixels = photos_of(faces.folder, 6)
    for chances, maps in zip(network.probabilities(pixels), network.maps(pixels), strict=True):
        log_odds = np.log(chances[1] / chances[0])
        assert contrast(maps, 1).mean() == pytest.approx(log_odds, abs=1e-3)


def test_erasing_the_hottest_tenth_of_a_drawn_face_moves_the_answer_most(
    trained: Run, faces: SampleSet
) -> None:
    drops = drops_on(Network(trained), photos_of(faces.folder, 32))
    assert drops[:, 0].mean() > 1.5 * drops[:, 1:].mean()
    assert np.abs(drops[:, 0]).mean() > np.abs(drops[:, 1:]).mean()


def test_erasing_the_hottest_tenth_of_a_photo_moves_the_answer_most(trained_on_photos: Run) -> None:
    photos = photos_of(trained_on_photos.folder.parent / "data", 32)
    drops = drops_on(Network(trained_on_photos), photos)
    assert drops[:, 0].mean() > 1.5 * drops[:, 1:].mean()
    assert np.abs(drops[:, 0]).mean() > np.abs(drops[:, 1:]).mean()


def test_it_becomes_json_values_rounded_to_four_decimals() -> None:
    heat = np.array([[0.123456, -2.0], [-1e-9, 31.41592653]], np.float32)
    similar = (Similar("happy/a.jpg", "happy", 0.87654321), Similar("sad/b.jpg", "sad", 0.0))
    explanation = Explanation(heat, "the lower right", similar)
    text = json.dumps(explanation.to_json(), allow_nan=False)
    assert "-0.0" not in text
    assert json.loads(text) == {
        "heat": [[0.1235, -2.0], [0.0, 31.4159]],
        "where": "the lower right",
        "similar": [
            {"path": "happy/a.jpg", "label": "happy", "similarity": 0.8765},
            {"path": "sad/b.jpg", "label": "sad", "similarity": 0.0},
        ],
    }


def test_numpy_numbers_become_json_too() -> None:
    similar = (Similar("a/b.png", "a", np.float32(0.5)),)  # type: ignore[arg-type]
    json.dumps(Explanation(np.zeros((1, 1), np.float32), "nowhere", similar).to_json())
