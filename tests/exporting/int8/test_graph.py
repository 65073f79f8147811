"""Other people's graphs in eight bits: what is no layer as we write them stays as it was."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

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


def rounded(model, pixels):
    """The graph in eight bits; what it says differs from what was said by rounding alone."""
    made = quantise_graph(model, pixels)
    before, after = embed(model, pixels), embed(made, pixels)
    assert before.std() > 0.01
    assert 0 < np.abs(after - before).max() < 0.05 * np.ptp(before)
    return made


def num_rounded(model):
    """How many layers have weights of eight bits."""
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
def test_operator_sets_old_and_new_are_observed_alike(opset, pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL, opset)
    assert num_rounded(rounded(model, pixels)) == 1


@pytest.mark.parametrize("op", ["Identity", "Constant"])
def test_a_bias_that_is_computed_keeps_its_layer_as_it_was(op, pixels):
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
    assert num_rounded(rounded(build(nodes, KERNEL), pixels)) == 1


def test_a_bias_without_a_name_is_none(pixels):
    model = build([conv("stem", "kernel", ""), *POOL], KERNEL)
    assert num_rounded(rounded(model, pixels)) == 1


@pytest.mark.parametrize("limits", [("least", "two"), ("", "less"), ("least", ""), ("now", "two")])
def test_a_clip_that_zero_lies_outside_of_still_cuts_off(limits, pixels):
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
    made = rounded(build(nodes, constants), pixels)
    assert "Clip" in [node.op_type for node in made.graph.node]


@pytest.mark.parametrize("limits", [(), ("zero", "six"), ("", "six"), ("low",)])
def test_a_clip_around_zero_is_the_range_of_whole_numbers(limits, pixels):
    constants = KERNEL | {"zero": np.float32(0), "six": np.float32(6), "low": np.float32(-1)}
    nodes = [
        conv("stem", "kernel", "bias", output="sums"),
        helper.make_node("Clip", ["sums", *limits], ["out"]),
        *POOL,
    ]
    made = rounded(build(nodes, constants), pixels)
    assert "Clip" not in [node.op_type for node in made.graph.node]


def test_sums_of_vectors_are_seen_as_vectors(pixels):
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
    assert num_rounded(rounded(build(nodes, KERNEL | dense), pixels)) == 3


def test_the_operators_of_onnx_may_be_named_in_full(pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL, domain="ai.onnx")
    assert num_rounded(rounded(model, pixels)) == 1


def test_what_only_a_branch_takes_is_kept(pixels):
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
    assert num_rounded(rounded(build(nodes, KERNEL | constants), pixels)) == 1


def test_the_graph_stays_valid_and_what_was_given_is_not_changed(pixels):
    model = build([conv("stem", "kernel", "bias"), *POOL], KERNEL)
    before = model.SerializeToString()
    onnx.checker.check_model(rounded(model, pixels), full_check=True)
    assert model.SerializeToString() == before
