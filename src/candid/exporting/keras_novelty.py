"""The novelty of `candid.novelty` in Keras' own layers, from the constants of a run's graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Constants = Mapping[str, NDArray[np.float32]]


def add_novelty(keras: Any, constants: Constants, embedding: Any) -> Any:
    """Append what `candid.novelty_graph` appends to an ONNX graph.

    Large constants are the weights of layers that are not trained, as Keras writes the others into
    the model's JSON.

    Args:
        keras: The module.
        constants: By their names in `candid.novelty_graph`.
        embedding: A tensor, float32 ``(n, d)``.

    Returns:
        The tensor ``novelty``, float32 ``(n,)``.
    """
    return _Layers(keras, constants).append(embedding)


class _Layers:
    def __init__(self, keras: Any, constants: Constants) -> None:
        self._layers = keras.layers
        self._ops = keras.ops
        self._constants = constants
        self._tiny = float(constants["tiny"])

    def append(self, embedding: Any) -> Any:
        ops, constants = self._ops, self._constants
        rows = self._affine(self._map(embedding), "centred", offset=-constants["mean"])
        within = self._project(rows, "axes", constants["axes"])
        excess = self._project(within * within, "excess", constants["excess"])
        total = ops.maximum(excess + self._square(rows) * float(constants["rest"]), self._tiny)
        placed = self._project(rows, "discriminant", constants["discriminant"])
        dots = self._project(placed, "centres", constants["centres"])
        square = self._square(placed)
        cosines = self._affine(dots, "unit", scale=constants["unit"][0])
        angle = -ops.max(cosines, axis=1, keepdims=True) / ops.sqrt(total)
        lengths = np.full_like(constants["lengths"][0], -2), constants["lengths"][0]
        # In this order: where n = k, Keras on TensorFlow takes a column (n, 1) that is added to
        # (n, k) for a bias (https://github.com/keras-team/keras/pull/20386), and lays it down.
        apart = square + self._affine(dots, "lengths", *lengths)
        distance = self._root(ops.min(apart, axis=1, keepdims=True))
        residual = self._root(total - square)
        measures = ops.concatenate([angle, distance, residual], axis=1)
        scale = np.asarray(1 / constants["spread"], np.float32)
        scores = self._affine(measures, "standardised", scale, -constants["middle"] * scale)
        summed = ops.sum(scores, axis=1)
        return self._layers.Identity(name="novelty")(summed)

    def _map(self, embedding: Any) -> Any:
        ops = self._ops
        sizes = ops.abs(embedding)
        shares = sizes / (ops.sum(sizes, axis=1, keepdims=True) + self._tiny)
        return ops.sign(embedding) * ops.sqrt(shares)

    def _square(self, rows: Any) -> Any:
        """The sum of the squares of each row, ``(n, 1)``."""
        return self._ops.sum(rows * rows, axis=1, keepdims=True)

    def _root(self, rows: Any) -> Any:
        return self._ops.sqrt(self._ops.maximum(rows, 0.0))

    def _project(self, rows: Any, name: str, kernel: NDArray[np.float32]) -> Any:
        """Multiply ``(n, a)`` by ``(a, b)``."""
        dense = self._layers.Dense(
            kernel.shape[1], use_bias=False, trainable=False, name=f"novelty_{name}"
        )
        projected = dense(rows)
        dense.set_weights([kernel])
        return projected

    def _affine(
        self,
        rows: Any,
        name: str,
        scale: NDArray[np.float32] | None = None,
        offset: NDArray[np.float32] | None = None,
    ) -> Any:
        """Multiply and add, a number a column."""
        factors = 1.0 if scale is None else scale.tolist()
        added = 0.0 if offset is None else offset.tolist()
        return self._layers.Rescaling(factors, added, name=f"novelty_{name}")(rows)
