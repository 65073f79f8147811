"""Which layers of an ONNX graph can be quantised, and which activation ranges that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.errors import UsageError

if TYPE_CHECKING:
    import onnx

_MIN_OPSET: Final = 13  # the first with a scale per filter
_LAYERS: Final = ("Conv", "Gemm")


class Network:
    """A graph from ``image`` to ``embedding``, which is not changed.

    Args:
        model: The graph.
        kept: Outputs of layers that are not to be quantised.

    Attributes:
        model: The graph.
        nodes: Its nodes in topological order.
        constants: Its initialisers.
        dequantised: Scale and zero point of the tensors that a uint8 tensor stands for.

    Raises:
        UsageError: It has no layer to quantise, or its operator set is too old.
    """

    def __init__(self, model: onnx.ModelProto, *, kept: Collection[str] = ()) -> None:
        from onnx import numpy_helper

        self.model = model
        self._kept = kept
        self.nodes = list(model.graph.node)
        self.constants = {v.name: numpy_helper.to_array(v) for v in model.graph.initializer}
        self._producer = {output: node for node in self.nodes for output in node.output}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in input_names([node]):
                self._consumers.setdefault(name, []).append(node)
        self._outputs = Counter(output.name for output in model.graph.output)
        self._before_embedding = self._ancestors("embedding")
        self._after_first_layer = self._outputs_of_layers()
        self.dequantised = dict(self._find_dequantised())
        self._require_quantisable()

    def is_quantisable(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a layer with constant weights, on the way to the embedding.

        The first layer is not: it is a small part of the work, and quantising its few weights
        raised the error of an embedding by a fifth and more.
        """
        if (
            node.op_type not in _LAYERS
            or node.output[0] not in self._before_embedding
            or node.output[0] in self._kept
            or node.input[0] not in self._after_first_layer
            or (has_bias(node) and node.input[2] not in self.constants)
        ):
            return False
        weights = self.constants.get(node.input[1])
        if weights is None or weights.dtype != np.float32:
            return False
        return weights.ndim == 4 if node.op_type == "Conv" else _is_dense(node)

    def fused_activation(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """The ReLU or Clip that alone takes a layer's output and that its range can replace."""
        (output,) = node.output
        consumers = self._consumers.get(output, [])
        alone = len(consumers) == 1 and not self._outputs[output]
        return consumers[0] if alone and self._is_clipping(consumers[0]) else None

    def _is_clipping(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a ReLU, or a Clip whose limits include 0."""
        if node.op_type == "Relu":
            return True
        if node.op_type != "Clip":
            return False
        given = [self.constants.get(name, np.nan) if name else 0 for name in node.input[1:]]
        low, high = (*given, 0, 0)[:2]
        return bool(low <= 0 <= high)

    def activations(self) -> list[str]:
        """Names of the tensors whose range is needed."""
        found: dict[str, None] = {}
        for node in self.nodes:
            if self.is_quantisable(node):
                found[node.input[0]] = None
                if node.op_type == "Conv":
                    found[(self.fused_activation(node) or node).output[0]] = None
            elif node.op_type == "Add" and all(name in found for name in node.input):
                found[node.output[0]] = None
        return list(found)

    def _outputs_of_layers(self) -> set[str]:
        """All tensors computed from the output of a layer."""
        found: set[str] = set()
        for node in self.nodes:
            if node.op_type in _LAYERS or not found.isdisjoint(input_names([node])):
                found.update(node.output)
        return found

    def _find_dequantised(self) -> Iterator[tuple[str, tuple[float, int]]]:
        for node in self.nodes:
            scale, zero = (self.constants.get(name) for name in (*node.input, "", "", "")[1:3])
            if node.op_type != "DequantizeLinear" or scale is None or zero is None:
                continue
            if zero.dtype == np.uint8 and scale.size == zero.size == 1:
                yield node.output[0], (float(scale), int(zero))

    def _ancestors(self, name: str) -> set[str]:
        """All tensors that a tensor is computed from, and itself."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            tensor = waiting.pop()
            if tensor not in found:
                found.add(tensor)
                node = self._producer.get(tensor)
                waiting += [] if node is None else input_names([node])
        return found

    def _require_quantisable(self) -> None:
        if not any(self.is_quantisable(node) for node in self.nodes):
            raise UsageError(
                "the model has no layer for --int8 to quantise: expected, before its embedding, a "
                "second convolution with constant weights. Export it without --int8."
            )
        imports = self.model.opset_import  # ONNX's own domain may be written out
        opset = next(one.version for one in imports if one.domain in ("", "ai.onnx"))
        if opset < _MIN_OPSET:
            raise UsageError(
                f"the backbone has ONNX operator set {opset}; --int8 needs {_MIN_OPSET} or newer. "
                "Convert it, or export without --int8."
            )


def input_names(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Names of the tensors that nodes take, including those inside branches and loops."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from input_names(graph.node)
                yield from (output.name for output in graph.output)


def has_bias(node: onnx.NodeProto) -> bool:
    """Whether a layer has a bias; an optional input that is left out may have an empty name."""
    return len(node.input) > 2 and node.input[2] != ""


def _is_dense(node: onnx.NodeProto) -> bool:
    """Whether a Gemm is a dense layer: one row of weights per unit, nothing scaled."""
    values = {a.name: a.i if a.name.startswith("trans") else a.f for a in node.attribute}
    scaled = values.get("alpha", 1.0) != 1 or values.get("beta", 1.0) != 1
    return values.get("transB", 0) == 1 and not values.get("transA", 0) and not scaled
