"""Quantising graphs of any origin: layers of an unknown form stay float32."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from candid.core.onnx_quantiser import quantise_weights
from candid.exporting.int8.graph import quantise_graph

OPSET = 17
CHANNELS = 8


def weights(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def build(nodes, constants, opset=OPSET, domain=""):
    """A graph from ``image`` through a stem to ``stem``, and by ``nodes`` on to ``embedding``."""
    constants = {"first": weights(CHANNELS, 3, 1, 1), **constants}
    stem = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["numbers", "unit"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["stem.sums"]),
        helper.make_node("Relu", ["stem.sums"], ["stem"]),
    ]
    constants["unit"] = np.float32(1 / 255)
    graph = helper.make_graph(
        [*stem, *nodes],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 6, 6, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", CHANNELS])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def embed(model, pixels):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"image": pixels})[0]


@pytest.fixture
def pixels():
    return np.random.default_rng(5).integers(0, 256, (12, 6, 6, 3), np.uint8)


def quantised(model, pixels):
    """The quantised graph, whose output differs from the given one's by rounding only."""
    made = quantise_graph(model, pixels)
    before, after = embed(model, pixels), embed(made, pixels)
    assert before.std() > 0.01
    assert 0 < np.abs(after - before).max() < 0.05 * np.ptp(before)
    return made


def num_quantised(model):
    """Number of layers with int8 weights."""
    numbers = {v.name for v in model.graph.initializer if v.data_type == TensorProto.INT8}
    return sum(name.endswith(".weights") for name in numbers)


POOL = [
    helper.make_node("GlobalAveragePool", ["out"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["embedding"]),
]
KERNEL = {"kernel": weights(CHANNELS, CHANNELS, 3, 3, seed=1), "bias": weights(CHANNELS, seed=2)}


def conv(*inputs, output="out"):
    return helper.make_node("Conv", list(inputs), [output], pads=[1, 1, 1, 1])


@pytest.mark.parametrize("opset", [13, 17, 18, 21])
def test_activation_statistics_work_in_old_and_new_operator_sets(opset, pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL, opset)
    assert num_quantised(quantised(model, pixels)) == 1


@pytest.mark.parametrize("op", ["Identity", "Constant"])
def test_a_layer_with_a_computed_bias_stays_float32(op, pixels):
    computed = {
        "Identity": helper.make_node("Identity", ["bias"], ["same"]),
        "Constant": helper.make_node(
            "Constant", [], ["same"], value=numpy_helper.from_array(KERNEL["bias"])
        ),
    }
    nodes = [
        computed[op],
        conv("stem", "kernel", "same", output="middle"),
        conv("middle", "kernel", "bias"),
        *POOL,
    ]
    assert num_quantised(quantised(build(nodes, KERNEL), pixels)) == 1


def test_a_bias_with_an_empty_name_is_none(pixels):
    model = build([conv("stem", "kernel", ""), *POOL], KERNEL)
    assert num_quantised(quantised(model, pixels)) == 1


@pytest.mark.parametrize("limits", [("least", "two"), ("", "less"), ("least", ""), ("now", "two")])
def test_a_clip_whose_limits_exclude_zero_is_kept(limits, pixels):
    constants = KERNEL | {
        "least": np.float32(0.1),
        "two": np.float32(2),
        "less": np.float32(-0.1),
        "unknown": np.float32(0.15),
    }
    nodes = [
        helper.make_node("Identity", ["unknown"], ["now"]),
        conv("stem", "kernel", "bias", output="sums"),
        helper.make_node("Clip", ["sums", *limits], ["out"]),
        *POOL,
    ]
    made = quantised(build(nodes, constants), pixels)
    assert "Clip" in [node.op_type for node in made.graph.node]


@pytest.mark.parametrize("limits", [(), ("zero", "six"), ("", "six"), ("low",)])
def test_a_clip_whose_limits_include_zero_is_fused(limits, pixels):
    constants = KERNEL | {"zero": np.float32(0), "six": np.float32(6), "low": np.float32(-1)}
    nodes = [
        conv("stem", "kernel", "bias", output="sums"),
        helper.make_node("Clip", ["sums", *limits], ["out"]),
        *POOL,
    ]
    made = quantised(build(nodes, constants), pixels)
    assert "Clip" not in [node.op_type for node in made.graph.node]


def test_sums_of_vectors_are_quantised(pixels):
    dense = {
        "dense": weights(CHANNELS, CHANNELS, seed=3),
        "other": weights(CHANNELS, CHANNELS, seed=4),
    }
    nodes = [
        conv("stem", "kernel", "bias"),
        helper.make_node("GlobalAveragePool", ["out"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("Gemm", ["vector", "dense"], ["one"], transB=1),
        helper.make_node("Gemm", ["one", "other"], ["two"], transB=1),
        helper.make_node("Add", ["vector", "one"], ["sum"]),
        helper.make_node("Add", ["two", "sum"], ["embedding"]),
    ]
    assert num_quantised(quantised(build(nodes, KERNEL | dense), pixels)) == 3


def test_the_onnx_domain_may_be_written_out(pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL, domain="ai.onnx")
    assert num_quantised(quantised(model, pixels)) == 1


def test_constants_used_only_in_a_branch_are_kept(pixels):
    branches = {
        name: helper.make_graph(
            [helper.make_node("Add", ["out", constant], [f"{name}.out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}.out", TensorProto.FLOAT, None)],
        )
        for name, constant in {"then_branch": "shift", "else_branch": "other"}.items()
    }
    nodes = [
        conv("stem", "kernel", "bias"),
        helper.make_node("If", ["yes"], ["chosen"], **branches),
        helper.make_node("GlobalAveragePool", ["chosen"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    constants = {"yes": np.array(True), "shift": np.float32(1), "other": np.float32(2)}
    assert num_quantised(quantised(build(nodes, KERNEL | constants), pixels)) == 1


def test_the_result_is_valid_and_the_given_graph_is_unchanged(pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL)
    before = model.SerializeToString()
    onnx.checker.check_model(quantised(model, pixels), full_check=True)
    assert model.SerializeToString() == before


def test_no_two_weights_add_to_more_than_fits_16_bits():
    weights = np.random.default_rng(0).normal(size=(8, 20, 1, 1)).astype(np.float32)
    numbers = quantise_weights(weights, None, np.ones(20, np.float32), input_scale=0.1).weights
    ordered = np.sort(numbers.reshape(8, -1).astype(int), axis=1)
    assert (ordered[:, -2:].sum(axis=1) <= 128).all()
    assert (ordered[:, :2].sum(axis=1) >= -128).all()
    assert np.abs(ordered).max() >= 64


@pytest.mark.parametrize("num_groups", [1, 2, 6])
def test_quantisation_keeps_the_mean_output(num_groups):
    random = np.random.default_rng(num_groups)
    weights = random.normal(size=(6, 6 // num_groups, 3, 3)).astype(np.float32)
    means = random.uniform(1, 5, 6).astype(np.float32)
    bias = random.normal(size=6).astype(np.float32)
    layer = quantise_weights(weights, bias, means, input_scale=1e-3)
    own = layer.weights * layer.scales[:, None, None, None]

    def mean_output(kernel, offsets):
        by_filter = means.reshape(num_groups, -1)[np.arange(6) * num_groups // 6]
        return (kernel.sum(axis=(2, 3)) * by_filter).sum(axis=1) + offsets

    corrected = layer.bias * layer.bias_scales
    np.testing.assert_allclose(mean_output(own, corrected), mean_output(weights, bias), atol=1e-3)
    assert np.abs(mean_output(own, bias) - mean_output(weights, bias)).max() > 5e-3


def test_a_filter_of_zeros_keeps_its_bias():
    zeros = np.zeros((1, 4, 1, 1), np.float32)
    layer = quantise_weights(zeros, np.float32([3.5]), np.ones(4, np.float32), input_scale=0.02)
    assert layer.bias[0] * layer.bias_scales[0] == pytest.approx(3.5, rel=1e-6)
