"""What passes through a graph while it looks at photos: ranges, and the means of channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.exporting.int8_network import opset_of
from candid.progress import Advance

if TYPE_CHECKING:
    import onnx

_AXES: Final = {2: [0], 4: [0, 2, 3]}
#: From this operator set on, ReduceMean's axes are an input and no attribute.
_AXES_ARE_AN_INPUT: Final = 18


@dataclass(frozen=True)
class Observed:
    """What a tensor was over all photos.

    Attributes:
        low: Its smallest value.
        high: Its largest.
        means: float32 ``(c,)``, the mean of each channel.
    """

    low: float
    high: float
    means: NDArray[np.float32]


def observe(
    model: onnx.ModelProto,
    ranks: dict[str, int],
    pixels: NDArray[np.uint8],
    advance: Advance = lambda _: None,
) -> dict[str, Observed]:
    """Run a graph on photos, one after the other, and sum up what passes through some tensors.

    Args:
        model: A graph that takes ``image``; it is not changed.
        ranks: Names of float32 tensors ``(n, c)`` or ``(n, c, h, w)``, and their number of axes.
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        advance: Called with the number of photos just seen.

    Returns:
        What was seen of each tensor, by its name.
    """
    import onnxruntime as ort

    watched, outputs = _watch(model, ranks)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows: list[Sequence[NDArray[np.float32]]] = []
    for place in range(len(pixels)):
        rows.append(session.run(outputs, {"image": pixels[place : place + 1]}))
        advance(1)
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return {
        name: Observed(
            float(columns[3 * number].min()),
            float(columns[3 * number + 1].max()),
            np.asarray(columns[3 * number + 2].mean(axis=0, dtype=np.float64), np.float32),
        )
        for number, name in enumerate(ranks)
    }


def _watch(model: onnx.ModelProto, ranks: dict[str, int]) -> tuple[onnx.ModelProto, list[str]]:
    """A copy of the graph that answers with minimum, maximum and means of some tensors."""
    import onnx
    from onnx import helper, numpy_helper

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    newer = opset_of(model) >= _AXES_ARE_AN_INPUT
    for rank in set(ranks.values()) if newer else ():
        graph.initializer.append(numpy_helper.from_array(np.array(_AXES[rank]), _axes(rank)))
    outputs = []
    for name, rank in ranks.items():
        axes = {} if newer else {"axes": _AXES[rank]}
        for kind, op, inputs, attributes in (
            ("low", "ReduceMin", [name], {}),
            ("high", "ReduceMax", [name], {}),
            ("means", "ReduceMean", [name, _axes(rank)] if newer else [name], axes),
        ):
            output = f"{name}.{kind}"
            node = helper.make_node(op, inputs, [output], name=output, keepdims=0, **attributes)
            graph.node.append(node)
            graph.output.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
            outputs.append(output)
    return watched, outputs


def _axes(rank: int) -> str:
    """The name of a constant: the axes of a tensor that are no channels."""
    return f"candid.axes_of_{rank}"
