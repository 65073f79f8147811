"""An ONNX file declares the lowest operator set and IR version that its nodes need."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from candid.exporting.onnx import lower_versions

VECTOR = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
SHAPE = numpy_helper.from_array(np.array([2]), "shape")


def model_of(*nodes, opset=21, ir=11, domain=""):
    """A graph from x, float32 ``(2,)``, to y, which declares more than it may need."""
    x, y = VECTOR
    condition = numpy_helper.from_array(np.array(True), "condition")
    graph = helper.make_graph(list(nodes), "g", [x], [y], [SHAPE, condition])
    sets = [helper.make_opsetid(domain, opset)]
    if any(node.domain for node in nodes):
        sets.append(helper.make_opsetid("com.example", 1))
    return helper.make_model(graph, opset_imports=sets, ir_version=ir)


def numbers(model):
    lower_versions(model)
    return model.opset_import[0].version, model.ir_version


def node(op, *inputs, **attributes):
    return helper.make_node(op, ["x", *inputs], ["y"], **attributes)


@pytest.mark.parametrize(
    ("nodes", "opset", "ir"),
    [
        pytest.param([node("Add", "x")], 13, 7, id="only more types since"),
        pytest.param([node("Reshape", "shape")], 13, 7, id="an attribute that is off"),
        pytest.param([node("Reshape", "shape", allowzero=1)], 14, 7, id="one that is on"),
        pytest.param([node("HardSwish")], 14, 7, id="a later operator"),
        pytest.param([node("LayerNormalization", "x")], 17, 8, id="a much later one"),
        pytest.param([node("Gelu")], 20, 9, id="a new one"),
        pytest.param([node("Cast", to=TensorProto.FLOAT)], 19, 9, id="an attribute that is on"),
    ],
)
def test_the_numbers_are_the_lowest_in_which_the_nodes_mean_the_same(nodes, opset, ir):
    assert numbers(model_of(*nodes)) == (opset, ir)
    assert numbers(model_of(*nodes, domain="ai.onnx")) == (opset, ir)


def test_a_node_in_a_branch_counts_too():
    branch = helper.make_graph([helper.make_node("HardSwish", ["x"], ["z"])], "b", [], [])
    branch.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [2]))
    both = {"then_branch": branch, "else_branch": branch}
    chosen = helper.make_node("If", ["condition"], ["y"], **both)
    assert numbers(model_of(chosen)) == (14, 7)


def test_numbers_are_never_raised():
    assert numbers(model_of(node("Add", "x"), opset=13, ir=4)) == (13, 4)
    assert numbers(model_of(node("Add", "x"), opset=11, ir=6)) == (11, 6)


def test_a_type_that_came_later_keeps_the_graph_as_it_is():
    model = model_of(node("Add", "x"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.BFLOAT16
    assert numbers(model)[0] == 13  # Add takes it since then
    model = model_of(node("Relu"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.INT8
    assert numbers(model) == (21, 11)  # Relu takes integers only from 14 on


def test_a_graph_that_the_checker_does_not_follow_keeps_its_numbers():
    model = model_of(node("Mine", domain="com.example"), node("Unheard"))
    assert numbers(model) == (21, 11)
    function = helper.make_function("com.example", "Mine", ["a"], ["b"], [], [])
    model = model_of(node("Mine", domain="com.example"))
    model.functions.append(function)
    assert numbers(model) == (21, 11)
