"""The format ``keras``: one file, loaded by Keras without anything of Candid."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.exporting.format import Answers, Format, Runner
from candid.exporting.snippets import Pasted, Snippet, python_snippet
from candid.exporting.source import Source
from candid.quiet_tensorflow import import_tensorflow, quiet

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


def _snippets(pasted: Pasted) -> tuple[Snippet, ...]:
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
    snippets=_snippets,
)
