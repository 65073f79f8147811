"""Build a backbone as an ONNX graph for inference, from pixels to embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from candid.core.onnx_builder import GraphBuilder
from candid.features.backbones.int8 import (
    CENTRE,
    FINE_LAYERS,
    FINE_MOST,
    FINE_UNIT,
    RELU6_UNIT,
    fixed_point,
)
from candid.features.backbones.spec import (
    MIDDLE_SCALE,
    NUM_CLASSES,
    NUM_FEATURES,
    STEM_KERNEL,
    STEM_STRIDE,
    BackboneSpec,
    Block,
)
from candid.features.backbones.weights import TWIN, ConvWeights, Weights

if TYPE_CHECKING:
    import onnx


def build_onnx(
    spec: BackboneSpec,
    weights: Weights,
    *,
    with_features: bool = True,
    with_classifier: bool = False,
) -> onnx.ModelProto:
    """Build a backbone as an ONNX model.

    Its input is ``image``, uint8 ``(n, size_px, size_px, 3)`` RGB; the normalisation is part of the
    graph, batch normalisation is folded into the convolutions. Its outputs are

    - ``embedding``, float32 ``(n, d)``: the mean of the features over the picture,
    - ``features``, float32 ``(n, d, h, w)``, if ``with_features``: the head's 1280 activations and
      the sums of ``spec.middles`` times `MIDDLE_SCALE`, and of weights with twins the twin head's
      1280, before that mean; with ``spec.mirror``, averaged with those of the mirror image,
      flipped back,
    - ``logits``, float32 ``(n, 1000)``, if ``with_classifier``: the scores of ImageNet's classes.
    """
    network = _Network(spec, weights)
    features = network.features()
    graph, side_px = network.graph, network.side_px
    pooled = graph.node("GlobalAveragePool", features)
    embedding = graph.node("Flatten", pooled, output="embedding", axis=1)
    graph.output(embedding, np.float32, ("n", network.num_features))
    if with_features:
        graph.output(features, np.float32, ("n", network.num_features, side_px, side_px))
    if with_classifier:
        unused = ((0, 0), (0, spec.num_features - NUM_FEATURES))
        kernel = np.pad(weights.classifier_kernel, unused)
        logits = graph.dense(embedding, kernel, weights.classifier_bias, name="logits")
        graph.output(logits, np.float32, ("n", NUM_CLASSES))
    return graph.finish()


class _Network:
    """The layers up to the features; ``side_px`` is the current height and width."""

    def __init__(self, spec: BackboneSpec, weights: Weights) -> None:
        self.graph = GraphBuilder(spec.name)
        self.side_px = spec.size_px
        self.num_features = spec.num_features + (NUM_FEATURES if weights.twins else 0)
        self._spec = spec
        self._weights = weights
        self._zero = self.graph.constant("relu6.min", np.array(0, np.float32))
        self._six = self.graph.constant("relu6.max", np.array(6, np.float32))

    def features(self) -> str:
        x = self._centred()
        if self._spec.is_int8:
            x = self._fine_layers(x, *FINE_LAYERS)
        else:
            x = self._relu6(self._conv(x, "stem", self._stem(), stride=STEM_STRIDE))
        shared, last = self._weights.divide(self._spec.blocks)
        sides = []
        for block in shared:
            x = self._block(x, block)
            sides += [self.side_px] if block in self._spec.middles else []
        middle, side_px, heads = x, self.side_px, []
        for prefix in ("", TWIN) if self._weights.twins else ("",):
            x, self.side_px = middle, side_px
            for block in last:
                x = self._block(x, block, prefix)
                sides += [self.side_px] if block in self._spec.middles and not prefix else []
            heads.append(self._head(x, prefix))
        first, second = (f"{block.name}.add" for block in self._spec.middles)
        middles = (
            self._scaled(self._halved(first, sides[0] % 2), pooled_scale(*sides)),
            self._scaled(second),
        )
        own, *twin = heads
        if not self._spec.mirror:
            return self.graph.node("Concat", own, *middles, *twin, output="features", axis=1)
        return self._unmirrored(self.graph.node("Concat", own, *middles, *twin, axis=1))

    def _head(self, x: str, prefix: str) -> str:
        weights = self._weights.conv("head", prefix)
        return self._relu6(self._conv(x, f"{prefix}head", weights), f"{prefix}head.relu6")

    def _scaled(self, x: str, factor: float = MIDDLE_SCALE) -> str:
        scale = self.graph.constant("middle.scale", np.array(factor, np.float32))
        return self.graph.node("Mul", x, scale)

    def _halved(self, x: str, is_odd: int) -> str:
        """Mean of each 2 by 2 places; zeros are added to an odd height and width."""
        pads, size = [0, 0, is_odd, is_odd], [2, 2]
        return self.graph.node(
            "AveragePool", x, kernel_shape=size, strides=size, pads=pads, count_include_pad=1
        )

    def _centred(self) -> str:
        size = self.side_px
        image = self.graph.input("image", np.uint8, ("n", size, size, 3))
        # Transposed while a value is still one byte: a quarter of the memory traffic.
        planes = self.graph.node("Transpose", image, perm=[0, 3, 1, 2])
        if self._spec.mirror:
            planes = self.graph.node("Concat", planes, self._flip(planes), axis=0)
        x = self.graph.node("Cast", planes, to=1)
        mean = np.array(self._spec.mean, np.float32).reshape(1, 3, 1, 1)
        return self.graph.node("Sub", x, self.graph.constant("mean", mean))

    def _flip(self, x: str) -> str:
        """Mirror ``(n, c, h, w)`` from left to right; reporting/app/quick.js changes the values."""
        first, last, axis, step = (
            self.graph.constant(name, np.array([value], np.int64))
            for name, value in (
                ("flip.first", -1),
                ("flip.last", np.iinfo(np.int64).min),
                ("flip.axis", 3),
                ("flip.step", -1),
            )
        )
        return self.graph.node("Slice", x, first, last, axis, step)

    def _unmirrored(self, x: str) -> str:
        """Mean of the pictures' features and those of their mirror images, flipped back."""
        shape = (2, -1, self.num_features, self.side_px, self.side_px)
        pairs = self.graph.node("Reshape", x, self.graph.constant("pairs", np.array(shape)))
        plain, mirrored = (
            self.graph.node("Gather", pairs, self.graph.constant(name, np.array(place)), axis=0)
            for name, place in (("plain", 0), ("mirrored", 1))
        )
        total = self.graph.node("Add", plain, self._flip(mirrored))
        half = self.graph.constant("half", np.array(0.5, np.float32))
        return self.graph.node("Mul", total, half, output="features")

    def _stem(self) -> ConvWeights:
        """The stem with the division by `std` folded into its kernel.

        The subtraction of the mean can't be folded, as the stem pads with zeros: grey after it,
        black before it.
        """
        stem = self._weights.convs["stem"]
        std = np.array(self._spec.std, np.float32).reshape(1, 3, 1, 1)
        return ConvWeights(stem.kernel / std, stem.gamma, stem.beta, stem.mean, stem.variance)

    def _block(self, x: str, block: Block, prefix: str = "") -> str:
        def conv(x: str, layer: str, **options: int) -> str:
            weights = self._weights.conv(f"{block.name}.{layer}", prefix)
            return self._conv(x, f"{prefix}{block.name}.{layer}", weights, **options)

        skipped = x
        if block.has_expansion:
            x = self._relu6(conv(x, "expand"))
        name = f"{block.name}.depthwise"
        if not (self._spec.is_int8 and name in FINE_LAYERS):
            x = self._relu6(conv(x, "depthwise", stride=block.stride, groups=block.filters_hidden))
        x = conv(x, "project")
        if not block.has_skip:
            return x
        return self.graph.node("Add", x, skipped, output=f"{prefix}{block.name}.add")

    def _fine_layers(self, x: str, first: str, second: str) -> str:
        """The two layers that compute with more than 8 bits; see `int8.fixed_point`."""
        graph = self.graph
        kernel, bias = fixed_point(*self._stem().folded(), most=CENTRE + 1, unit=FINE_UNIT)
        pads, self.side_px = same_padding(self.side_px, STEM_KERNEL, STEM_STRIDE)
        x = graph.conv(x, kernel, bias, name=first, stride=STEM_STRIDE, pads=pads)
        x = self._clipped(x, FINE_MOST)
        x = graph.node("Round", x, output=f"{first}.numbers")
        kernel, bias = self._weights.convs[second].folded()
        kernel, bias = fixed_point(kernel * FINE_UNIT, bias, most=FINE_MOST, unit=RELU6_UNIT)
        pads, self.side_px = same_padding(self.side_px, kernel.shape[2], 1)
        x = graph.conv(x, kernel, bias, name=second, pads=pads, groups=len(kernel))
        x = self._clipped(x, 255)
        one = graph.constant(f"{second}.one", np.array(1, np.float32))
        zero = graph.constant(f"{second}.relu6.zero", np.array(0, np.uint8))
        scale = graph.constant(f"{second}.relu6.scale", np.array(RELU6_UNIT, np.float32))
        numbers = graph.node("QuantizeLinear", x, one, zero, output=f"{second}.numbers")
        return graph.node("DequantizeLinear", numbers, scale, zero, output=f"{second}.relu6")

    def _clipped(self, x: str, most: float) -> str:
        limit = self.graph.constant(f"{x}.most", np.array(most, np.float32))
        return self.graph.node("Clip", x, self._zero, limit, output=f"{x}.clipped")

    def _conv(
        self, x: str, name: str, weights: ConvWeights, *, stride: int = 1, groups: int = 1
    ) -> str:
        kernel, bias = weights.folded()
        pads, self.side_px = same_padding(self.side_px, kernel.shape[2], stride)
        return self.graph.conv(x, kernel, bias, name=name, stride=stride, pads=pads, groups=groups)

    def _relu6(self, x: str, output: str | None = None) -> str:
        return self.graph.node("Clip", x, self._zero, self._six, output=output or f"{x}.relu6")


def pooled_scale(side_px: int, head_px: int) -> float:
    """`MIDDLE_SCALE` for the mean of 2 by 2 places, so that zeros do not lower the whole mean."""
    return MIDDLE_SCALE * (2 * head_px / side_px) ** 2


def same_padding(side_px: int, kernel: int, stride: int) -> tuple[tuple[int, int], int]:
    """Compute TensorFlow's padding "SAME", with which the weights were trained.

    If the number of zeros is odd, the extra one is below and to the right. PyTorch's
    ``padding=k // 2`` is symmetric, and so shifts the picture by a pixel.

    Returns:
        The zeros before and after, and the height and width of the output.
    """
    out_px = -(-side_px // stride)
    total = max((out_px - 1) * stride + kernel - side_px, 0)
    return (total // 2, total - total // 2), out_px
