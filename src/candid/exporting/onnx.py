"""The format ``onnx``: the run's own graph, with all that has to travel along inside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.exporting.format import Answers, Format, Runner
from candid.exporting.int8.graph import round_to_onnx
from candid.exporting.snippets import Pasted, Snippet, python_snippet
from candid.exporting.source import Source, describe, to_properties

FILE: Final = "model.onnx"
_AT_ONCE: Final = 2  # pictures in one call: more are no faster and take memory


def write_onnx(folder: Path, source: Source) -> None:
    """Write the run's graph with its metadata as ``metadata_props``.

    Args:
        folder: Where ``model.onnx`` is written.
        source: The run, or what `candid.exporting.int8.graph.round_to_onnx` made of it.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(source.graph)
    properties = to_properties(describe(source))
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | properties)
    onnx.save(model, folder / FILE)


def load_onnx(folder: Path) -> Runner:
    """Load ``model.onnx`` by ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; nothing is printed beside it
    session = ort.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pixels: NDArray[np.uint8]) -> Answers:
        starts = range(0, len(pixels), _AT_ONCE)
        parts = [session.run(names, {"image": pixels[i : i + _AT_ONCE]}) for i in starts]
        return {
            name: np.concatenate(rows)
            for name, rows in zip(names, zip(*parts, strict=True), strict=True)
        }

    return run


def _snippets(pasted: Pasted) -> tuple[Snippet, ...]:
    run = f'''\
session = onnxruntime.InferenceSession(folder / "{FILE}")
names = [output.name for output in session.get_outputs()]
answers = dict(zip(names, session.run(names, {{"image": pixels}})))
'''
    return (python_snippet(pasted, run=run, imports="import onnxruntime", install="onnxruntime"),)


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
    quantise=round_to_onnx,
)
