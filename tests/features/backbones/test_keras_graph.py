import dataclasses
import importlib
import sys

import numpy as np
import onnxruntime as ort
import pytest

from candid.errors import DependencyError
from candid.features.backbones.keras_graph import build_keras
from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.spec import LITE0, LITE2
from candid.features.backbones.weights import load_weights


@pytest.fixture(scope="module", params=[LITE0, LITE2], ids=lambda spec: spec.name)
def pair(request):
    spec = dataclasses.replace(request.param, mirror=False)  # the Keras model has the one view
    weights = load_weights(spec)
    onnx_model = build_onnx(spec, weights, with_classifier=True)
    session = ort.InferenceSession(onnx_model.SerializeToString())
    return spec, session, build_keras(spec, weights, include_top=True)


def noise(spec):
    shape = (2, spec.size_px, spec.size_px, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_keras_and_onnx_give_the_same_logits(pair):
    spec, session, model = pair
    pixels = noise(spec)
    expected = session.run(["logits"], {"image": pixels})[0]
    np.testing.assert_allclose(np.asarray(model(pixels)), expected, atol=1e-4)


def test_keras_and_onnx_give_the_same_embedding_and_features(pair):
    spec, session, model = pair
    inner = type(model)(
        model.input, [model.get_layer(name).output for name in ("embedding", "features")]
    )
    embedding, features = inner(noise(spec).astype(np.float32))
    expected, planes = session.run(["embedding", "features"], {"image": noise(spec)})
    np.testing.assert_allclose(np.asarray(embedding), expected, atol=1e-4)
    np.testing.assert_allclose(np.asarray(features).transpose(0, 3, 1, 2), planes, atol=1e-4)


def test_the_keras_model_can_be_trained_on(pair):
    _, _, model = pair
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("BatchNormalization") == kinds.count("Conv2D") + kinds.count(
        "DepthwiseConv2D"
    )
    assert model.trainable_weights


def test_without_the_top_the_output_is_the_embedding():
    model = build_keras(LITE0, load_weights(LITE0))
    assert model.output_shape == (None, 1280)


def test_without_tensorflow_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    module = importlib.import_module("candid.features.backbones.keras_graph")
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[train\]"'):
        module.build_keras(LITE0, load_weights(LITE0))
