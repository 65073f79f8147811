"""Backbones in 8 bits: near those in float32, and the same on every machine."""

import numpy as np
import pytest
from onnx import numpy_helper

from candid.cli.demo import SampleSet
from candid.core.extras import start_onnx
from candid.data.images import PixelContract, decode
from candid.features.backbones import build, get, registry
from candid.features.backbones.int8 import FINE_LAYERS, fixed_point


@pytest.fixture(scope="module", params=["efficientnet-lite0", "efficientnet-lite2"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def pixels(name: str, faces: SampleSet):
    files = sorted(faces.folder.glob("*/face-*"))[::6]
    contract = PixelContract(size_px=get(name).size_px)
    return np.stack([decode(file.read_bytes(), contract) for file in files])


def embed(model, pixels, **options):
    session = start_onnx(model.SerializeToString(), **options)
    return session.run(["embedding"], {"image": pixels})[0]


@pytest.fixture(scope="module")
def graph(name: str):
    return build(get(f"{name}-int8"))


@pytest.fixture(scope="module")
def constants(graph):
    return {value.name: numpy_helper.to_array(value) for value in graph.graph.initializer}


def test_an_embedding_is_near_that_in_float32(name: str, graph, pixels) -> None:
    expected = embed(build(get(name)), pixels)
    apart = np.linalg.norm(expected - expected.mean(axis=0), axis=1).mean()
    off = np.linalg.norm(embed(graph, pixels) - expected, axis=1).mean()
    assert 0 < off < 0.25 * apart  # drawn faces differ less than photos do


def test_it_takes_a_third_of_the_bytes(name: str, graph) -> None:
    assert graph.ByteSize() < build(get(name)).ByteSize() / 3


def test_the_same_bits_come_out_in_any_batch_and_number_of_threads(graph, pixels) -> None:
    whole = embed(graph, pixels, num_threads=2)
    alone = np.concatenate([embed(graph, one[None], num_threads=1) for one in pixels])
    # Only the mean over the picture's places is a sum in float32.
    np.testing.assert_allclose(alone, whole, rtol=0, atol=2e-6)


def test_the_graph_is_the_same_each_time_it_is_built(name: str) -> None:
    assert registry._build(get(f"{name}-int8")) == registry.read_graph(get(f"{name}-int8"))


def test_only_the_fine_layers_have_float_kernels(constants) -> None:
    kernels = {n.removesuffix(".kernel") for n in constants if n.endswith(".kernel")}
    assert kernels == set(FINE_LAYERS)


def test_sums_of_quantised_tensors_are_exact_in_float32(graph, constants) -> None:
    adds = [node for node in graph.graph.node if node.op_type == "Add"]
    adds = [node for node in adds if f"{node.input[0]}.scale" in constants]
    assert len(adds) >= 9
    for node in adds:
        total = np.float64(constants[f"{node.output[0].removesuffix('.exact')}.scale"])
        for tensor in node.input:
            ratio = np.float64(constants[f"{tensor}.scale"]) / total
            assert ratio * 2**12 == int(ratio * 2**12)
            assert np.float32(ratio) == np.float32(constants[f"{tensor}.scale"]) / np.float32(total)


class TestFixedPoint:
    def layer(self):
        rng = np.random.default_rng(3)
        kernel = rng.normal(0, 0.2, (16, 3, 3, 3)).astype(np.float32)
        kernel[3] *= 100
        kernel[4] = 0
        return fixed_point(kernel, rng.normal(0, 2, 16).astype(np.float32), most=128, unit=2**-9)

    def test_float32_adds_without_error_in_any_order(self) -> None:
        kernel, bias = self.layer()
        rng = np.random.default_rng(4)
        inputs = rng.integers(-128, 129, (50, 27)).astype(np.float32)
        rows = kernel.reshape(16, 27)
        exact = inputs.astype(np.float64) @ rows.astype(np.float64).T + bias
        for _ in range(5):
            order = rng.permutation(27)
            sums = np.tile(bias, (50, 1))
            for place in order:
                sums += inputs[:, place, None] * rows[None, :, place]
            assert sums.dtype == np.float32
            assert np.array_equal(sums, exact)

    def test_weights_keep_twelve_bits_and_more(self) -> None:
        rng = np.random.default_rng(3)
        kernel = rng.normal(0, 0.2, (16, 3, 3, 3)).astype(np.float32)
        rounded, _ = fixed_point(kernel, np.zeros(16, np.float32), most=128, unit=2**-9)
        errors = np.abs(rounded / 2**9 - kernel).max(axis=(1, 2, 3))
        assert (errors < np.abs(kernel).max(axis=(1, 2, 3)) / 2**12).all()
