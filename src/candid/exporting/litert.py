"""The format ``litert``: for phones, one image at a time; in float32, or with an int8 backbone.

``model.tflite`` has all outputs. ``image_classifier.tflite`` is the same but for the probabilities,
as the image classifiers of Android's Task Library and of MediaPipe take no other outputs. Both
have metadata and labels inside.

In int8, input and outputs stay as they are, and so do the head, the novelty and the heat map in
float32: quantised, a sum of z-scores would mean nothing. TensorFlow's converter quantises every
operator that it has a kernel for, except those that it is told to leave
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger).
"""

from __future__ import annotations

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
from candid.core.threads import num_cores
from candid.errors import ArtifactError, ParityError
from candid.exporting.format import Answers, Format, Runner, run_in_batches
from candid.exporting.keras import SIGNATURE
from candid.exporting.litert_metadata import (
    LABELS,
    PROBABILITIES,
    keep_output,
    read_model,
    to_labels,
    write_model,
)
from candid.exporting.samples import read_golden
from candid.exporting.snippets import Snippet, SnippetContext, kotlin_snippet, python_snippet
from candid.exporting.source import Source

_FILE: Final = "model.tflite"
_CLASSIFIER: Final = "image_classifier.tflite"
_SAME: Final = 1e-6  # the same kernels, perhaps in other blocks
_OPERATORS_WITH_WEIGHTS: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
#: Parts of the names of tensors behind the backbone.
_AFTER_BACKBONE: Final = ("scores", "novelty")


@dataclass(frozen=True)
class QuantisedLitert(Source):
    """A run with its quantised model."""

    flatbuffer: bytes  # the content of ``model.tflite``


def write_litert(folder: Path, source: Source) -> None:
    """Write both models, with built-in operators only, and ``labels.txt``.

    Raises:
        ParityError: They differ on the run's golden images.
    """
    if isinstance(source, QuantisedLitert):
        flatbuffer = source.flatbuffer
    else:
        with _converter(source) as converter, quiet():
            flatbuffer = converter.convert()
    classes = source.classifier.classes
    (folder / LABELS).write_bytes(to_labels(classes))
    for name in (_FILE, _CLASSIFIER):
        model = read_model(flatbuffer)
        if name == _CLASSIFIER:
            keep_output(model, PROBABILITIES)
        (folder / name).write_bytes(write_model(model, source.name, classes))
    pixels = read_golden(source.folder).pixels
    one, other = (load_litert(folder, name)(pixels)[PROBABILITIES] for name in (_FILE, _CLASSIFIER))
    if not np.allclose(one, other, rtol=0, atol=_SAME):
        raise ParityError(f"{_CLASSIFIER} does not answer as {_FILE}; try another TensorFlow.")


def load_litert(folder: Path, name: str = _FILE) -> Runner:
    """Load ``model.tflite`` by LiteRT's interpreter, without TensorFlow."""
    with quiet():
        runtime = import_module("ai_edge_litert.interpreter")
        interpreter = runtime.Interpreter(model_path=str(folder / name), num_threads=num_cores())
        signature = interpreter.get_signature_runner(SIGNATURE)

    def run(pixels: NDArray[np.uint8]) -> Answers:
        with quiet():  # the first call prints which kernels it uses
            return run_in_batches(lambda image: signature(image=image), pixels, 1)

    return run


def quantise_litert(source: Source, pixels: NDArray[np.uint8], advance: Advance) -> Source:
    """Convert a run to LiteRT with an int8 backbone, see `Format.quantise`."""
    tf = import_tensorflow()

    def calibrate() -> Iterator[dict[str, NDArray[np.uint8]]]:
        for place in range(len(pixels)):
            yield {"image": pixels[place : place + 1]}
            advance(1)

    with _converter(source, in_float=True) as converter, quiet():
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = calibrate
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
        # Passing new options to the debugger would build another model that is not needed.
        debugger.options.denylisted_nodes = _float_tensors(debugger.calibrated_model)
        flatbuffer: bytes = debugger.get_nondebug_quantized_model()
    return QuantisedLitert(source.folder, source.classifier, flatbuffer)


@contextmanager
def _converter(source: Source, *, in_float: bool = False) -> Iterator[Any]:
    """A ``tf.lite.TFLiteConverter`` for a run's classifier, which reads a temporary folder.

    What it makes has the signature ``serving_default``, which takes one image: with a variable
    batch size, neither the fast kernels for CPUs (XNNPACK) nor a phone's GPU would take the graph.
    """
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source, in_float=in_float)
    tf = import_tensorflow()
    import keras

    shape = (1, source.size_px, source.size_px, 3)
    one_image = tf.TensorSpec(shape, tf.uint8, name="image")
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


def _float_tensors(flatbuffer: bytes) -> list[str]:
    """Names of the tensors that stay float32: all behind the backbone's last layer with weights.

    Raises:
        ArtifactError: There is no layer with weights.
    """
    runtime = import_module("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(model_content=flatbuffer)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    # No public function returns the order of the operators.
    written = [
        (operator["op_name"], names[operator["outputs"][0]])
        for operator in interpreter._get_ops_details()
        if operator["op_name"] != "DELEGATE"
    ]
    layers = [
        place
        for place, (operator, name) in enumerate(written)
        if operator in _OPERATORS_WITH_WEIGHTS and not any(part in name for part in _AFTER_BACKBONE)
    ]
    if not layers:
        raise ArtifactError(
            "the model has no layer with weights to quantise; export without --int8."
        )
    return [name for _, name in written[layers[-1] + 1 :]]


def _snippets(context: SnippetContext) -> tuple[Snippet, ...]:
    load = f'''\
interpreter = Interpreter(model_path=str(folder / "{_FILE}"))
model = interpreter.get_signature_runner("{SIGNATURE}")
'''
    run = "answers = model(image=pixels)\n"
    imports = "from ai_edge_litert.interpreter import Interpreter"
    python = python_snippet(context, load=load, run=run, imports=imports, install="ai-edge-litert")
    kotlin = kotlin_snippet(context, file=_FILE, signature=SIGNATURE)
    return python, kotlin, Snippet("kotlin", "Android's Task Library (Kotlin)", _TASK_LIBRARY)


_TASK_LIBRARY: Final = f"""\
// app/build.gradle.kts: implementation("org.tensorflow:tensorflow-lite-task-vision:0.4.4")
// app/src/main/assets/: {_CLASSIFIER}
import android.content.Context
import android.graphics.Bitmap
import org.tensorflow.lite.support.image.TensorImage
import org.tensorflow.lite.task.vision.classifier.ImageClassifier

/** The likeliest class of an upright photo and its probability: without the decision rule, and
 *  never uncertain or unknown. The photo is stretched to a square. */
fun classify(context: Context, photo: Bitmap): Pair<String, Float> {{
    ImageClassifier.createFromFile(context, "{_CLASSIFIER}").use {{ classifier ->
        val best = classifier.classify(TensorImage.fromBitmap(photo)).first().categories.first()
        return best.label to best.score
    }}
}}
"""


LITERT: Final = Format(
    name="litert",
    title="LiteRT",
    purpose="for apps on Android and iPhone, and small devices",
    runtime="LiteRT",
    runtime_package="ai-edge-litert",
    packages=("onnx", "tensorflow", "ai_edge_litert"),
    extra="export",
    files=(LABELS, _CLASSIFIER, _FILE),
    write=write_litert,
    load=load_litert,
    snippets=_snippets,
    quantise=quantise_litert,
    takes_int8=True,
)
