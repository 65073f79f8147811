import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

from candid.core.onnx_builder import GraphBuilder
from candid.errors import UsageError
from candid.features.backbones import build, get
from candid.features.backbones.registry import Embedder
from candid.models.ood import fit_novelty
from candid.models.recipes.linear_head import LinearHead
from candid.models.recipes.transfer import write_graph

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
ROW_WEIGHTS = np.arange(8, dtype=np.float32)


def mean_colour(path, *, shape, dtype, axes, name="image"):
    """Save a model whose embedding is the mean of each colour, lower rows weighted more."""
    graph = GraphBuilder("mean_colour")
    x = graph.input(name, dtype, shape)
    x = graph.node("Cast", x, to=onnx.TensorProto.FLOAT)
    rows = np.ones(4, int)
    rows[axes[0]] = 8
    x = graph.node("Mul", x, graph.constant("rows", ROW_WEIGHTS.reshape(rows)))
    y = graph.node("ReduceMean", x, output="pooled", axes=axes, keepdims=0)
    graph.output(y, np.float32, ("n", 3))
    onnx.save(graph.finish(), path)
    return str(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    ("shape", "axes"), [(("n", 8, 8, 3), [1, 2]), (("n", 3, 8, 8), [2, 3])], ids=["NHWC", "NCHW"]
)
def test_layout_and_type_of_a_file_are_adapted_to_the_pixel_contract(tmp_path, dtype, shape, axes):
    name = mean_colour(tmp_path / "m.onnx", shape=shape, dtype=dtype, axes=axes)
    embedder = Embedder(get(name))
    expected = (PIXELS * ROW_WEIGHTS[:, None, None]).mean(axis=(1, 2))
    np.testing.assert_allclose(embedder.embed(PIXELS), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [("n", 8, 9, 3), ("n", "h", "w", 3), (1, 8, 8, 3)])
def test_an_input_that_is_no_batch_of_squares_is_refused(tmp_path, shape):
    name = mean_colour(tmp_path / "m.onnx", shape=shape, dtype=np.uint8, axes=[1, 2])
    with pytest.raises(UsageError, match=r"square images of a fixed size.*received image"):
        get(name)


def test_a_file_without_a_vector_for_each_image_is_refused(tmp_path):
    graph = GraphBuilder("g")
    x = graph.input("image", np.uint8, ("n", 8, 8, 3))
    graph.output(graph.node("Identity", x, output="y"), np.uint8, ("n", 8, 8, 3))
    onnx.save(graph.finish(), tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="an output"):
        get(str(tmp_path / "m.onnx"))


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(UsageError, match="does not load"):
        get(str(path))
    with pytest.raises(UsageError, match="is not a file"):
        get(str(tmp_path / "missing.onnx"))


def test_a_file_has_no_feature_map(tmp_path):
    name = mean_colour(tmp_path / "m.onnx", shape=("n", 8, 8, 3), dtype=np.uint8, axes=[1, 2])
    assert not get(name).has_features


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_a_head_can_be_appended_to_a_file_of_any_operator_set(tmp_path, opset):
    """ReduceSum takes its axes as an input from operator set 13 on, ReduceMax from 18 on."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["pooled"]),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    y = helper.make_tensor_value_info("pooled", onnx.TensorProto.FLOAT, ["n", 3])
    sets = [helper.make_opsetid("", opset)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=sets)
    model.ir_version = 8
    onnx.save(model, tmp_path / "m.onnx")
    backbone = get(str(tmp_path / "m.onnx"))
    rows = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    novelty, _ = fit_novelty(rows, np.arange(40) % 2, np.arange(40), np.arange(40) // 2 % 4)
    head = LinearHead(np.ones((2, 3), np.float32), np.zeros(2, np.float32), 1.0)
    written = write_graph(backbone, head, novelty)
    (scores,) = ort.InferenceSession(written).run(["novelty"], {"image": PIXELS})
    means = PIXELS.mean(axis=(1, 2), dtype=np.float32)
    np.testing.assert_allclose(scores, novelty.scores(means), rtol=1e-3)


def test_what_the_embedding_does_not_need_is_cut_off(tmp_path):
    graph = GraphBuilder("g")
    x = graph.input("image", np.float32, ("n", 8, 8, 3))
    pooled = graph.node("ReduceMean", x, output="pooled", axes=[1, 2], keepdims=0)
    logits = graph.node("MatMul", pooled, graph.constant("c", np.ones((3, 9), np.float32)))
    graph.output(pooled, np.float32, ("n", 3))
    graph.output(logits, np.float32, ("n", 9))
    onnx.save(graph.finish(), tmp_path / "m.onnx")
    built = build(get(str(tmp_path / "m.onnx")))
    assert not built.graph.initializer
    assert "MatMul" not in {node.op_type for node in built.graph.node}
