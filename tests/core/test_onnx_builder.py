import numpy as np
import onnx
import onnxruntime as ort
import pytest

from candid.core.onnx_builder import GraphBuilder


def run(model, **inputs):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def test_a_small_cnn_computes_what_numpy_computes():
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(2, 3, 3, 3)).astype(np.float32)
    bias = rng.normal(size=2).astype(np.float32)
    units = rng.normal(size=(1, 2)).astype(np.float32)
    graph = GraphBuilder("cnn")
    x = graph.input("x", np.float32, ("n", 3, 4, 4))
    y = graph.node("Relu", graph.conv(x, kernel, bias, name="conv"))
    y = graph.node("Flatten", graph.node("MaxPool", y, kernel_shape=[2, 2]))
    y = graph.dense(y, units, np.zeros(1, np.float32), name="dense")
    graph.output(graph.node("Sigmoid", y, output="p"), np.float32, ("n", 1))
    pixels = rng.normal(size=(5, 3, 4, 4)).astype(np.float32)

    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(2, 3))
    convolved = np.einsum("nchwij,fcij->nfhw", windows, kernel) + bias[:, None, None]
    pooled = np.maximum(convolved, 0).max(axis=(2, 3))
    expected = 1 / (1 + np.exp(-pooled @ units.T))
    np.testing.assert_allclose(run(graph.finish(), x=pixels)[0], expected, rtol=1e-5)


def test_a_finished_model_can_be_continued_and_stays_as_it_was():
    first = GraphBuilder("first")
    x = first.input("x", np.float32, ("n", 2))
    y = first.node("Neg", x, output="y")
    first.output(y, np.float32, ("n", 2))
    model = first.finish()
    before = model.SerializeToString()

    longer = GraphBuilder.continue_from(model)
    longer.output(longer.node("Neg", "y", output="z"), np.float32, ("n", 2))
    result = run(longer.finish(), x=np.float32([[1, 2]]))
    np.testing.assert_array_equal(result, [[[-1, -2]], [[1, 2]]])
    assert model.SerializeToString() == before


def test_a_duplicate_name_is_refused():
    graph = GraphBuilder("g")
    graph.input("x", np.float32, (1,))
    with pytest.raises(ValueError, match="a tensor named x already"):
        graph.node("Neg", "x", output="x")


def test_generated_names_do_not_collide():
    graph = GraphBuilder("g")
    x = graph.input("x", np.float32, (1,))
    names = [graph.node("Neg", x) for _ in range(3)]
    names += [graph.constant("neg", np.float32([0])) for _ in range(2)]
    assert len(set(names)) == 5


def test_a_node_with_an_unknown_input_is_refused():
    graph = GraphBuilder("g")
    graph.input("x", np.float32, (1,))
    graph.output(graph.node("Neg", "nothing", output="y"), np.float32, (1,))
    with pytest.raises(onnx.checker.ValidationError):
        graph.finish()


def test_the_versions_are_those_that_older_runtimes_load():
    graph = GraphBuilder("g")
    x = graph.input("x", np.float32, (1,))
    graph.output(graph.node("Neg", x, output="y"), np.float32, (1,))
    model = graph.finish()
    assert model.ir_version <= 10
    assert model.opset_import[0].version == 17
