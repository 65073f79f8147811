"""Divide a backbone in two: a front that stays as it is, and last blocks that can be trained on.

    image ─ front (ONNX) ─▶ middle (h, w, c) ─ tail ─▶ features ─▶ embedding

The front is computed once for a picture. Its batch normalisations are folded, so the statistics of
those in the tail are frozen; their scales and shifts are trained as a part of kernel and bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.spec import BATCH_NORM_EPSILON, STEM_STRIDE, BackboneSpec, Block
from candid.features.backbones.weights import ConvWeights, FloatArray, Weights

if TYPE_CHECKING:
    import onnx

#: The output of the front.
MIDDLE: Final = "middle"

#: Kernel ``(filters, inputs per group, k, k)`` and bias ``(filters,)`` of layers, by their names.
Layers = Mapping[str, tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Division:
    """A backbone, divided before one of its blocks.

    Attributes:
        spec: The backbone, in float32.
        first_block: Index of the first block of the tail; the one before it has a skip connection.
    """

    spec: BackboneSpec
    first_block: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the tail."""
        return self.spec.blocks[self.first_block :]

    @property
    def middle_shape(self) -> tuple[int, int, int]:
        """Height, width and channels between front and tail."""
        side_px = -(-self.spec.size_px // STEM_STRIDE)
        for block in self.spec.blocks[: self.first_block]:
            side_px = -(-side_px // block.stride)
        return side_px, side_px, self.blocks[0].filters_in

    def build_front(self, weights: Weights) -> bytes:
        """The front as an ONNX model.

        Returns:
            A serialised graph from ``image``, uint8 ``(n, size_px, size_px, 3)``, to ``middle``,
            float32 ``(n, h, w, c)``.
        """
        model = build_onnx(replace(self.spec, mirror=False), weights, with_features=False)
        # A runtime leaves out the nodes that no output needs.
        del model.graph.output[:]
        return self._with_middle(model)

    def build_whole(self, weights: Weights) -> bytes:
        """The backbone with its mirror image as an ONNX model, which gives the middle too.

        Returns:
            A serialised graph from ``image``, uint8 ``(n, size_px, size_px, 3)``, to ``embedding``,
            float32 ``(n, d)``, and ``middle``, float32 ``(2 n, h, w, c)``: of the pictures, then
            of their mirror images.
        """
        spec = replace(self.spec, mirror=True)
        return self._with_middle(build_onnx(spec, weights, with_features=False))

    def _with_middle(self, model: onnx.ModelProto) -> bytes:
        from candid.core.onnx_builder import GraphBuilder

        graph = GraphBuilder.continue_from(model)
        last = f"{self.spec.blocks[self.first_block - 1].name}.add"
        middle = graph.node("Transpose", last, output=MIDDLE, perm=[0, 2, 3, 1])
        graph.output(middle, np.float32, ("n", *self.middle_shape))
        return bytes(graph.finish().SerializeToString())

    def layers_of(self, weights: Weights) -> Layers:
        """The layers of the tail, in the order in which a picture passes them."""
        names = [name for block in self.blocks for name in _layers_of(block)]
        return {name: weights.convs[name].folded() for name in (*names, "head")}


def _layers_of(block: Block) -> tuple[str, ...]:
    return tuple(f"{block.name}.{part}" for part in ("expand", "depthwise", "project"))


def with_twins(weights: Weights, layers: Layers) -> Weights:
    """Add trained layers, without batch normalisation, to a backbone."""
    return replace(weights, twins={name: _without_norm(*layer) for name, layer in layers.items()})


def _without_norm(kernel: FloatArray, bias: FloatArray) -> ConvWeights:
    """A convolution whose normalisation only adds the bias."""
    ones, zeros = np.ones_like(bias), np.zeros_like(bias)
    return ConvWeights(kernel, ones, bias, zeros, ones - np.float32(BATCH_NORM_EPSILON))
