"""The tutorial's network as an ONNX graph, from the weights that Keras trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from candid.backbones.onnx_builder import GraphBuilder

Weights = Sequence[NDArray[np.float32]]

_NUM_CONVS = 3
_FLOAT = 1  # onnx.TensorProto.FLOAT


def build_onnx(weights: Weights, *, size_px: int) -> bytes:
    """Write the network as ONNX.

    Args:
        weights: A kernel and a bias for each of three convolutions and two dense layers, as Keras
            keeps them: ``(h, w, in, out)`` and ``(in, out)``.
        size_px: Height and width of its input.

    Returns:
        The serialised graph: ``image``, uint8 ``(n, size_px, size_px, 3)``, to ``probabilities``,
        float32 ``(n, k)``, and ``embedding``, float32 ``(n, 256)``. One output unit is the
        probability of the second of two classes.
    """
    graph = GraphBuilder("cnn")
    image = graph.input("image", np.uint8, ("n", size_px, size_px, 3))
    # As bytes first: a quarter of the memory to move.
    x = graph.node("Transpose", image, perm=[0, 3, 1, 2])
    x = graph.node("Cast", x, to=_FLOAT)
    x = graph.node("Mul", x, graph.constant("scale", np.array(1 / 255, np.float32)))
    layers = [(weights[i], weights[i + 1]) for i in range(0, len(weights), 2)]
    for number, (kernel, bias) in enumerate(layers[:_NUM_CONVS], start=1):
        x = graph.conv(x, kernel.transpose(3, 2, 0, 1), bias, name=f"conv{number}")
        x = graph.node("Relu", x)
        x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    (kernel, bias), head = layers[_NUM_CONVS:]
    x = graph.node("Flatten", x)
    x = graph.dense(x, _channels_first(kernel, len(layers[2][1])), bias, name="hidden")
    embedding = graph.node("Relu", x, output="embedding")
    probabilities = _add_head(graph, embedding, *head)
    graph.output(probabilities, np.float32, ("n", max(2, len(head[1]))))
    graph.output(embedding, np.float32, ("n", kernel.shape[1]))
    return bytes(graph.finish().SerializeToString())


def _channels_first(kernel: NDArray[np.float32], num_channels: int) -> NDArray[np.float32]:
    """Make ``(units, c * h * w)`` of a kernel ``(h * w * c, units)`` from Keras, places first."""
    by_place = kernel.reshape(-1, num_channels, kernel.shape[1])
    return by_place.transpose(2, 1, 0).reshape(kernel.shape[1], -1)


def _add_head(
    graph: GraphBuilder, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> str:
    scores = graph.dense(x, kernel.T, bias, name="scores")
    if len(bias) > 1:
        return graph.node("Softmax", scores, axis=1, output="probabilities")
    second = graph.node("Sigmoid", scores)
    first = graph.node("Sub", graph.constant("one", np.array(1, np.float32)), second)
    return graph.node("Concat", first, second, axis=1, output="probabilities")
