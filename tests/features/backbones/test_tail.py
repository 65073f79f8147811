"""A backbone in two parts: its front, and last blocks that may have trained twins."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.spec import LITE0, BackboneSpec
from candid.features.backbones.tail import MIDDLE, Division, with_twins
from candid.features.backbones.weights import Weights, load_weights
from candid.models.recipes.finetune import DIVISION

# The smaller backbone, divided as the larger one is.
SMALL = Division(LITE0, first_block=11)
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights(LITE0)


def run(model: bytes, pixels: np.ndarray, *names: str) -> list[np.ndarray]:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(list(names), {"image": pixels})


def embed(spec: BackboneSpec, weights: Weights) -> np.ndarray:
    [embedding] = run(build_onnx(spec, weights).SerializeToString(), PIXELS, "embedding")
    return embedding


def test_the_front_ends_where_the_first_block_of_the_tail_begins(weights: Weights) -> None:
    [middle] = run(SMALL.build_front(weights), PIXELS, MIDDLE)
    assert middle.shape == (1, *SMALL.middle_shape)
    whole = build_onnx(LITE0, weights, with_features=False)
    del whole.graph.output[:]
    whole.graph.output.add(name="block10.add")
    [expected] = run(whole.SerializeToString(), PIXELS, "block10.add")
    np.testing.assert_allclose(middle.transpose(0, 3, 1, 2), expected, rtol=1e-4, atol=1e-4)


def test_the_tail_that_is_trained_begins_behind_a_skip_connection() -> None:
    assert DIVISION.spec.blocks[DIVISION.first_block - 1].has_skip
    assert DIVISION.middle_shape == (17, 17, 120)


@pytest.mark.parametrize("mirror", [False, True])
def test_equal_twins_repeat_the_embedding(weights: Weights, mirror: bool) -> None:
    spec = BackboneSpec(**{**vars(LITE0), "mirror": mirror})
    plain, twice = embed(spec, weights), embed(spec, with_twins(weights, SMALL.layers_of(weights)))
    expected = np.concatenate([plain, plain[:, :1280]], axis=1)
    np.testing.assert_allclose(twice, expected, rtol=1e-4, atol=1e-5)


def test_changed_twins_change_their_half_only(weights: Weights) -> None:
    layers = dict(SMALL.layers_of(weights))
    kernel, bias = layers["block12.project"]
    layers["block12.project"] = kernel * 2, bias
    plain, changed = embed(LITE0, weights), embed(LITE0, with_twins(weights, layers))
    np.testing.assert_allclose(changed[:, :-1280], plain, rtol=1e-4, atol=1e-5)
    assert np.abs(changed[:, -1280:] - plain[:, :1280]).max() > 0.1


def test_the_whole_gives_the_middle_of_the_picture_and_its_mirror_image(weights: Weights) -> None:
    embedding, both = run(SMALL.build_whole(weights), PIXELS, "embedding", MIDDLE)
    mirrored = np.ascontiguousarray(PIXELS[:, :, ::-1])
    for found, view in zip(both, (PIXELS, mirrored), strict=True):
        [expected] = run(SMALL.build_front(weights), view, MIDDLE)
        np.testing.assert_allclose(found[None], expected, rtol=1e-4, atol=1e-4)
    spec = BackboneSpec(**{**vars(LITE0), "mirror": True})
    np.testing.assert_allclose(embedding, embed(spec, weights), rtol=1e-5, atol=1e-6)
