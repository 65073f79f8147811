"""The format ``litert``: for phones, one image at a time."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.exporting.format import Answers, Format, Runner
from candid.exporting.int8_litert import RoundedFlatbuffer, round_to_litert
from candid.exporting.litert_conversion import convert
from candid.exporting.saved_model import SIGNATURE
from candid.exporting.snippet_kotlin import kotlin_snippet
from candid.exporting.snippets import Pasted, Snippet, python_snippet
from candid.exporting.source import Source
from candid.quiet_tensorflow import quiet

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
