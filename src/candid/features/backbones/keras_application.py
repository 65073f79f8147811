"""Backbones of `keras.applications` by name, for those who are online and have TensorFlow.

Keras downloads the weights; their graph is written node by node, as Keras' own export by way of
tf2onnx answers with invalid graphs for some of them (docs/adr/0026). A graph that does not answer
as Keras does on drawn pictures is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from candid.core.extras import import_tensorflow, quiet, start_onnx
from candid.core.hashing import hash_bytes
from candid.core.text import first_line
from candid.errors import DependencyError, ParityError, UsageError
from candid.features.backbones.origin import Origin, hold_to_first

if TYPE_CHECKING:
    import onnx

    from candid.core.onnx_builder import GraphBuilder

PREFIX: Final = "keras:"
#: Largest difference of an embedding's values, as a share of the largest of them.
_TOLERANCE: Final = 1e-3
_NUM_DRAWN: Final = 2


@dataclass(frozen=True)
class KerasApplication:
    """A model of `keras.applications`, without its classifier.

    Attributes:
        application: Its name there.
        size_px: Height and width of its input, those that its weights were trained with.
        num_features: Length of an embedding.
        is_scaled: Whether its input is to be from -1 to 1; else it has a normalisation of its own.
    """

    application: str
    size_px: int
    num_features: int
    is_scaled: bool = False
    has_features: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Name on the command line, ``keras:MobileNetV2``."""
        return PREFIX + self.application

    def build(self) -> onnx.ModelProto:
        """Download the weights, and build the graph with the names and types of a bundled backbone.

        Raises:
            DependencyError: TensorFlow is missing, or the weights can't be downloaded.
            ArtifactError: The weights are not those of the first use.
            ParityError: The graph does not answer as Keras does.
        """
        import_tensorflow(extra="train")
        import keras

        with quiet():
            model = self._load(keras)
            written = self._write(model)
            self._require_parity(model, written)
        values = (np.ascontiguousarray(value).tobytes() for value in model.get_weights())
        sha256 = hash_bytes(b"".join(values))
        hold_to_first(self.name, sha256, pinned=None, file="Keras' cache (~/.keras/models)")
        origin = Origin("keras.applications", self.application, keras.__version__, sha256)
        origin.write_to(written)
        return written

    def _load(self, keras: Any, weights: str | None = "imagenet") -> Any:
        make = getattr(keras.applications, self.application)
        shape = (self.size_px, self.size_px, 3)
        try:
            with redirect_stdout(StringIO()):  # of the download's bar; results go to stdout
                return make(weights=weights, include_top=False, pooling="avg", input_shape=shape)
        # What Keras raises where a download fails has no other class.
        except Exception as error:
            raise DependencyError(
                f"the weights of {self.name} can't be downloaded ({first_line(error)}). Connect "
                "this machine to the internet; or run `python -c 'import keras; "
                f"keras.applications.{self.application}(include_top=False)'` on another machine, "
                "and copy its folder ~/.keras/models."
            ) from error

    def _write(self, model: Any) -> onnx.ModelProto:
        from candid.core.onnx_builder import GraphBuilder

        graph = GraphBuilder(self.application)
        size = self.size_px
        image = graph.input("image", np.uint8, ("n", size, size, 3))
        x = graph.node("Cast", graph.node("Transpose", image, perm=[0, 3, 1, 2]), to=1)
        translator = _Translator(graph, self.name)
        if self.is_scaled:
            x = translator.affine(x, 1 / 127.5, -1.0)
        graph.node("Identity", translator.model(model, x), output="embedding")
        graph.output("embedding", np.float32, ("n", self.num_features))
        return graph.finish()

    def _require_parity(self, model: Any, written: onnx.ModelProto) -> None:
        shape = (_NUM_DRAWN, self.size_px, self.size_px, 3)
        drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        drawn[0].sort(axis=0)  # dark above bright, and noise
        pixels = drawn.astype(np.float32)
        expected = model(pixels / 127.5 - 1 if self.is_scaled else pixels, training=False).numpy()
        session = start_onnx(written.SerializeToString())
        (received,) = session.run(["embedding"], {"image": drawn})
        worst = float(np.abs(received - expected).max() / np.abs(expected).max())
        if not worst <= _TOLERANCE:
            raise ParityError(
                f"{self.name} answers otherwise as an ONNX graph: expected embeddings within "
                f"{_TOLERANCE:g} of Keras', received {worst:.2g}. This is a bug in Candid, or in "
                "this version of Keras; choose another backbone."
            )


#: Those whose layers are known; size and length of an embedding are those of their documentation
#: (https://keras.io/api/applications/).
APPLICATIONS: Final = {
    application.name: application
    for application in (
        KerasApplication("MobileNetV2", 224, 1280, is_scaled=True),
        KerasApplication("MobileNetV3Small", 224, 576),
        KerasApplication("MobileNetV3Large", 224, 960),
        KerasApplication("EfficientNetB0", 224, 1280),
        KerasApplication("EfficientNetV2B0", 224, 1280),
        KerasApplication("EfficientNetV2B3", 300, 1536),
        KerasApplication("EfficientNetV2S", 384, 1280),
        KerasApplication("ResNet50V2", 224, 2048, is_scaled=True),
    )
}


class _Translator:
    """Writes Keras' operations, whose tensors are ``(n, h, w, c)``, for ``(n, c, h, w)``."""

    def __init__(self, graph: GraphBuilder, name: str) -> None:
        self._graph = graph
        self._name = name
        self._layer = ""  # where Keras numbers layers by what the process has made before

    def model(self, model: Any, x: str) -> str:
        """All operations of a functional model, from its only input."""
        tensors = {id(model.inputs[0]): x}
        for place, operation in enumerate(model.operations):
            self._layer = f"layer{place}"
            (node, *_) = operation._inbound_nodes  # `model.layers` lacks sums and products
            given = node.arguments.args
            values = given[0] if given and isinstance(given[0], list) else given
            inputs = [tensors.get(id(value), value) for value in values]
            tensors.setdefault(id(operation.output), self._operation(operation, inputs))
        return tensors[id(model.outputs[0])]

    def _operation(self, op: Any, inputs: Sequence[Any]) -> str:
        kind = type(op).__name__
        if kind in ("Add", "Multiply"):
            names = [self._constant(x) if isinstance(x, float) else x for x in inputs]
            return self._graph.node("Mul" if kind == "Multiply" else "Add", *names)
        (x, *_) = inputs or [""]
        if kind in ("Dropout", "InputLayer"):
            return str(x)
        write: Callable[[Any, str], str] | None = getattr(self, f"_{kind.lower()}", None)
        if write is None:
            raise UsageError(
                f"{self._name} has a layer {kind}, which can't be written as ONNX: this version of "
                "Keras builds it in another way. Choose another backbone."
            )
        return write(op, x)

    def _constant(self, value: Any, name: str = "constant") -> str:
        return self._graph.constant(name, np.asarray(value, np.float32))

    def _by_channel(self, value: Any, name: str) -> str:
        values = np.asarray(value, np.float32).reshape(-1)
        return self._constant(values.reshape(-1, 1, 1) if len(values) > 1 else values, name)

    def affine(self, x: str, scale: Any, offset: Any) -> str:
        """Multiply and add a number, or one for each channel."""
        scaled = self._graph.node("Mul", x, self._by_channel(scale, "scale"))
        return self._graph.node("Add", scaled, self._by_channel(offset, "offset"))

    def _rescaling(self, op: Any, x: str) -> str:
        return self.affine(x, op.scale, op.offset)

    def _normalization(self, op: Any, x: str) -> str:
        mean, variance = (np.asarray(value, np.float64) for value in (op.mean, op.variance))
        std = np.maximum(np.sqrt(variance), 1e-7)  # Keras' epsilon
        return self.affine(x, 1 / std, -mean / std)

    def _zeropadding2d(self, op: Any, x: str) -> str:
        (top, bottom), (left, right) = op.padding
        pads = np.array([0, 0, top, left, 0, 0, bottom, right])
        return self._graph.node("Pad", x, self._graph.constant("pads", pads))

    def _conv2d(self, op: Any, x: str) -> str:
        return self._convolution(op, x, (3, 2, 0, 1), groups=op.groups)

    def _depthwiseconv2d(self, op: Any, x: str) -> str:
        return self._convolution(op, x, (2, 3, 0, 1), groups=op.input.shape[-1])

    def _convolution(self, op: Any, x: str, axes: tuple[int, ...], *, groups: int) -> str:
        from candid.features.backbones.onnx_graph import same_padding

        kernel, *bias = op.get_weights()
        kernel = np.transpose(kernel, axes)
        stride, pads = op.strides[0], (0, 0)
        if op.padding == "same":
            pads, _ = same_padding(op.input.shape[1], kernel.shape[2], stride)
        offset = bias[0] if bias else np.zeros(len(kernel), np.float32)
        options = {"name": self._layer, "stride": stride, "pads": pads, "groups": groups}
        return self._activated(op, self._graph.conv(x, kernel, offset, **options))

    def _batchnormalization(self, op: Any, x: str) -> str:
        mean, variance = (np.asarray(v, np.float64) for v in op.get_weights()[-2:])
        scale = 1 / np.sqrt(variance + op.epsilon)
        scale = scale * np.asarray(op.gamma) if op.scale else scale
        offset = -mean * scale + (np.asarray(op.beta) if op.center else 0)
        return self.affine(x, scale, offset)

    def _relu(self, op: Any, x: str) -> str:
        return self._act("relu6" if op.max_value == 6 else "relu", x)

    def _activation(self, op: Any, x: str) -> str:
        return self._activated(op, x)

    def _activated(self, op: Any, x: str) -> str:
        return self._act(op.activation.__name__, x)

    def _act(self, kind: str, x: str) -> str:
        node = self._graph.node
        if kind == "linear":
            return x
        if kind in ("relu", "sigmoid"):
            return node(kind.capitalize(), x)
        if kind == "relu6":
            return node("Clip", x, self._constant(0), self._constant(6))
        if kind in ("hard_sigmoid", "hard_silu"):
            gate = node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
            return node("Mul", x, gate) if kind == "hard_silu" else gate
        if kind == "silu":
            return node("Mul", x, node("Sigmoid", x))
        raise UsageError(f"{self._name} has an activation {kind}, which can't be written as ONNX")

    def _maxpooling2d(self, op: Any, x: str) -> str:
        return self._graph.node(
            "MaxPool", x, kernel_shape=list(op.pool_size), strides=list(op.strides)
        )

    def _globalaveragepooling2d(self, op: Any, x: str) -> str:
        is_last = not op._outbound_nodes  # its input is the map of which an embedding is the mean
        x = self._graph.node("Identity", x, output="features") if is_last else x
        return self._graph.node("ReduceMean", x, axes=[2, 3], keepdims=int(op.keepdims))

    def _reshape(self, op: Any, x: str) -> str:
        """Of the means of channels into a map of one place, before they become factors."""
        if op.target_shape[:2] != (1, 1):
            raise UsageError(f"{self._name} is reshaped to {op.target_shape}, which is not known")
        shape = self._graph.constant("shape", np.array([0, op.target_shape[2], 1, 1]))
        return self._graph.node("Reshape", x, shape)
