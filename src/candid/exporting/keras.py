"""The formats ``keras`` (one file, loaded without Candid) and ``saved_model`` (TensorFlow)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow, quiet
from candid.exporting.format import Answers, Format, Runner, run_in_batches
from candid.exporting.snippets import Snippet, SnippetContext, python_snippet
from candid.exporting.source import Source

SIGNATURE: Final = "serving_default"
_FILE: Final = "model.keras"
_FOLDER: Final = "saved_model"
_BATCH_SIZE: Final = 8


def write_keras(folder: Path, source: Source) -> None:
    """Write the classifier as ``model.keras``."""
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source, dtype="float32")
    with quiet():
        model.save(folder / _FILE)


def load_keras(folder: Path) -> Runner:
    """Load ``model.keras`` by Keras, with no layers but its own."""
    import_tensorflow()
    import keras

    with quiet():
        model = keras.models.load_model(folder / _FILE)

    def run(pixels: NDArray[np.uint8]) -> Answers:
        with quiet():
            answers: Answers = model.predict(pixels, batch_size=_BATCH_SIZE, verbose=0)
        return answers

    return run


def _keras_snippets(context: SnippetContext) -> tuple[Snippet, ...]:
    load = f'model = keras.models.load_model(folder / "{_FILE}")\n'
    run = "answers = model.predict(pixels, verbose=0)\n"
    return (
        python_snippet(context, load=load, run=run, imports="import keras", install="tensorflow"),
    )


KERAS: Final = Format(
    name="keras",
    title="Keras",
    purpose="to go on with in Python, by Keras and TensorFlow",
    runtime="Keras",
    runtime_package="keras",
    packages=("onnx", "tensorflow"),
    extra="export",
    files=(_FILE,),
    write=write_keras,
    load=load_keras,
    snippets=_keras_snippets,
)


def write_saved_model(folder: Path, source: Source) -> None:
    """Write the classifier as ``saved_model/``, whose signature takes ``image``."""
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source)
    with quiet():
        model.export(folder / _FOLDER, format="tf_saved_model", verbose=False)


def load_saved_model(folder: Path) -> Runner:
    """Load ``saved_model/`` by TensorFlow alone, without Keras."""
    tf = import_tensorflow()
    with quiet():
        loaded = tf.saved_model.load(folder / _FOLDER)
    serve = loaded.signatures[SIGNATURE]

    # The default argument keeps the model alive: its signature does not hold the variables.
    def run_batch(pixels: NDArray[np.uint8], _model: object = loaded) -> Answers:
        with quiet():
            outputs = serve(image=tf.constant(pixels))
        return {name: value.numpy() for name, value in outputs.items()}

    return lambda pixels: run_in_batches(run_batch, pixels, _BATCH_SIZE)


def _saved_model_snippets(context: SnippetContext) -> tuple[Snippet, ...]:
    load = f'model = tf.saved_model.load(folder / "{_FOLDER}")\n'
    run = f'''\
answers = model.signatures["{SIGNATURE}"](image=tf.constant(pixels))
answers = {{name: value.numpy() for name, value in answers.items()}}
'''
    imports = "import tensorflow as tf"
    return (python_snippet(context, load=load, run=run, imports=imports, install="tensorflow"),)


SAVED_MODEL: Final = replace(
    KERAS,
    name="saved_model",
    title="SavedModel",
    purpose="for TensorFlow Serving, and programs with TensorFlow alone",
    runtime="TensorFlow",
    runtime_package="tensorflow",
    files=(_FOLDER,),
    write=write_saved_model,
    load=load_saved_model,
    snippets=_saved_model_snippets,
)
