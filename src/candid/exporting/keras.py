"""The format ``saved_model``: for TensorFlow Serving and whatever reads TensorFlow's graphs.

The format ``keras``: one file, loaded by Keras without anything of Candid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow, quiet
from candid.exporting.format import Answers, Format, Runner
from candid.exporting.snippets import Pasted, Snippet, python_snippet
from candid.exporting.source import Source

FILE: Final = "model.keras"
_BATCH_SIZE: Final = 8


def write_keras(folder: Path, source: Source) -> None:
    """Write the classifier as ``model.keras``.

    Args:
        folder: Where it is written.
        source: The run.

    Raises:
        UsageError: The run's backbone is a user's own ONNX file.
    """
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source)
    with quiet():
        model.save(folder / FILE)


def load_keras(folder: Path) -> Runner:
    """Load ``model.keras`` by Keras, with nothing but its own layers."""
    import_tensorflow()
    import keras

    with quiet():
        model = keras.models.load_model(folder / FILE)

    def run(pixels: NDArray[np.uint8]) -> Answers:
        with quiet():
            answers: Answers = model.predict(pixels, batch_size=_BATCH_SIZE, verbose=0)
        return answers

    return run


def _keras_snippets(pasted: Pasted) -> tuple[Snippet, ...]:
    run = f'''\
model = keras.models.load_model(folder / "{FILE}")
answers = model.predict(pixels, verbose=0)
'''
    return (python_snippet(pasted, run=run, imports="import keras", install="tensorflow"),)


KERAS: Final = Format(
    name="keras",
    title="Keras",
    runtime="Keras",
    runtime_package="keras",
    packages=("onnx", "tensorflow"),
    extra="export",
    files=(FILE,),
    write=write_keras,
    load=load_keras,
    snippets=_keras_snippets,
)


FOLDER: Final = "saved_model"
SIGNATURE: Final = "serving_default"
_AT_ONCE: Final = 8


def write_saved_model(folder: Path, source: Source) -> None:
    """Write the classifier as ``saved_model/``, whose signature takes ``image``.

    Args:
        folder: Where ``saved_model/`` is made.
        source: The run.

    Raises:
        UsageError: The run's backbone is a user's own ONNX file.
    """
    from candid.exporting.keras_model import build_classifier

    model = build_classifier(source)
    with quiet():
        model.export(folder / FOLDER, format="tf_saved_model", verbose=False)


def load_saved_model(folder: Path) -> Runner:
    """Load ``saved_model/`` by TensorFlow alone, without Keras."""
    tf = import_tensorflow()
    with quiet():
        # Kept beside its signature, which does not keep the variables alive.
        loaded = tf.saved_model.load(folder / FOLDER)
    serve = loaded.signatures[SIGNATURE]

    def run(pixels: NDArray[np.uint8], _alive: object = loaded) -> Answers:
        starts = range(0, len(pixels), _AT_ONCE)
        with quiet():
            parts = [serve(image=tf.constant(pixels[i : i + _AT_ONCE])) for i in starts]
        return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}

    return run


def _saved_model_snippets(pasted: Pasted) -> tuple[Snippet, ...]:
    run = f'''\
model = tf.saved_model.load(folder / "{FOLDER}")
answers = model.signatures["{SIGNATURE}"](image=tf.constant(pixels))
answers = {{name: value.numpy() for name, value in answers.items()}}
'''
    return (
        python_snippet(pasted, run=run, imports="import tensorflow as tf", install="tensorflow"),
    )


SAVED_MODEL: Final = Format(
    name="saved_model",
    title="SavedModel",
    runtime="TensorFlow",
    runtime_package="tensorflow",
    packages=("onnx", "tensorflow"),
    extra="export",
    files=(FOLDER,),
    write=write_saved_model,
    load=load_saved_model,
    snippets=_saved_model_snippets,
)
