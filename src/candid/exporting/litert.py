"""The format ``litert``: for phones, one image at a time.

From Keras to LiteRT.

A run for LiteRT whose convolutions compute with eight bits; the bytes of pixels still go in.

The head, the novelty and the heat map stay float32: rounded, a sum of z-scores would say nothing.
TensorFlow's converter rounds everything that it has a kernel for, but for what it is told to leave
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow, quiet
from candid.core.progress import Advance
from candid.core.temp_dir import temp_dir
from candid.errors import ArtifactError
from candid.exporting.format import Answers, Format, Runner
from candid.exporting.keras import SIGNATURE
from candid.exporting.snippets import Pasted, Snippet, kotlin_snippet, python_snippet
from candid.exporting.source import Source


def convert(model: Any, *, size_px: int) -> bytes:
    """Convert a Keras model to LiteRT.

    Args:
        model: Takes uint8 ``(n, size_px, size_px, 3)``; its outputs have names.
        size_px: Height and width of an image.

    Returns:
        The flatbuffer, of built-in operators alone.
    """
    with opened_converter(model, size_px=size_px) as converter, quiet():
        flatbuffer: bytes = converter.convert()
    return flatbuffer


@contextmanager
def opened_converter(model: Any, *, size_px: int) -> Iterator[Any]:
    """Prepare a Keras model to be converted.

    Args:
        model: Takes uint8 ``(n, size_px, size_px, 3)``; its outputs have names.
        size_px: Height and width of an image.

    Yields:
        A ``tf.lite.TFLiteConverter``, which reads a temporary folder. What it makes has the
        signature ``serving_default``, which takes one image: with a batch whose size varies,
        neither the fast kernels for CPUs (XNNPACK) nor a phone's GPU would take the graph.
    """
    tf = import_tensorflow()
    import keras

    one_image = tf.TensorSpec((1, size_px, size_px, 3), tf.uint8, name="image")
    with temp_dir("candid-litert-") as scratch:
        with quiet():
            archive = keras.export.ExportArchive()
            archive.track(model)
            archive.add_endpoint(SIGNATURE, lambda image: model(image), input_signature=[one_image])
            archive.write_out(str(scratch), verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(
                str(scratch), signature_keys=[SIGNATURE]
            )
        yield converter


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


FILE: Final = "model.tflite"


def write_litert(folder: Path, source: Source) -> None:
    """Write the classifier as ``model.tflite``, of built-in operators alone.

    Args:
        folder: Where it is written.
        source: The run.

    Raises:
        UsageError: The run's backbone is a user's own ONNX file.
    """
    if isinstance(source, RoundedFlatbuffer):
        (folder / FILE).write_bytes(source.flatbuffer)
        return
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source)
    (folder / FILE).write_bytes(convert(model, size_px=source.size_px))


def load_litert(folder: Path) -> Runner:
    """Load ``model.tflite`` by LiteRT's interpreter, without TensorFlow."""
    with quiet():
        runtime = import_module("ai_edge_litert.interpreter")
        interpreter = runtime.Interpreter(
            model_path=str(folder / FILE), num_threads=os.cpu_count() or 1
        )
        signature = interpreter.get_signature_runner(SIGNATURE)

    def run(pixels: NDArray[np.uint8]) -> Answers:
        with quiet():  # the first call tells which kernels it takes
            parts = [signature(image=pixels[place : place + 1]) for place in range(len(pixels))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run


def _snippets(pasted: Pasted) -> tuple[Snippet, ...]:
    run = f'''\
interpreter = Interpreter(model_path=str(folder / "{FILE}"))
answers = interpreter.get_signature_runner("{SIGNATURE}")(image=pixels)
'''
    python = python_snippet(
        pasted,
        run=run,
        imports="from ai_edge_litert.interpreter import Interpreter",
        install="ai-edge-litert",
    )
    return python, kotlin_snippet(pasted, file=FILE, signature=SIGNATURE)


LITERT: Final = Format(
    name="litert",
    title="LiteRT",
    runtime="LiteRT",
    runtime_package="ai-edge-litert",
    packages=("onnx", "tensorflow", "ai_edge_litert"),
    extra="export",
    files=(FILE,),
    write=write_litert,
    load=load_litert,
    snippets=_snippets,
    quantise=round_to_litert,
)
