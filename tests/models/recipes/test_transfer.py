"""The default recipe: one graph equals backbone and head applied in turn."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from candid.data.images import PixelContract
from candid.errors import SplitError
from candid.features.backbones import get
from candid.features.backbones.registry import Embedder
from candid.models.recipes import Trained, transfer
from candid.models.recipes.abstaining_head import AbstainingHead
from candid.models.recipes.linear_head import fit_head
from candid.splits.grouped_split import Labelled

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
def fitted(data: Labelled) -> tuple[Trained, AbstainingHead]:
    return transfer.train(BACKBONE, data, classes=("bright", "dark"), contract=CONTRACT)


def answers(trained: Trained, pixels: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(trained.model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": pixels}), strict=True))


def test_the_graph_answers_what_backbone_and_head_answer(
    fitted: tuple[Trained, AbstainingHead], data: Labelled, pixels: np.ndarray
) -> None:
    trained, head = fitted
    given = answers(trained, pixels)
    np.testing.assert_allclose(given["embedding"], data.embeddings, atol=1e-3)
    np.testing.assert_allclose(
        given["probabilities"], head.head.probabilities(data.embeddings), atol=1e-4
    )
    assert head.novelty is not None
    np.testing.assert_allclose(
        given["novelty"], head.novelty.scores(data.embeddings), rtol=2e-2, atol=2e-2
    )


def test_the_mean_of_the_heat_map_is_the_score(
    fitted: tuple[Trained, AbstainingHead], data: Labelled, pixels: np.ndarray
) -> None:
    trained, head = fitted
    scores = head.head.scores(data.embeddings)
    heat = answers(trained, pixels)["heatmap"]
    assert heat.shape[:2] == (12, 2)
    np.testing.assert_allclose(heat.mean(axis=(2, 3)), scores, atol=2e-3)


def test_the_graph_is_valid_and_takes_any_number_of_pictures(
    fitted: tuple[Trained, AbstainingHead], pixels: np.ndarray
) -> None:
    trained, _ = fitted
    onnx.checker.check_model(onnx.load_from_string(trained.model), full_check=True)
    alone = answers(trained, pixels[:1])["probabilities"]
    np.testing.assert_allclose(alone, answers(trained, pixels)["probabilities"][:1], atol=1e-5)


def test_it_classifies_the_training_photos(
    fitted: tuple[Trained, AbstainingHead], pixels: np.ndarray
) -> None:
    predicted = answers(fitted[0], pixels)["probabilities"].argmax(axis=1)
    assert predicted.tolist() == [0] * 6 + [1] * 6


def test_the_same_seed_gives_the_same_bytes(
    fitted: tuple[Trained, AbstainingHead], data: Labelled
) -> None:
    again, _ = transfer.train(BACKBONE, data, classes=("bright", "dark"), contract=CONTRACT)
    assert again == fitted[0]


def test_the_history_and_settings_are_recorded(
    fitted: tuple[Trained, AbstainingHead], data: Labelled
) -> None:
    trained, head = fitted
    trials = fit_head(data).trials
    assert [row["strength"] for row in trained.history] == [trial.strength for trial in trials]
    assert trained.settings["strength"] == head.raw.strength
    assert trained.settings["backbone"] == BACKBONE.name
    assert trained.settings["num_images"] == 12
    assert trained.complete


def test_a_class_without_an_image_is_named(data: Labelled) -> None:
    happy = data.take(np.arange(6))
    with pytest.raises(SplitError, match="no image of dark to train on"):
        transfer.train(BACKBONE, happy, classes=("bright", "dark"), contract=CONTRACT)
