"""The format ``onnx``: the run's graph, with classes, pixels and decision rule as metadata.

It declares the lowest operator set and IR version that its content needs, so that old runtimes
load it: they refuse a number that they don't know, whatever the graph consists of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import start_onnx
from candid.exporting.format import Answers, Format, Runner, run_in_batches
from candid.exporting.int8.graph import quantise_onnx
from candid.exporting.snippets import Snippet, SnippetContext, python_snippet
from candid.exporting.source import Source, describe, to_properties

if TYPE_CHECKING:
    import onnx

FILE: Final = "model.onnx"
_ONNX_DOMAIN: Final = ("", "ai.onnx")
#: Candid's heads need it (ReduceSum takes axes as an input). Versions before change meanings more.
_LEAST_OPSET: Final = 13
_BATCH_SIZE: Final = 1  # larger batches are slower and take memory


def write_onnx(folder: Path, source: Source) -> None:
    """Write the run's graph to ``model.onnx``, with its metadata as ``metadata_props``."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(source.graph)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | to_properties(describe(source)))
    lower_versions(model)
    onnx.save(model, folder / FILE)


def lower_versions(model: onnx.ModelProto) -> None:
    """Declare the lowest operator set in which the nodes mean the same, and the IR version for it.

    A graph with functions of its own, or that ONNX's checker does not follow, keeps its numbers.
    """
    import onnx

    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    (opset, *_) = (one for one in lowered.opset_import if one.domain in _ONNX_DOMAIN)
    nodes = [node for node in _all_nodes(model.graph.node) if node.domain in _ONNX_DOMAIN]
    try:
        versions = [_since(node, opset.version) for node in nodes]
        opset.version = max(versions, default=opset.version)
        needed = onnx.helper.find_min_ir_version_for(lowered.opset_import, ignore_unknown=True)
        lowered.ir_version = min(model.ir_version, needed)
        onnx.checker.check_model(lowered, full_check=True)  # the types of tensors, too
    except (
        onnx.defs.SchemaError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ):
        return
    if not model.functions:
        model.CopyFrom(lowered)


def _since(node: onnx.NodeProto, opset: int) -> int:
    """The first operator set, from 13 on, in which a node means what it means in this one."""
    from onnx import defs

    schema = defs.get_schema(node.op_type, opset)
    while schema.since_version > _LEAST_OPSET:
        try:
            older = defs.get_schema(node.op_type, schema.since_version - 1)
        except defs.SchemaError:  # there was no such operator
            break
        if older.deprecated or not _means_the_same(node, older, schema):
            break
        schema = older
    return max(int(schema.since_version), min(opset, _LEAST_OPSET))


def _means_the_same(node: onnx.NodeProto, older: Any, newer: Any) -> bool:
    """Whether two versions of an operator differ, for a node, at most in the types they allow.

    A newer one may have more attributes, if the node has none of them and they are off by default.
    """
    from onnx import helper

    for side in ("inputs", "outputs"):
        forms = [[(p.name, p.option) for p in getattr(one, side)] for one in (older, newer)]
        if forms[0] != forms[1]:
            return False
    given = {attribute.name for attribute in node.attribute}
    defaults = [
        {name: value.default_value for name, value in one.attributes.items() if name not in given}
        for one in (older, newer)
    ]
    added = [defaults[1].pop(name) for name in {*defaults[1]} - {*defaults[0]}]
    is_off = all(not value.name or not helper.get_attribute_value(value) for value in added)
    return given <= {*older.attributes} and defaults[0] == defaults[1] and is_off


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes, and those inside their branches and loops."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all_nodes(graph.node)


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
    purpose="for programs in Python, C++, C#, Java, Rust or JavaScript, on computers and phones",
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
