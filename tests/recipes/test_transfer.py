"""The default recipe: one graph that answers what backbone and head answer apart."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from candid.backbones import get
from candid.backbones.embedder import Embedder
from candid.errors import DependencyError, SplitError
from candid.images import PixelContract
from candid.recipes import Trained, transfer
from candid.recipes.linear_head import Labelled, LinearHead, cross_validate, fit_head

BACKBONE = get("efficientnet-lite0")
CONTRACT = PixelContract(BACKBONE.size_px)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Twelve pictures: dark ones and bright ones."""
    random = np.random.default_rng(0)
    size = BACKBONE.size_px
    pictures = random.integers(0, 120, (12, size, size, 3), dtype=np.uint8)
    pictures[6:] += np.uint8(120)
    return pictures


@pytest.fixture(scope="module")
def data(pixels: np.ndarray, embedder: Embedder) -> Labelled:
    labels = np.repeat([0, 1], 6)
    return Labelled(embedder.embed(pixels), labels, np.arange(12), [f"k{i}" for i in range(12)], 2)


@pytest.fixture(scope="module")
def made(data: Labelled) -> tuple[Trained, LinearHead]:
    return transfer.train(BACKBONE, data, classes=("bright", "dark"), contract=CONTRACT)


def answers(trained: Trained, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(trained.model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": pixels}), strict=True))


def test_the_graph_answers_what_backbone_and_head_answer(
    made: tuple[Trained, LinearHead], data: Labelled, pixels: np.ndarray
) -> None:
    trained, head = made
    given = answers(trained, pixels)
    np.testing.assert_allclose(given["embedding"], data.embeddings, atol=1e-3)
    np.testing.assert_allclose(
        given["probabilities"], head.probabilities(data.embeddings), atol=1e-4
    )


def test_the_heat_map_adds_up_to_the_scores(
    made: tuple[Trained, LinearHead], data: Labelled, pixels: np.ndarray
) -> None:
    trained, head = made
    scores = data.embeddings @ head.kernel.T + head.bias
    heat = answers(trained, pixels)["heatmap"]
    assert heat.shape[:2] == (12, 2)
    np.testing.assert_allclose(heat.mean(axis=(2, 3)), scores, atol=2e-3)


def test_the_graph_is_valid_and_takes_any_number_of_pictures(
    made: tuple[Trained, LinearHead], pixels: np.ndarray
) -> None:
    trained, _ = made
    onnx.checker.check_model(onnx.load_from_string(trained.model), full_check=True)
    alone = answers(trained, pixels[:1])["probabilities"]
    np.testing.assert_allclose(alone, answers(trained, pixels)["probabilities"][:1], atol=1e-5)


def test_it_tells_what_it_was_taught(made: tuple[Trained, LinearHead], pixels: np.ndarray) -> None:
    predicted = answers(made[0], pixels)["probabilities"].argmax(axis=1)
    assert predicted.tolist() == [0] * 6 + [1] * 6


def test_the_same_seed_gives_the_same_bytes(
    made: tuple[Trained, LinearHead], data: Labelled
) -> None:
    again, _ = transfer.train(BACKBONE, data, classes=("bright", "dark"), contract=CONTRACT)
    assert again == made[0]


def test_what_was_tried_and_chosen_is_told(
    made: tuple[Trained, LinearHead], data: Labelled
) -> None:
    trained, head = made
    _, trials = fit_head(data)
    assert [row["strength"] for row in trained.history] == [trial.strength for trial in trials]
    assert trained.settings["strength"] == head.strength
    assert trained.settings["backbone"] == BACKBONE.name
    assert trained.settings["num_images"] == 12
    assert trained.complete


def test_a_class_without_an_image_is_named(data: Labelled) -> None:
    happy = data.take(np.arange(6))
    with pytest.raises(SplitError, match="no image of dark to learn from"):
        transfer.train(BACKBONE, happy, classes=("bright", "dark"), contract=CONTRACT)


class TestTheEstimate:
    def noise(self, count: int) -> Labelled:
        random = np.random.default_rng(2)
        rows = random.normal(size=(count, 4)).astype(np.float32)
        keys = [f"photo{i}" for i in range(count)]
        return Labelled(rows, np.arange(count) % 2, np.arange(count), keys, 2)

    def test_of_few_images_it_is_the_mean_of_several_deals(self) -> None:
        data = self.noise(60)
        estimate = transfer.estimate(data, seed=3)
        assert estimate is not None
        deals = [cross_validate(data, seed=seed) for seed in (3, 1003, 2003)][: transfer._NUM_DEALS]
        np.testing.assert_allclose(estimate.probabilities, np.mean(deals, axis=0), atol=1e-6)
        hits = [(deal.argmax(axis=1) == data.labels).mean() for deal in deals if deal is not None]
        assert estimate.accuracy == pytest.approx(np.mean(hits))
        assert len(set(hits)) > 1  # or one would have done

    def test_of_many_images_one_deal_is_enough(self) -> None:
        data = self.noise(1000)
        estimate = transfer.estimate(data)
        assert estimate is not None
        np.testing.assert_array_equal(estimate.probabilities, cross_validate(data))

    def test_there_is_none_where_a_class_is_too_small(self) -> None:
        assert transfer.estimate(self.noise(60).take(np.array([0, 1, 3, 5, 7, 9]))) is None


@pytest.mark.parametrize("name", ["onnx", "tensorboard", "threadpoolctl"])
def test_a_missing_package_is_named_before_the_work_begins(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer.require_packages()
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match=rf"needs {name}.*pip install"):
        transfer.require_packages()


def test_neither_tensorflow_nor_scikit_learn_is_imported() -> None:
    code = "import sys, candid.training; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "sklearn", "scipy", "matplotlib"} & set(done.stdout.split())
