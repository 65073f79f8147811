"""The novelty of `candid.novelty` as nodes of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from candid.backbones.onnx_builder import GraphBuilder
    from candid.novelty import Novelty

_TINY = 1e-12


def add_novelty(graph: GraphBuilder, novelty: Novelty, embedding: str) -> str:
    """Append the nodes.

    Args:
        graph: To be appended to.
        novelty: What they compute.
        embedding: A tensor of it, float32 ``(n, d)``.

    Returns:
        The tensor ``novelty``, float32 ``(n,)``.
    """
    return _Nodes(graph, novelty).append(embedding)


class _Nodes:
    def __init__(self, graph: GraphBuilder, novelty: Novelty) -> None:
        self._graph = graph
        self._novelty = novelty
        self._zero = self._constant("zero", 0.0)
        self._tiny = self._constant("tiny", _TINY)
        self._columns = graph.constant("novelty.columns", np.array([1], np.int64))

    def append(self, embedding: str) -> str:
        fitted, geometry = self._novelty, self._novelty.geometry
        node = self._graph.node
        rows = node("Sub", self._map(embedding), self._constant("mean", geometry.mean))
        within = node("MatMul", rows, self._constant("axes", geometry.axes))
        excess = self._constant("excess", geometry.excess[:, None])
        scaled = node("Mul", self._square(rows), self._constant("rest", geometry.rest))
        whole = node("Add", node("MatMul", node("Mul", within, within), excess), scaled)
        total = node("Max", whole, self._tiny)
        placed = node("MatMul", rows, self._constant("discriminant", geometry.discriminant))
        dots = node("MatMul", placed, self._constant("centres", geometry.centres.T))
        lengths = np.square(geometry.centres).sum(axis=1, keepdims=True).T
        square = self._square(placed)
        unit = self._constant("unit", 1 / np.sqrt(lengths + _TINY))
        nearest = self._largest(node("Mul", dots, unit))
        angle = node("Neg", node("Div", nearest, node("Sqrt", total)))
        doubled = node("Mul", dots, self._constant("minus two", -2.0))
        apart = node("Add", node("Add", doubled, self._constant("lengths", lengths)), square)
        distance = self._root(node("Neg", self._largest(node("Neg", apart))))
        residual = self._root(node("Sub", total, square))
        measures = node("Concat", angle, distance, residual, axis=1)
        centred = node("Sub", measures, self._constant("middle", fitted.middle))
        scores = node("Div", centred, self._constant("spread", fitted.spread))
        return node("ReduceSum", scores, self._columns, output="novelty", keepdims=0)

    def _map(self, embedding: str) -> str:
        node = self._graph.node
        sizes = node("Abs", embedding)
        total = node("Add", node("ReduceSum", sizes, self._columns, keepdims=1), self._tiny)
        return node("Mul", node("Sign", embedding), node("Sqrt", node("Div", sizes, total)))

    def _square(self, rows: str) -> str:
        """The sum of the squares of each row, ``(n, 1)``."""
        squares = self._graph.node("Mul", rows, rows)
        return self._graph.node("ReduceSum", squares, self._columns, keepdims=1)

    def _largest(self, rows: str) -> str:
        return self._graph.node("ReduceMax", rows, axes=[1], keepdims=1)

    def _root(self, rows: str) -> str:
        return self._graph.node("Sqrt", self._graph.node("Max", rows, self._zero))

    def _constant(self, name: str, value: object) -> str:
        return self._graph.constant(f"novelty.{name}", np.asarray(value, np.float32))
