"""Use any ONNX model as a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from candid.core.hashing import hash_file
from candid.core.onnx_network import input_names
from candid.core.text import first_line
from candid.errors import UsageError
from candid.features.backbones.origin import Origin

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

Layout = Literal["NHWC", "NCHW"]
Scaling = tuple[tuple[float, ...], tuple[float, ...]]

_PREFIX = "file."
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


@dataclass(frozen=True)
class OnnxFile:
    """A user's ONNX model from images of a fixed size to one vector per image.

    Its input is RGB from 0 to 255, so the model has to contain its normalisation.
    """

    path: Path  # the file
    size_px: int  # height and width of its input
    num_features: int  # length of an embedding
    input_name: str  # name of its input
    output_name: str  # name of its first output of shape ``(n, num_features)``
    layout: Layout  # axis order of the input
    dtype: str  # type of the input
    # Which tensor is its feature map, for class activation maps, is unknown.
    has_features: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in reports: that of the file."""
        return self.path.name

    @classmethod
    def inspect(cls, path: Path) -> OnnxFile:
        """Read the inputs and outputs of a model.

        Raises:
            UsageError: The file does not load, or is not a model from images to embeddings.
        """
        session = _load(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        vectors = [o for o in outputs if len(o.shape) == 2 and isinstance(o.shape[1], int)]
        if len(inputs) != 1 or inputs[0].type not in _DTYPES or not vectors:
            expected = "one image, uint8 or float32, and an output (n, features)"
            raise _unsuitable(path, expected, session)
        size_px, layout = _input_shape(path, session)
        return cls(
            path=path,
            size_px=size_px,
            num_features=vectors[0].shape[1],
            input_name=inputs[0].name,
            output_name=vectors[0].name,
            layout=layout,
            dtype=_DTYPES[inputs[0].type],
        )

    def build(self) -> onnx.ModelProto:
        """The model with the names, layout and type of a bundled backbone."""
        import onnx

        model = self.adapt(onnx.load(self.path))
        Origin("a file", self.path.name, None, hash_file(self.path)).write_to(model)
        return model

    def adapt(self, model: onnx.ModelProto, scaling: Scaling | None = None) -> onnx.ModelProto:
        """Give a loaded model the names, layout and type of a bundled backbone.

        Args:
            model: What ``path`` holds; it is changed.
            scaling: Mean and standard deviation of red, green and blue, in 0..1, where the model
                lacks its normalisation.
        """
        import onnx
        from onnx import compose, helper

        # The prefix prevents collisions with `image`, `embedding` and the names of a head.
        model = compose.add_prefix(_modern(model), _PREFIX, inplace=True)
        graph, size, embedding = model.graph, self.size_px, _PREFIX + self.output_name
        _cut(graph, embedding)
        # Shapes of other sizes, and of what was cut off.
        del graph.input[:], graph.output[:], graph.value_info[:]
        graph.input.append(
            helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", size, size, 3])
        )
        own_input = _PREFIX + self.input_name
        for place, node in enumerate(self._first_nodes(graph, own_input, scaling)):
            graph.node.insert(place, node)
        graph.node.append(helper.make_node("Identity", [embedding], ["embedding"]))
        graph.output.append(
            helper.make_tensor_value_info(
                "embedding", onnx.TensorProto.FLOAT, ["n", self.num_features]
            )
        )
        onnx.checker.check_model(model)
        return model

    def _first_nodes(
        self, graph: onnx.GraphProto, output: str, scaling: Scaling | None
    ) -> list[onnx.NodeProto]:
        """From ``image`` to the model's own input."""
        import onnx
        from onnx import helper, numpy_helper

        axes = [0, 3, 1, 2] if self.layout == "NCHW" else [0, 1, 2, 3]
        element = onnx.TensorProto.FLOAT if self.dtype == "float32" else onnx.TensorProto.UINT8
        steps: list[tuple[str, list[str], dict[str, Any]]] = [
            ("Transpose", [], {"perm": axes}),
            ("Cast", [], {"to": element}),
        ]
        if scaling:
            for op, name, values in zip(("Sub", "Div"), ("mean", "std"), scaling, strict=True):
                constant = np.array(values, np.float32).reshape(-1, 1, 1) * np.float32(255)
                graph.initializer.append(numpy_helper.from_array(constant, f"image.{name}"))
                steps.append((op, [f"image.{name}"], {}))
        names = ["image", *(f"image.{op.lower()}" for op, _, _ in steps[:-1]), output]
        return [
            helper.make_node(op, [names[place], *inputs], [names[place + 1]], **attributes)
            for place, (op, inputs, attributes) in enumerate(steps)
        ]


def _modern(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in an operator set that a head can be appended to."""
    from onnx import version_converter

    from candid.core.onnx_builder import OPSET

    old = any(one.domain in ("", "ai.onnx") and one.version < 13 for one in model.opset_import)
    return version_converter.convert_version(model, OPSET) if old else model


def _cut(graph: onnx.GraphProto, target: str) -> None:
    """Remove what a tensor is not computed from, such as a classifier."""
    needed = {target}
    for place in reversed(range(len(graph.node))):
        if needed.isdisjoint(graph.node[place].output):
            del graph.node[place]
        else:
            needed.update(input_names([graph.node[place]]))
    for place in reversed(range(len(graph.initializer))):
        if graph.initializer[place].name not in needed:
            del graph.initializer[place]


def _load(path: Path) -> ort.InferenceSession:
    import onnxruntime as ort

    if not path.is_file():
        raise UsageError(f"{path} is not a file: expected the path of an ONNX model")
    try:
        return ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no common base class but Exception.
    except Exception as error:
        raise UsageError(f"{path} does not load as an ONNX model: {first_line(error)}") from error


def _input_shape(path: Path, session: ort.InferenceSession) -> tuple[int, Layout]:
    """Size and layout of the only input."""
    match session.get_inputs()[0].shape:
        case [str() | None, int(height), int(width), 3] if height == width:
            return height, "NHWC"
        case [str() | None, 3, int(height), int(width)] if height == width:
            return height, "NCHW"
        case _:
            expected = "square images of a fixed size, any number of them at once"
            raise _unsuitable(path, expected, session)


def _unsuitable(path: Path, expected: str, session: ort.InferenceSession) -> UsageError:
    received = "; ".join(
        f"{value.name} {value.type} {value.shape}"
        for value in (*session.get_inputs(), *session.get_outputs())
    )
    return UsageError(f"{path} is not a backbone: expected {expected}; received {received}")
