"""The format ``onnx``: the run's graph, with classes, pixels and decision rule as metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import start_onnx
from candid.exporting.format import Answers, Format, Runner, run_in_batches
from candid.exporting.int8.graph import quantise_onnx
from candid.exporting.snippets import Snippet, SnippetContext, python_snippet
from candid.exporting.source import Source, describe, to_properties

FILE: Final = "model.onnx"
_BATCH_SIZE: Final = 2  # larger batches are no faster and take memory


def write_onnx(folder: Path, source: Source) -> None:
    """Write the run's graph to ``model.onnx``, with its metadata as ``metadata_props``."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(source.graph)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | to_properties(describe(source)))
    onnx.save(model, folder / FILE)


def load_onnx(folder: Path) -> Runner:
    """Load ``model.onnx`` by ONNX Runtime."""
    session = start_onnx(folder / FILE)
    names = [output.name for output in session.get_outputs()]

    def run_batch(pixels: NDArray[np.uint8]) -> Answers:
        return dict(zip(names, session.run(names, {"image": pixels}), strict=True))

    return lambda pixels: run_in_batches(run_batch, pixels, _BATCH_SIZE)


def _snippets(context: SnippetContext) -> tuple[Snippet, ...]:
    load = f'''\
session = onnxruntime.InferenceSession(folder / "{FILE}")
names = [output.name for output in session.get_outputs()]
'''
    run = 'answers = dict(zip(names, session.run(names, {"image": pixels})))\n'
    return (
        python_snippet(
            context, load=load, run=run, imports="import onnxruntime", install="onnxruntime"
        ),
    )


ONNX: Final = Format(
    name="onnx",
    title="ONNX",
    runtime="ONNX Runtime",
    runtime_package="onnxruntime",
    packages=("onnx", "onnxruntime"),
    extra="transfer",
    files=(FILE,),
    write=write_onnx,
    load=load_onnx,
    snippets=_snippets,
    quantise=quantise_onnx,
)
