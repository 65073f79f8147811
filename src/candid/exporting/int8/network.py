"""What is asked of an ONNX graph before a part of it is rounded to eight bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.errors import UsageError

if TYPE_CHECKING:
    import onnx

_LEAST_OPSET: Final = 13  # the first with a scale a filter
_LAYERS: Final = ("Conv", "Gemm")
#: What moves numbers and changes none.
MOVERS: Final = ("MaxPool", "Flatten")


@dataclass(frozen=True)
class Code:
    """How whole numbers, 0 to 255, stand for a tensor: as ``scale * (number - zero)``."""

    scale: float
    zero: int


class Network:
    """A graph from ``image`` to ``embedding``.

    Attributes:
        nodes: All nodes, each after those that it needs.
        constants: The initialisers.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        """Look at a graph, which is not changed.

        Raises:
            UsageError: There is nothing in it that could be rounded, or it is of an old version.
        """
        from onnx import numpy_helper

        self.model = model
        self.nodes = list(model.graph.node)
        self.constants = {v.name: numpy_helper.to_array(v) for v in model.graph.initializer}
        self._producer = {output: node for node in self.nodes for output in node.output}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in names_in([node]):
                self._consumers.setdefault(name, []).append(node)
        self._outputs = Counter(output.name for output in model.graph.output)
        self._before = self._ancestors("embedding")
        self._behind = self._behind_weights()
        self._require_roundable()

    def has_weights(self, node: onnx.NodeProto) -> bool:
        """Whether a node multiplies by constants that are rounded, on the way to the embedding.

        Those of the layer that takes the pixels are not: it is a small part of the work, and with
        its few weights rounded the error of an embedding grew by a fifth and more.
        """
        if node.op_type not in _LAYERS or node.output[0] not in self._before:
            return False
        if node.input[0] not in self._behind:
            return False
        weights = self.constants.get(node.input[1])
        if weights is None or weights.dtype != np.float32:
            return False
        if has_bias(node) and node.input[2] not in self.constants:
            return False
        return weights.ndim == 4 if node.op_type == "Conv" else _has_rows_of_weights(node)

    def rectifier(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """The node that cuts off what this one gives, where nothing else takes it."""
        (output,) = node.output
        consumers = self._consumers.get(output, [])
        alone = len(consumers) == 1 and not self._outputs[output]
        return consumers[0] if alone and self._is_rectifier(consumers[0]) else None

    def _is_rectifier(self, node: onnx.NodeProto) -> bool:
        """Whether whole numbers that can stand for 0 cut off as a node does."""
        if node.op_type == "Relu":
            return True
        if node.op_type != "Clip":
            return False
        given = [self.constants.get(name, np.nan) if name else 0 for name in node.input[1:]]
        low, high = (*given, 0, 0)[:2]
        return bool(low <= 0 <= high)

    def ranks(self) -> dict[str, int]:
        """Names of the tensors whose range is needed, with their numbers of axes."""
        found: dict[str, int] = {}
        for node in self.nodes:
            if self.has_weights(node):
                found[node.input[0]] = 4 if node.op_type == "Conv" else 2
                if node.op_type == "Conv":
                    found[(self.rectifier(node) or node).output[0]] = 4
            elif node.op_type == "Add" and all(name in found for name in node.input):
                found[node.output[0]] = max(found[name] for name in node.input)
        return found

    def _behind_weights(self) -> set[str]:
        """All tensors that a layer's output goes into."""
        found: set[str] = set()
        for node in self.nodes:
            if node.op_type in _LAYERS or not found.isdisjoint(names_in([node])):
                found.update(node.output)
        return found

    def _ancestors(self, name: str) -> set[str]:
        """All tensors that one is computed from, and itself."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            tensor = waiting.pop()
            if tensor not in found:
                found.add(tensor)
                node = self._producer.get(tensor)
                waiting += [] if node is None else names_in([node])
        return found

    def _require_roundable(self) -> None:
        if not any(self.has_weights(node) for node in self.nodes):
            raise UsageError(
                "the model has no second convolution with weights of its own before its embedding: "
                "there is nothing for --int8 to round. Export it without --int8."
            )
        opset = opset_of(self.model)
        if opset < _LEAST_OPSET:
            raise UsageError(
                f"the backbone is of ONNX operator set {opset}; --int8 takes {_LEAST_OPSET} or "
                "newer. Convert it, or export without --int8."
            )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators, whose domain may be written out."""
    return next(int(e.version) for e in model.opset_import if e.domain in ("", "ai.onnx"))


def names_in(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """The tensors that nodes take, those within their branches and loops too."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from names_in(graph.node)
                yield from (output.name for output in graph.output)


def has_bias(node: onnx.NodeProto) -> bool:
    """Whether a layer adds something; an optional input that is left out may have an empty name."""
    return len(node.input) > 2 and node.input[2] != ""


def _has_rows_of_weights(node: onnx.NodeProto) -> bool:
    """Whether a Gemm is a dense layer: one row of weights a unit, nothing scaled."""
    values = {a.name: a.i if a.name.startswith("trans") else a.f for a in node.attribute}
    scaled = values.get("alpha", 1.0) != 1 or values.get("beta", 1.0) != 1
    return values.get("transB", 0) == 1 and not values.get("transA", 0) and not scaled
