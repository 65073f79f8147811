"""Any ONNX model as a backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from candid.core.text import first_line
from candid.errors import UsageError

if TYPE_CHECKING:
    import onnx
    import onnxruntime as ort

Layout = Literal["NHWC", "NCHW"]

_PREFIX = "file."
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


@dataclass(frozen=True)
class OnnxFile:
    """A user's ONNX model: one image of a fixed size in, one vector an image out.

    It gets RGB values from 0 to 255, so its own normalisation has to be a part of it.

    Attributes:
        path: The file.
        size_px: Height and width of its input.
        num_features: The length of an embedding.
        input_name: Its name for the input.
        output_name: Its name for the first output of shape ``(n, num_features)``.
        layout: The order of the input's axes.
        dtype: The input's type.
    """

    path: Path
    size_px: int
    num_features: int
    input_name: str
    output_name: str
    layout: Layout
    dtype: str

    @property
    def name(self) -> str:
        """What stands for it in reports: the name of the file."""
        return self.path.name

    @property
    def has_features(self) -> bool:
        """Whether there is a feature map for class activation maps; Candid can't know, so no."""
        return False

    @classmethod
    def inspect(cls, path: Path) -> OnnxFile:
        """Read from a model what it takes and gives.

        Raises:
            UsageError: If the file does not load, or is not a model of one image and its embedding.
        """
        session = _load(path)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        vectors = [o for o in outputs if len(o.shape) == 2 and isinstance(o.shape[1], int)]
        if len(inputs) != 1 or inputs[0].type not in _DTYPES or not vectors:
            raise _refusal(
                path, "one image, uint8 or float32, and an output (n, features)", session
            )
        size_px, layout = _picture(path, session)
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
        """Give the model the names, the layout and the type of a backbone of ours."""
        import onnx
        from onnx import compose, helper

        # The prefix keeps its tensors apart from `image`, `embedding` and a head's names.
        model = compose.add_prefix(onnx.load(self.path), _PREFIX)
        graph, size = model.graph, self.size_px
        del graph.input[:], graph.output[:]
        graph.input.append(
            helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", size, size, 3])
        )
        for position, node in enumerate(self._entrance()):
            graph.node.insert(position, node)
        graph.node.append(helper.make_node("Identity", [_PREFIX + self.output_name], ["embedding"]))
        graph.output.append(
            helper.make_tensor_value_info(
                "embedding", onnx.TensorProto.FLOAT, ["n", self.num_features]
            )
        )
        onnx.checker.check_model(model)
        return model

    def _entrance(self) -> list[onnx.NodeProto]:
        """The nodes from our input to its own."""
        import onnx
        from onnx import helper

        axes = [0, 3, 1, 2] if self.layout == "NCHW" else [0, 1, 2, 3]
        element = onnx.TensorProto.FLOAT if self.dtype == "float32" else onnx.TensorProto.UINT8
        return [
            helper.make_node("Transpose", ["image"], ["image.planes"], perm=axes),
            helper.make_node("Cast", ["image.planes"], [_PREFIX + self.input_name], to=element),
        ]


def _load(path: Path) -> ort.InferenceSession:
    import onnxruntime as ort

    if not path.is_file():
        raise UsageError(f"{path} is no file: expected the path of an ONNX model")
    try:
        return ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no common type of their own: `Fail`, `InvalidGraph`,
    # `InvalidProtobuf`, `NotImplemented` and others derive from RuntimeError or from Exception.
    except Exception as error:
        raise UsageError(f"{path} does not load as an ONNX model: {first_line(error)}") from error


def _picture(path: Path, session: ort.InferenceSession) -> tuple[int, Layout]:
    """Read the size and the layout off the shape of the only input."""
    match session.get_inputs()[0].shape:
        case [str() | None, int(height), int(width), 3] if height == width:
            return height, "NHWC"
        case [str() | None, 3, int(height), int(width)] if height == width:
            return height, "NCHW"
        case _:
            raise _refusal(
                path, "square images of a fixed size, any number of them at once", session
            )


def _refusal(path: Path, expected: str, session: ort.InferenceSession) -> UsageError:
    received = "; ".join(
        f"{value.name} {value.type} {value.shape}"
        for value in (*session.get_inputs(), *session.get_outputs())
    )
    return UsageError(f"{path} is no backbone: expected {expected}; received {received}")
