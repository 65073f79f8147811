"""A run whose model is rounded to eight bits, in the place of a `Source`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candid.exporting.int8_graph import quantise_graph
from candid.exporting.source import Source
from candid.progress import Advance

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class RoundedGraph(Source):
    """A run with another graph.

    Attributes:
        rounded: The graph.
    """

    rounded: onnx.ModelProto

    @cached_property
    def graph(self) -> onnx.ModelProto:
        """The rounded graph. Not to be changed."""
        return self.rounded


def round_to_onnx(source: Source, pixels: NDArray[np.uint8], advance: Advance) -> Source:
    """Round a run's graph; see `candid.exporting.int8_graph.quantise_graph`.

    Args:
        source: The run.
        pixels: uint8 ``(n, s, s, 3)`` RGB, calibration photos.
        advance: Called with the number of photos just seen.

    Raises:
        UsageError: There is nothing in it that could be rounded.
    """
    graph = quantise_graph(source.graph, pixels, advance)
    return RoundedGraph(source.folder, source.classifier, graph)
