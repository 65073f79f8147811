"""Compute a backbone with whole numbers of 8 bits, quantised without a single picture.

The ranges of its activations are those that its batch normalisations were trained to give: shifted
and scaled, a channel is about normal, with mean ``beta`` and standard deviation ``gamma``. So are
the means that correct the biases (Nagel et al., 2019, "Data-free quantization through
weight equalization and bias correction", sections 4.1 and 4.2). So the graph is the same for every
set of photos.

So are its answers on every machine: convolutions add whole numbers, and all other constants are
chosen so that float32 computes without rounding, in whatever order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.core.onnx_network import Network
from candid.core.onnx_quantiser import ActivationStats, quantise_network
from candid.features.backbones.weights import Weights

if TYPE_CHECKING:
    import onnx

#: The first two layers have 12 bits and more: on flat surfaces all of their errors are alike, and
#: with 8 bits were half of the error of an embedding (docs/adr/0022).
FINE_LAYERS: Final = ("stem", "block0.depthwise")
#: What a step of one stands for behind the first of them, and the most steps (6, as in ReLU6).
FINE_UNIT: Final = 2.0**-9
FINE_MOST: Final = 6 * 2**9
#: What a step of one stands for behind the second.
RELU6_UNIT: Final = 6 / 255
#: The middle of the pixels' 0 to 255.
CENTRE: Final = 127

#: Standard deviations on both sides of a channel's mean that are kept; what lies beyond is clipped.
_SPREAD: Final = 3.5
_RELU_LIMIT: Final = 6.0

_Channels = NDArray[np.float64]


class _Normal(NamedTuple):
    """Mean and standard deviation of each channel, float64 ``(c,)``."""

    mean: _Channels
    std: _Channels

    def stats(self) -> ActivationStats:
        low = float((self.mean - _SPREAD * self.std).min())
        high = float((self.mean + _SPREAD * self.std).max())
        return ActivationStats(low, high, self.mean.astype(np.float32))

    def clipped(self) -> ActivationStats:
        """Statistics of what a ReLU6 makes of it (the mean of a clipped normal variable)."""
        low, high = (0 - self.mean) / self.std, (_RELU_LIMIT - self.mean) / self.std
        below = _cumulative(high)
        within = below - _cumulative(low)
        means = (
            self.mean * within
            + self.std * (_density(low) - _density(high))
            + _RELU_LIMIT * (1 - below)
        )
        most = min(_RELU_LIMIT, float((self.mean + _SPREAD * self.std).max()))
        return ActivationStats(0.0, most, means.astype(np.float32))


def _density(x: _Channels) -> _Channels:
    return np.asarray(np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


def _cumulative(x: _Channels) -> _Channels:
    return (1 + np.array(list(map(math.erf, (x / math.sqrt(2)).tolist())))) / 2


def fixed_point(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], *, most: float, unit: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Round a layer's weights so that float32 adds whole numbers times them without any error.

    All products are multiples of one power of two, and no sum exceeds 2**23 of it: the result does
    not depend on the order, which differs between processors.

    Args:
        kernel: float32 ``(f, c, h, w)``.
        bias: float32 ``(f,)``.
        most: The largest absolute input; inputs are whole numbers.
        unit: What a step of one of the output stands for.

    Returns:
        Kernel and bias, float32, in steps of the output.
    """
    wide, offset = kernel.astype(np.float64) / unit, bias.astype(np.float64) / unit
    sums = most * np.abs(wide).sum(axis=(1, 2, 3)) + np.abs(offset)
    grid = 2.0 ** (np.ceil(np.log2(np.maximum(sums, 1.0))) - 23)
    by_filter = grid[:, None, None, None]
    rounded = np.rint(wide / by_filter) * by_filter, np.rint(offset / grid) * grid
    return rounded[0].astype(np.float32), rounded[1].astype(np.float32)


def quantise_backbone(model: onnx.ModelProto, weights: Weights) -> onnx.ModelProto:
    """Quantise a backbone's graph, built by `candid.features.backbones.onnx_graph`.

    Returns:
        A graph with the same input and outputs; the same bytes on every machine.
    """
    network = Network(model, kept=FINE_LAYERS)
    stats = _activation_stats(network, weights)
    return quantise_network(network, stats | _align_sums(network, stats))


def _activation_stats(network: Network, weights: Weights) -> dict[str, ActivationStats]:
    normal = {
        name: _Normal(
            conv.beta.astype(np.float64), np.maximum(np.abs(conv.gamma.astype(np.float64)), 1e-6)
        )
        for name, conv in weights.convs.items()
    }
    stats = {f"{name}.relu6": one.clipped() for name, one in normal.items()}
    for node in network.nodes:
        if node.op_type == "Add" and node.input[0] in normal:
            first, second = (normal[name] for name in node.input)
            total = _Normal(first.mean + second.mean, np.hypot(first.std, second.std))
            normal[node.output[0]] = total
    return stats | {name: one.stats() for name, one in normal.items()}


def _align_sums(
    network: Network, stats: Mapping[str, ActivationStats]
) -> dict[str, ActivationStats]:
    """Widen the ranges of sums and of what is added, so that the ratios of their scales are exact.

    Of a sum's scale, that of the shortcut is a power of two times, and that of the block's output a
    multiple of a 64th. So no product or sum of them is rounded, which processors do differently.
    """
    scales: dict[str, float] = {}
    for node in reversed(network.nodes):
        if node.op_type != "Add" or node.output[0] not in stats:
            continue
        added, shortcut = node.input
        total = scales.setdefault(node.output[0], _short(stats[node.output[0]].scale))
        scales[added] = math.ceil(64 * stats[added].scale / total) / 64 * total
        scales[shortcut] = 2.0 ** math.ceil(math.log2(stats[shortcut].scale / total)) * total
    return {name: _widened(stats[name], scale) for name, scale in scales.items()}


def _short(value: float) -> float:
    """Round up to a number of 12 bits."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * 4096) / 4096, exponent)


def _widened(stats: ActivationStats, scale: float) -> ActivationStats:
    more = (scale - stats.scale) * 255 / 2
    return replace(stats, low=stats.low - more, high=stats.high + more)
