import dataclasses
import importlib
import sys

import numpy as np
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from candid.core.extras import start_onnx
from candid.errors import DependencyError
from candid.features.backbones import get
from candid.features.backbones.int8 import quantise_backbone
from candid.features.backbones.keras_graph import build_keras, build_keras_int8
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


@pytest.mark.parametrize("name", ["efficientnet-lite0-int8", "efficientnet-lite2-int8"])
def test_in_8_bits_keras_gives_the_numbers_of_onnx_to_the_last_bit(name):
    spec = dataclasses.replace(get(name), mirror=False)
    weights = load_weights(spec)
    graph = quantise_backbone(build_onnx(spec, weights), weights)
    constants = {v.name: numpy_helper.to_array(v) for v in graph.graph.initializer}
    planes = start_onnx(graph.SerializeToString()).run(["features"], {"image": noise(spec)})[0]
    model = build_keras_int8(spec, constants)
    inner = type(model)(model.input, model.get_layer("features").output)
    features = np.asarray(inner(noise(spec).astype(np.float32)))
    assert np.array_equal(features.transpose(0, 3, 1, 2), planes)
    assert len(np.unique(planes)) > 50


def test_without_the_top_the_output_is_the_embedding():
    model = build_keras(LITE0, load_weights(LITE0))
    assert model.output_shape == (None, LITE0.num_features)


def test_without_tensorflow_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    module = importlib.import_module("candid.features.backbones.keras_graph")
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[train\]"'):
        module.build_keras(LITE0, load_weights(LITE0))
