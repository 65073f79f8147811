"""Quantise an ONNX graph to int8.

Quantised layers stand between ``QuantizeLinear`` and ``DequantizeLinear``, which ONNX Runtime fuses
into integer kernels. Everything else stays float32. The caller says which range each activation has
(Krishnamoorthi, 2018, "Quantizing deep convolutional networks for efficient inference").

``onnxruntime.quantization`` is not used: it corrects no bias, and against saturating sums it offers
only 7-bit weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.onnx_network import Network, has_bias, input_names

if TYPE_CHECKING:
    import onnx

#: Operators that move values and change none.
_MOVING_OPERATORS: Final = ("MaxPool", "Flatten")
_MAX_ACTIVATION: Final = 255
_MAX_WEIGHT: Final = 127
_MAX_BIAS: Final = 2**30
_TINY: Final = 1e-12


@dataclass(frozen=True)
class ActivationStats:
    """What values a tensor has."""

    low: float  # its smallest value
    high: float  # its largest value
    means: NDArray[np.float32]  # float32 ``(c,)``, the mean of each channel

    @property
    def scale(self) -> float:
        """What a step of one stands for, so that 256 numbers span the range and 0."""
        return (max(self.high, 0.0) - min(self.low, 0.0)) / _MAX_ACTIVATION


def quantise_network(network: Network, stats: Mapping[str, ActivationStats]) -> onnx.ModelProto:
    """Quantise the layers between ``image`` and ``embedding``.

    Args:
        network: A graph. It is not changed.
        stats: Those of the tensors of `Network.activations`.

    Returns:
        A graph with the same input and outputs.
    """
    return _GraphRewriter(network, stats).run()


@dataclass(frozen=True)
class _Scale:
    """A uint8 tensor's quantisation: it stands for ``scale * (number - zero_point)``."""

    scale: float
    zero_point: int


class _GraphRewriter:
    """Writes the nodes of a network again, in their order, the quantisable ones quantised."""

    def __init__(self, network: Network, stats: Mapping[str, ActivationStats]) -> None:
        self._network = network
        self._stats = stats
        self._nodes: list[onnx.NodeProto] = []
        self._added: dict[str, NDArray[Any]] = {}
        # Of the tensors that are quantised.
        self._scales = {name: _Scale(*pair) for name, pair in network.dequantised.items()}
        self._fused: set[str] = set()  # outputs of activations that were fused into a layer

    def run(self) -> onnx.ModelProto:
        for node in self._network.nodes:
            if node.output[0] in self._fused:
                continue
            if self._network.is_quantisable(node):
                self._write_layer(node)
            elif self._stays_quantised(node):
                is_moving = node.op_type in _MOVING_OPERATORS
                scale = self._scales[node.input[0]] if is_moving else self._scale(node.output[0])
                self._write(node, list(node.input), node.output[0], scale)
            else:
                self._nodes.append(node)
        return self._finish()

    def _write_layer(self, node: onnx.NodeProto) -> None:
        """Write a convolution or a dense layer with int8 weights."""
        tensor = self._quantised(node.input[0])
        constants = self._network.constants
        layer = quantise_weights(
            constants[node.input[1]],
            constants[node.input[2]].reshape(-1) if has_bias(node) else None,
            self._stats[node.input[0]].means,
            input_scale=self._scales[tensor].scale,
        )
        inputs = [
            tensor,
            self._dequantised(f"{node.output[0]}.weights", layer.weights, layer.scales),
            self._dequantised(f"{node.output[0]}.offsets", layer.bias, layer.bias_scales),
        ]
        if node.op_type == "Gemm":  # its output stays float32
            self._write(node, inputs, node.output[0], None)
            return
        # The range of the activation's output clips as the activation does.
        output = (self._network.fused_activation(node) or node).output[0]
        self._fused.add(output)
        self._write(node, inputs, output, self._scale(output))

    def _stays_quantised(self, node: onnx.NodeProto) -> bool:
        """Whether a node without weights has only quantised inputs and a known output range."""
        if node.op_type in _MOVING_OPERATORS:
            return node.input[0] in self._scales
        return (
            node.op_type == "Add"
            and node.output[0] in self._stats
            and all(name in self._scales for name in node.input)
        )

    def _quantised(self, tensor: str) -> str:
        """The name of a tensor if it is quantised, else of its quantised copy."""
        copy = f"{tensor}.rounded"
        if tensor in self._scales or copy in self._scales:
            return tensor if tensor in self._scales else copy
        self._quantise(tensor, copy, self._scale(tensor))
        return copy

    def _write(
        self, node: onnx.NodeProto, inputs: list[str], output: str, scale: _Scale | None
    ) -> None:
        """Write a node; with a scale, its output is quantised."""
        import onnx

        written = onnx.NodeProto()
        written.CopyFrom(node)
        del written.input[:], written.output[:]
        written.input.extend(inputs)
        written.output.append(output if scale is None else f"{output}.exact")
        self._nodes.append(written)
        if scale is not None:
            self._quantise(f"{output}.exact", output, scale)

    def _quantise(self, source: str, tensor: str, scale: _Scale) -> None:
        """Write a tensor quantised and dequantised again, under another name."""
        from onnx import helper

        parameters, numbers = [f"{tensor}.scale", f"{tensor}.zero"], f"{tensor}.numbers"
        self._added[parameters[0]] = np.array(scale.scale, np.float32)
        self._added[parameters[1]] = np.array(scale.zero_point, np.uint8)
        self._nodes += [
            helper.make_node("QuantizeLinear", [source, *parameters], [numbers]),
            helper.make_node("DequantizeLinear", [numbers, *parameters], [tensor]),
        ]
        self._scales[tensor] = scale

    def _dequantised(self, name: str, numbers: NDArray[Any], scales: NDArray[np.float32]) -> str:
        """Add quantised constants; the name of their dequantised values."""
        from onnx import helper

        inputs = [name, f"{name}.scales", f"{name}.zeros"]
        values = numbers, scales, np.zeros(len(scales), numbers.dtype)
        self._added.update(zip(inputs, values, strict=True))
        output = f"{name}.dequantised"
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [output], axis=0))
        return output

    def _scale(self, tensor: str) -> _Scale:
        """Scale and zero point of a tensor's range, extended to contain 0."""
        stats = self._stats[tensor]
        scale = float(np.float32(stats.scale)) or 1.0
        zero_point = round(-min(stats.low, 0.0) / scale)
        return _Scale(scale, int(np.clip(zero_point, 0, _MAX_ACTIVATION)))

    def _finish(self) -> onnx.ModelProto:
        import onnx
        from onnx import numpy_helper

        model = onnx.ModelProto()
        model.CopyFrom(self._network.model)
        graph = model.graph
        used = set(input_names(self._nodes))
        kept = [value for value in graph.initializer if value.name in used]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(kept)
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in self._added.items()
        )
        onnx.checker.check_model(model)
        return model


@dataclass(frozen=True)
class QuantisedWeights:
    """A layer's integer weights and bias, and their scales."""

    weights: NDArray[np.int8]  # int8, in the shape of the float weights, filter or unit first
    scales: NDArray[np.float32]  # float32 ``(f,)``
    bias: NDArray[np.int32]  # int32 ``(f,)``
    bias_scales: NDArray[np.float32]  # float32 ``(f,)``


def quantise_weights(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    means: NDArray[np.float32],
    *,
    input_scale: float,
) -> QuantisedWeights:
    """Quantise a layer's weights with a scale per filter, and correct its bias.

    On processors without VNNI, the products of two uint8 activations and int8 weights are added in
    16 bits, saturating. So that results are the same everywhere, no two weights of a filter add to
    more than 128 (255 * 128 fits). Depthwise convolutions add in 32 bits and have no such limit.

    Quantisation shifts a filter's mean output by its weights' errors times the mean input. The bias
    is corrected for it (Nagel et al., 2019, "Data-free quantization through weight equalization and
    bias correction", section 4.2).

    Args:
        weights: float32 ``(f, c, h, w)``, where c is 1 if each filter sees one channel; or
            ``(f, c)``.
        bias: float32 ``(f,)``, or None.
        means: float32, the mean of each channel of the input.
        input_scale: The scale of the quantised input.
    """
    filters = weights.reshape(len(weights), -1)
    bias = np.zeros(len(weights), np.float32) if bias is None else bias
    is_depthwise = weights.ndim == 4 and weights.shape[1] == 1 and len(means) > 1
    # The bias has to fit 32 bits, also that of a filter of zeros.
    least = np.abs(bias) / (_MAX_BIAS * input_scale) + _TINY
    widest = np.abs(filters).max(axis=1) if is_depthwise else _widest(filters)
    scales = np.maximum(widest / _MAX_WEIGHT, least).astype(np.float32)
    by_filter = scales.astype(np.float64).reshape(-1, *[1] * (weights.ndim - 1))
    numbers = _round(weights / by_filter).clip(-_MAX_WEIGHT, _MAX_WEIGHT)
    corrected = bias + _mean_outputs(weights - numbers * by_filter, means)
    bias_scales = (scales * np.float32(input_scale)).astype(np.float32)
    return QuantisedWeights(
        numbers.astype(np.int8),
        scales,
        np.rint(corrected / bias_scales).astype(np.int32),
        bias_scales,
    )


def _round(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round weights so that the sum over a filter's places changes by at most a half.

    Neighbouring values of a picture are nearly equal, so the errors at the places of one filter and
    channel add up, and their sum counts: the largest remainders are rounded up, not all above 0.5.
    """
    places = weights.reshape(*weights.shape[:2], -1)
    below = np.floor(places)
    remainders = places - below
    ranks = np.zeros(places.shape, np.intp)
    if places.shape[2] > 1:  # most weights are in filters of one place
        ranks = np.argsort(np.argsort(-remainders, axis=2, kind="stable"), axis=2, kind="stable")
    num_up = np.rint(remainders.sum(axis=2, keepdims=True))
    return np.asarray((below + (ranks < num_up)).reshape(weights.shape), np.float64)


def _widest(filters: NDArray[np.float32]) -> NDArray[np.float64]:
    """The largest sum, ``(f,)``, of two weights of one sign, or the largest weight."""
    ordered = np.sort(filters, axis=1)
    low, high = ordered[:, :2].astype(np.float64), ordered[:, -2:].astype(np.float64)
    pairs = np.maximum(high, 0).sum(axis=1), -np.minimum(low, 0).sum(axis=1)
    return np.asarray(np.maximum(*pairs), np.float64)


def _mean_outputs(errors: NDArray[np.float64], means: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean outputs ``(f,)`` of a layer with these weights, ignoring padding."""
    summed = errors.reshape(*errors.shape[:2], -1).sum(axis=2)
    num_groups = len(means) // summed.shape[1]
    by_group = means.reshape(num_groups, -1)
    group = np.arange(len(errors)) * num_groups // len(errors)
    return np.asarray((summed * by_group[group]).sum(axis=1), np.float64)
