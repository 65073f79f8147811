"""Quantise a run's ONNX graph to int8, with the ranges that calibration photos show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candid.core.onnx_network import Network
from candid.core.onnx_quantiser import quantise_network
from candid.core.progress import Advance
from candid.exporting.int8.calibration import collect_activation_stats
from candid.exporting.source import Source

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class QuantisedOnnx(Source):
    """A run with its quantised graph."""

    quantised: onnx.ModelProto  # the graph

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The quantised graph. Not to be changed."""
        return self.quantised


def quantise_onnx(source: Source, pixels: NDArray[np.uint8], advance: Advance) -> Source:
    """Quantise a run's graph; see `quantise_graph`."""
    graph = quantise_graph(source.graph, pixels, advance)
    return QuantisedOnnx(source.folder, source.classifier, graph)


def quantise_graph(
    model: onnx.ModelProto, pixels: NDArray[np.uint8], advance: Advance = lambda _: None
) -> onnx.ModelProto:
    """Quantise the layers between ``image`` and ``embedding``.

    Args:
        model: A run's graph. It is not changed.
        pixels: uint8 ``(n, s, s, 3)`` RGB, calibration photos, n from 1.
        advance: Called with the number of photos just processed.

    Returns:
        A graph with the same input and outputs. The same photos give the same bytes.

    Raises:
        UsageError: It has no layer to quantise, or its operator set is too old.
    """
    network = Network(model)
    stats = collect_activation_stats(model, network.activations(), pixels, advance)
    return quantise_network(network, stats)
