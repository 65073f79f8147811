"""Graphs that refer to other files are refused, wherever the reference is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from candid.errors import ArtifactError
from candid.runs.onnx_guard import require_self_contained


def tensor(*, external: bool) -> TensorProto:
    values = numpy_helper.from_array(np.arange(6, dtype=np.float32), "values")
    if external:
        values.ClearField("raw_data")
        values.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "../../etc/passwd", "length": "24"}.items():
            values.external_data.add(key=key, value=value)
    return values


def sparse(values: TensorProto) -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(6), "indices")
    return helper.make_sparse_tensor(values, indices, [9])


def model(*, nodes: list[onnx.NodeProto] | None = None, **parts: object) -> onnx.ModelProto:
    graph = helper.make_graph(nodes or [], "graph", [], [], **parts)
    return helper.make_model(graph)


def node(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["out"], **attributes)


def in_function(values: TensorProto) -> onnx.ModelProto:
    made = model()
    function = helper.make_function(
        "own", "F", [], ["out"], [node(value=values)], [helper.make_opsetid("", 13)]
    )
    made.functions.append(function)
    return made


def in_training(values: TensorProto) -> onnx.ModelProto:
    made = model()
    made.training_info.add().initialization.CopyFrom(model(initializer=[values]).graph)
    return made


PLACES: dict[str, Callable[[TensorProto], onnx.ModelProto]] = {
    "an initializer": lambda values: model(initializer=[values]),
    "a sparse initializer": lambda values: model(sparse_initializer=[sparse(values)]),
    "an attribute": lambda values: model(nodes=[node(value=values)]),
    "a list of tensors": lambda values: model(nodes=[node(values=[values])]),
    "a sparse attribute": lambda values: model(nodes=[node(sparse_value=sparse(values))]),
    "a graph within": lambda v: model(nodes=[node(body=model(initializer=[v]).graph)]),
    "graphs within": lambda v: model(nodes=[node(bodies=[model(initializer=[v]).graph])]),
    "a function": in_function,
    "a training graph": in_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_values_from_another_file_are_refused_wherever_they_are(place: str) -> None:
    require_self_contained(PLACES[place](tensor(external=False)).SerializeToString())
    with pytest.raises(ArtifactError, match="takes values from other files"):
        require_self_contained(PLACES[place](tensor(external=True)).SerializeToString())


def test_a_location_without_a_path_is_refused_too() -> None:
    values = tensor(external=False)
    values.data_location = TensorProto.EXTERNAL
    with pytest.raises(ArtifactError, match="takes values from other files"):
        require_self_contained(model(initializer=[values]).SerializeToString())
    values.data_location = TensorProto.DEFAULT
    require_self_contained(model(initializer=[values]).SerializeToString())


def test_a_message_in_two_pieces_is_put_together_by_a_reader_so_both_are_looked_at() -> None:
    good = model(initializer=[tensor(external=False)]).SerializeToString()
    bad = model(initializer=[tensor(external=True)]).SerializeToString()
    with pytest.raises(ArtifactError, match="takes values from other files"):
        require_self_contained(good + bad)


def test_depth_has_an_end() -> None:
    inner = model(initializer=[tensor(external=False)]).graph
    for _ in range(25):
        inner = helper.make_graph([node(body=inner)], "graph", [], [])
    with pytest.raises(ArtifactError, match="nested too deeply"):
        require_self_contained(helper.make_model(inner).SerializeToString())


def test_a_field_that_another_reader_takes_for_the_graph_is_refused() -> None:
    """Readers that keep 32 bits of a field's key, as protobuf's do, see a graph; we must too."""
    whole = model(initializer=[tensor(external=True)]).SerializeToString()
    at = whole.index(b"\x3a")  # the key of the graph
    assert onnx.ModelProto.FromString(whole).graph.initializer
    with pytest.raises(ArtifactError, match="not a protocol buffer"):
        require_self_contained(whole[:at] + b"\xba\x80\x80\x80\x10" + whole[at + 1 :])


SAMPLE = model(
    nodes=[node(value=tensor(external=True))], initializer=[tensor(external=True)]
).SerializeToString()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=4))
def test_what_onnx_reads_as_a_reference_is_never_let_through(edits: list[tuple[int, int]]) -> None:
    content = bytearray(SAMPLE)
    for at, value in edits:
        content[at] = value
    try:
        require_self_contained(bytes(content))
    except ArtifactError:
        return
    try:
        read = onnx.ModelProto.FromString(bytes(content))
    except Exception:  # protobuf's own error: no runtime reads it either
        return
    tensors = [*read.graph.initializer]
    tensors += [attribute.t for each in read.graph.node for attribute in each.attribute]
    assert not any(t.data_location or len(t.external_data) for t in tensors)
