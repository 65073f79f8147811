"""A run whose model is rounded to eight bits, in the place of a `Source`.

Weights rounded to whole numbers, and what that does to biases put right.

An ONNX graph whose convolutions compute with eight bits.

What is rounded stands between ``QuantizeLinear`` and ``DequantizeLinear``, which ONNX Runtime turns
into kernels on whole numbers. The rest stays as it was: the preprocessing and the layer that takes
the pixels, the head with its temperature, the novelty, the heat map. Ranges of activations are what
they were on the calibration photos, from the least to the largest (Krishnamoorthi, 2018,
"Quantizing deep convolutional networks for efficient inference").

It is written here and not by ``onnxruntime.quantization``, which corrects no bias, and knows only
seven bits as a means against sums that are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.exporting.int8.calibration import Observed, observe
from candid.exporting.int8.network import MOVERS, Code, Network, has_bias, names_in
from candid.exporting.source import Source

if TYPE_CHECKING:
    import onnx

_LARGEST_WEIGHT: Final = 127
_LARGEST_BIAS: Final = 2**30
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Rounded:
    """A layer's weights and bias as whole numbers, and what one of each is worth.

    Attributes:
        weights: int8, as they were shaped, a filter or unit first.
        scales: float32 ``(f,)``.
        bias: int32 ``(f,)``.
        bias_scales: float32 ``(f,)``.
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]


def round_weights(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    means: NDArray[np.float32],
    *,
    input_scale: float,
) -> Rounded:
    """Round a layer's weights, a scale a filter, and correct its bias.

    On a processor without VNNI, products of bytes with two weights are added in 16 bits and cut off
    there. So that an export answers there as here, no two weights of a filter add to more than 128
    (255 * 128 fits). Kernels of depthwise convolutions add in 32 bits; theirs are left whole.

    What rounding adds to a filter's output is its weights' errors times its input. The mean of that
    is taken from the bias (Nagel et al., 2019, "Data-free quantization through weight equalization
    and bias correction", section 4.2).

    Args:
        weights: float32 ``(f, c, h, w)``, where c is 1 if each filter sees one channel; or
            ``(f, c)``.
        bias: float32 ``(f,)``, or None.
        means: float32, the mean of each channel of the input.
        input_scale: What one step of the input is worth.
    """
    filters = weights.reshape(len(weights), -1).astype(np.float64)
    bias = np.zeros(len(weights), np.float32) if bias is None else bias
    is_depthwise = weights.ndim == 4 and weights.shape[1] == 1 and len(means) > 1
    # A filter of nothing but zeros has a bias too, which has to fit 32 bits.
    least = np.abs(bias) / (_LARGEST_BIAS * input_scale) + _TINY
    widest = np.abs(filters).max(axis=1) if is_depthwise else _widest(filters)
    scales = np.maximum(widest / _LARGEST_WEIGHT, least).astype(np.float32)
    numbers = np.rint(filters / scales[:, None]).clip(-_LARGEST_WEIGHT, _LARGEST_WEIGHT)
    errors = (filters - numbers * scales[:, None]).reshape(weights.shape)
    corrected = bias + _mean_outputs(errors, means)
    bias_scales = (scales * np.float32(input_scale)).astype(np.float32)
    return Rounded(
        numbers.astype(np.int8).reshape(weights.shape),
        scales,
        np.rint(corrected / bias_scales).astype(np.int32),
        bias_scales,
    )


def _widest(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest sum, ``(f,)``, of two weights of one sign, or the largest weight."""
    ordered = np.sort(filters, axis=1)
    pairs = np.maximum(ordered[:, -2:], 0).sum(axis=1), -np.minimum(ordered[:, :2], 0).sum(axis=1)
    return np.asarray(np.maximum(*pairs), np.float64)


def _mean_outputs(errors: NDArray[np.float64], means: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a layer of these weights gives on average, ``(f,)``; its edges are not told apart."""
    summed = errors.reshape(*errors.shape[:2], -1).sum(axis=2)
    num_groups = len(means) // summed.shape[1]
    by_group = means.reshape(num_groups, -1)
    group = np.arange(len(errors)) * num_groups // len(errors)
    return np.asarray((summed * by_group[group]).sum(axis=1), np.float64)


_LARGEST_CODE: Final = 255


def quantise_graph(
    model: onnx.ModelProto, pixels: NDArray[np.uint8], advance: Advance = lambda _: None
) -> onnx.ModelProto:
    """Round what leads from ``image`` to ``embedding`` to eight bits.

    Args:
        model: A run's graph. It is not changed.
        pixels: uint8 ``(n, s, s, 3)`` RGB, calibration photos, n from 1.
        advance: Called with the number of photos just seen.

    Returns:
        A graph with the same input and outputs. The same photos give the same bytes.

    Raises:
        UsageError: There is nothing in it that could be rounded, or it is of an old version.
    """
    network = Network(model)
    seen = observe(model, network.ranks(), pixels, advance)
    return _Rewriting(network, seen).run()


class _Rewriting:
    """Writes the nodes anew, in their order."""

    def __init__(self, network: Network, seen: dict[str, Observed]) -> None:
        self._network = network
        self._seen = seen
        self._nodes: list[onnx.NodeProto] = []
        self._added: dict[str, NDArray[Any]] = {}
        self._codes: dict[str, Code] = {}  # of tensors that whole numbers stand for
        self._done: set[str] = set()  # tensors that come out of another node by now

    def run(self) -> onnx.ModelProto:
        for node in self._network.nodes:
            if node.output[0] in self._done:
                continue
            if self._network.has_weights(node):
                self._write_rounded(node)
            elif self._stays_rounded(node):
                is_mover = node.op_type in MOVERS
                code = self._codes[node.input[0]] if is_mover else self._code(node.output[0])
                self._write(node, list(node.input), node.output[0], code)
            else:
                self._nodes.append(node)
        return self._finish()

    def _write_rounded(self, node: onnx.NodeProto) -> None:
        """Write a convolution or a dense layer."""
        tensor = self._rounded(node.input[0])
        constants = self._network.constants
        bias = constants[node.input[2]] if has_bias(node) else None
        rounded = round_weights(
            constants[node.input[1]],
            None if bias is None else bias.reshape(-1),
            self._seen[node.input[0]].means,
            input_scale=self._codes[tensor].scale,
        )
        inputs = [
            tensor,
            self._weights(f"{node.output[0]}.weights", rounded.weights, rounded.scales),
            self._weights(f"{node.output[0]}.offsets", rounded.bias, rounded.bias_scales),
        ]
        if node.op_type == "Gemm":  # its sums are kept
            self._write(node, inputs, node.output[0], None)
            return
        # The range of what a rectifier gives cuts off as it does.
        output = (self._network.rectifier(node) or node).output[0]
        self._done.add(output)
        self._write(node, inputs, output, self._code(output))

    def _stays_rounded(self, node: onnx.NodeProto) -> bool:
        """Whether a node without weights takes nothing but rounded numbers and can give them."""
        if node.op_type in MOVERS:
            return node.input[0] in self._codes
        return (
            node.op_type == "Add"
            and node.output[0] in self._seen
            and all(name in self._codes for name in node.input)
        )

    def _rounded(self, tensor: str) -> str:
        """The name of a tensor, or of its likeness, that whole numbers stand for."""
        from onnx import helper

        likeness = f"{tensor}.rounded"
        if tensor in self._codes or likeness in self._codes:
            return tensor if tensor in self._codes else likeness
        code, numbers = self._code(tensor), f"{likeness}.numbers"
        names = self._constants_of(likeness, code)
        self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *names], [numbers]))
        self._dequantise(numbers, likeness, code)
        return likeness

    def _write(
        self, node: onnx.NodeProto, inputs: list[str], output: str, code: Code | None
    ) -> None:
        """Write a node; with a code, what it gives is rounded."""
        import onnx
        from onnx import helper

        written = onnx.NodeProto()
        written.CopyFrom(node)
        del written.input[:], written.output[:]
        written.input.extend(inputs)
        written.output.append(output if code is None else f"{output}.exact")
        self._nodes.append(written)
        if code is not None:
            numbers = f"{output}.numbers"
            names = self._constants_of(output, code)
            self._nodes.append(
                helper.make_node("QuantizeLinear", [f"{output}.exact", *names], [numbers])
            )
            self._dequantise(numbers, output, code)

    def _dequantise(self, numbers: str, tensor: str, code: Code) -> None:
        from onnx import helper

        names = self._constants_of(tensor, code)
        self._nodes.append(helper.make_node("DequantizeLinear", [numbers, *names], [tensor]))
        self._codes[tensor] = code

    def _constants_of(self, tensor: str, code: Code) -> list[str]:
        scale, zero = f"{tensor}.scale", f"{tensor}.zero"
        self._added[scale] = np.array(code.scale, np.float32)
        self._added[zero] = np.array(code.zero, np.uint8)
        return [scale, zero]

    def _weights(self, name: str, numbers: NDArray[Any], scales: NDArray[np.float32]) -> str:
        from onnx import helper

        self._added[name], self._added[f"{name}.scales"] = numbers, scales
        zeros = f"{name}.zeros"
        self._added[zeros] = np.zeros(len(scales), numbers.dtype)
        inputs = [name, f"{name}.scales", zeros]
        output = f"{name}.dequantised"
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [output], axis=0))
        return output

    def _code(self, tensor: str) -> Code:
        """Scale and zero point for what a tensor was; 0 itself is a whole number."""
        seen = self._seen[tensor]
        low, high = min(seen.low, 0.0), max(seen.high, 0.0)
        scale = float(np.float32((high - low) / _LARGEST_CODE)) or 1.0
        return Code(scale, int(np.clip(round(-low / scale), 0, _LARGEST_CODE)))

    def _finish(self) -> onnx.ModelProto:
        import onnx
        from onnx import numpy_helper

        model = onnx.ModelProto()
        model.CopyFrom(self._network.model)
        graph = model.graph
        used = set(names_in(self._nodes))
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
    """Round a run's graph; see `candid.exporting.int8.graph.quantise_graph`.

    Args:
        source: The run.
        pixels: uint8 ``(n, s, s, 3)`` RGB, calibration photos.
        advance: Called with the number of photos just seen.

    Raises:
        UsageError: There is nothing in it that could be rounded.
    """
    graph = quantise_graph(source.graph, pixels, advance)
    return RoundedGraph(source.folder, source.classifier, graph)
