"""Builds ONNX graphs node by node, for ONNX Runtime 1.12 and later (IR version 8, opset 17)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from candid.errors import DependencyError

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError as error:
    raise DependencyError(
        "writing a model needs the package onnx, which is not installed. "
        'Run: pip install "candid-image[transfer]"'
    ) from error

OPSET: Final = 17
IR_VERSION: Final = 8

Shape = Sequence[int | str]


class GraphBuilder:
    """An ONNX graph under construction; tensors are identified by name.

    Example:
        >>> graph = GraphBuilder("double")
        >>> x = graph.input("x", np.float32, ("n", 2))
        >>> two = graph.constant("two", np.float32([2.0]))
        >>> y = graph.node("Mul", x, two, output="y")
        >>> graph.output(y, np.float32, ("n", 2))
        >>> model = graph.finish()
    """

    def __init__(self, name: str) -> None:
        opsets = [helper.make_opsetid("", OPSET)]
        graph = onnx.GraphProto(name=name)
        self._model = helper.make_model(
            graph, producer_name="candid", opset_imports=opsets, ir_version=IR_VERSION
        )
        self._names: set[str] = set()

    @classmethod
    def continue_from(cls, model: onnx.ModelProto) -> Self:
        """Start from a copy of a finished model, to append a head for instance."""
        builder = cls(model.graph.name)
        builder._model.CopyFrom(model)
        graph = builder._model.graph
        for value in (*graph.input, *graph.initializer):
            builder._names.add(value.name)
        for node in graph.node:
            builder._names.update(node.output)
        return builder

    @property
    def opset(self) -> int:
        """The operator set of its nodes."""
        imports = self._model.opset_import  # ONNX's own domain may be written out
        return next(int(one.version) for one in imports if one.domain in ("", "ai.onnx"))

    def input(self, name: str, dtype: type[np.generic], shape: Shape) -> str:
        """Declare an input; a string in the shape is a variable size."""
        self._claim(name)
        self._model.graph.input.append(_value_info(name, dtype, shape))
        return name

    def output(self, tensor: str, dtype: type[np.generic], shape: Shape) -> None:
        """Declare a tensor an output of the graph."""
        self._model.graph.output.append(_value_info(tensor, dtype, shape))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an initialiser; returns its name, numbered if the name is taken."""
        name = self._unused(name)
        self._claim(name)
        initializer = numpy_helper.from_array(np.asarray(value, order="C"), name)
        self._model.graph.initializer.append(initializer)
        return name

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output.

        Args:
            op: An ONNX operator, ``Conv``.
            *inputs: Names of tensors; an empty one omits an optional input.
            output: Name of its output; by default derived from ``op``.
            **attributes: The operator's attributes.

        Returns:
            Name of its output.
        """
        output = output or self._unused(op.lower())
        self._claim(output)
        node = helper.make_node(op, list(inputs), [output], name=output, **attributes)
        self._model.graph.node.append(node)
        return output

    def conv(
        self,
        x: str,
        kernel: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        name: str,
        stride: int = 1,
        pads: tuple[int, int] = (0, 0),
        groups: int = 1,
    ) -> str:
        """Add a square convolution.

        Args:
            x: A float32 tensor ``(n, c, h, w)``.
            kernel: float32 ``(filters, c / groups, k, k)``.
            bias: float32 ``(filters,)``.
            name: Name of the layer and of its output, which is returned.
            stride: Step in both directions.
            pads: Zeros before (above, left) and after (below, right).
            groups: ``c`` for a depthwise convolution.
        """
        weights = self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)
        before, after = pads
        size = kernel.shape[2]
        return self.node(
            "Conv",
            x,
            *weights,
            output=name,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def dense(
        self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], *, name: str
    ) -> str:
        """Add a dense layer.

        Args:
            x: A float32 tensor ``(n, c)``.
            kernel: float32 ``(units, c)``.
            bias: float32 ``(units,)``.
            name: Name of the layer and of its output ``(n, units)``, which is returned.
        """
        weights = self.constant(f"{name}.kernel", kernel), self.constant(f"{name}.bias", bias)
        return self.node("Gemm", x, *weights, output=name, transB=1)

    def finish(self) -> onnx.ModelProto:
        """Return the model, checked by ONNX.

        Raises:
            onnx.checker.ValidationError: A node or a name does not fit; a bug of the caller.
        """
        onnx.checker.check_model(self._model)
        return self._model

    def _claim(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"the graph has a tensor named {name} already; choose another name")
        self._names.add(name)

    def _unused(self, name: str) -> str:
        numbered = (f"{name}_{number}" for number in count(1))
        return next(each for each in chain([name], numbered) if each not in self._names)


def _value_info(name: str, dtype: type[np.generic], shape: Shape) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, element, list(shape))
