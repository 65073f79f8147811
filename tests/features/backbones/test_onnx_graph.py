import dataclasses
import functools

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from sklearn.datasets import load_sample_images

from candid.features.backbones.onnx_graph import build_onnx, same_padding
from candid.features.backbones.spec import LITE0, LITE2
from candid.features.backbones.weights import load_weights

BOTH = pytest.mark.parametrize("spec", [LITE0, LITE2], ids=lambda spec: spec.name)
# Classes of ImageNet that the two photographs of scikit-learn show, and what the networks name:
# china.jpg, a pavilion of the Summer Palace; flower.jpg, a dahlia, which ImageNet does not have.
PALACE, BELL_COTE, MONASTERY, STUPA = 698, 442, 663, 832
DAISY, HONEYCOMB = 985, 599


@functools.cache
def session(spec):
    model = build_onnx(spec, load_weights(spec), with_classifier=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def noise(spec, num_images=2):
    shape = (num_images, spec.size_px, spec.size_px, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def photograph(index, size_px):
    image = load_sample_images().images[index]
    top, left = (side // 2 - 213 for side in image.shape[:2])
    square = image[top : top + 426, left : left + 426]
    return cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA)[None]


def best_classes(spec, index):
    logits = session(spec).run(["logits"], {"image": photograph(index, spec.size_px)})[0][0]
    return np.argsort(-logits)[:5].tolist()


@BOTH
def test_a_palace_is_classified_as_a_palace(spec):
    best = best_classes(spec, 0)
    assert best[0] == PALACE
    assert best[1] == BELL_COTE
    assert MONASTERY in best


def test_the_smaller_network_classifies_a_dahlia_as_a_daisy():
    assert best_classes(LITE0, 1)[0] == DAISY


def test_the_larger_network_classifies_the_rows_of_petals_as_a_honeycomb():
    assert best_classes(LITE2, 1)[0] == HONEYCOMB


@BOTH
def test_the_outputs_have_their_shapes(spec):
    embedding, features, logits = session(spec).run(None, {"image": noise(spec)})
    side_px = {"efficientnet-lite0": 7, "efficientnet-lite2": 9}[spec.name]
    assert embedding.shape == (2, spec.num_features)
    assert features.shape == (2, spec.num_features, side_px, side_px)
    assert logits.shape == (2, 1000)
    assert embedding.dtype == features.dtype == np.float32


@BOTH
def test_the_embedding_is_the_mean_of_the_features(spec):
    embedding, features, _ = session(spec).run(None, {"image": noise(spec)})
    np.testing.assert_allclose(embedding, features.mean(axis=(2, 3)), atol=1e-5)
    assert features[:, :1280].min() >= 0
    assert features.max() <= 6


@BOTH
def test_behind_the_heads_features_are_the_mean_sums_of_two_residual_blocks(spec):
    names = {"efficientnet-lite0": (10, 14), "efficientnet-lite2": (14, 19)}[spec.name]
    plain = dataclasses.replace(spec, mirror=False)
    model = build_onnx(plain, load_weights(spec))
    sums = [f"block{index}.add" for index in names]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sums)
    embedding, *planes = ort.InferenceSession(model.SerializeToString()).run(
        ["embedding", *sums], {"image": noise(spec)}
    )
    expected = np.concatenate([plane.mean(axis=(2, 3)) for plane in planes], axis=1) / 32
    np.testing.assert_allclose(embedding[:, 1280:], expected, atol=1e-5)


@BOTH
def test_the_batch_size_is_variable(spec):
    image = session(spec).get_inputs()[0]
    assert image.shape == ["n", spec.size_px, spec.size_px, 3]
    assert image.type == "tensor(uint8)"
    for num_images in (1, 3):
        assert session(spec).run(["embedding"], {"image": noise(spec, num_images)})[0].shape == (
            num_images,
            spec.num_features,
        )


def test_outputs_are_optional():
    model = build_onnx(LITE0, load_weights(LITE0), with_features=False)
    assert [output.name for output in model.graph.output] == ["embedding"]


@pytest.mark.parametrize(
    ("side_px", "kernel", "stride", "expected"),
    [
        (224, 3, 2, ((0, 1), 112)),
        (65, 5, 2, ((2, 2), 33)),
        (56, 5, 2, ((1, 2), 28)),
        (7, 3, 1, ((1, 1), 7)),
        (9, 1, 1, ((0, 0), 9)),
        (4, 1, 2, ((0, 0), 2)),
    ],
)
def test_padding_is_tensorflows_with_the_odd_zero_behind(side_px, kernel, stride, expected):
    assert same_padding(side_px, kernel, stride) == expected


def test_with_mirror_the_outputs_are_the_mean_of_the_picture_and_its_mirror_image():
    spec = dataclasses.replace(LITE0, mirror=True)
    pixels = np.random.default_rng(3).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)

    def run(spec, pixels):
        model = build_onnx(spec, load_weights(spec)).SerializeToString()
        session = ort.InferenceSession(model)
        return session.run(["embedding", "features"], {"image": np.ascontiguousarray(pixels)})

    embedding, features = run(spec, pixels)
    plain, plain_map = run(LITE0, pixels)
    mirrored, mirrored_map = run(LITE0, pixels[:, :, ::-1])
    np.testing.assert_allclose(embedding, (plain + mirrored) / 2, atol=1e-5)
    np.testing.assert_allclose(features, (plain_map + mirrored_map[..., ::-1]) / 2, atol=1e-4)
