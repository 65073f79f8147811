"""A run for LiteRT whose convolutions compute with eight bits; the bytes of pixels still go in.

The head, the novelty and the heat map stay float32: rounded, a sum of z-scores would say nothing.
TensorFlow's converter rounds everything that it has a kernel for, but for what it is told to leave
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import ArtifactError
from candid.exporting.litert_conversion import opened_converter
from candid.exporting.source import Source
from candid.progress import Advance
from candid.quiet_tensorflow import import_tensorflow, quiet

#: Operators with weights.
_WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
#: In the names of those that are no part of the backbone.
_AFTER: Final = ("scores", "novelty")


@dataclass(frozen=True)
class RoundedFlatbuffer(Source):
    """A run with its rounded model.

    Attributes:
        flatbuffer: What ``model.tflite`` shall hold.
    """

    flatbuffer: bytes


def round_to_litert(source: Source, pixels: NDArray[np.uint8], advance: Advance) -> Source:
    """Convert a run to LiteRT and round its backbone.

    Args:
        source: The run.
        pixels: uint8 ``(n, s, s, 3)`` RGB, calibration photos.
        advance: Called with the number of photos just seen.

    Raises:
        UsageError: The run's backbone is a user's own ONNX file.
    """
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source)
    flatbuffer = _round(model, pixels, advance)
    return RoundedFlatbuffer(source.folder, source.classifier, flatbuffer)


def _round(model: Any, pixels: NDArray[np.uint8], advance: Advance) -> bytes:
    tf = import_tensorflow()

    def calibrate() -> Iterator[dict[str, NDArray[np.uint8]]]:
        for place in range(len(pixels)):
            yield {"image": pixels[place : place + 1]}
            advance(1)

    with opened_converter(model, size_px=pixels.shape[1]) as converter, quiet():
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = calibrate
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
        # New options would build a model to debug once more, which nobody asks for.
        debugger.options.denylisted_nodes = _after_backbone(debugger.calibrated_model)
        flatbuffer: bytes = debugger.get_nondebug_quantized_model()
    return flatbuffer


def _after_backbone(flatbuffer: bytes) -> list[str]:
    """Names of the tensors that are to stay float32: all that come after the last of the backbone.

    Raises:
        ArtifactError: There is no layer with weights.
    """
    runtime = import_module("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(model_content=flatbuffer)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    # The order of the operators is told by no public function.
    written = [
        (operator["op_name"], names[operator["outputs"][0]])
        for operator in interpreter._get_ops_details()
        if operator["op_name"] != "DELEGATE"
    ]
    layers = [
        place
        for place, (operator, name) in enumerate(written)
        if operator in _WEIGHTED and not any(part in name for part in _AFTER)
    ]
    if not layers:
        raise ArtifactError("the model has no layer with weights that could be rounded.")
    return [name for _, name in written[layers[-1] + 1 :]]
