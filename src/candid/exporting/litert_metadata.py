"""Metadata of a LiteRT file: what goes in, what comes out, and the names of the classes.

That is a flatbuffer by TensorFlow's ``metadata_schema.fbs`` in a buffer of the model, and the file
that it names in a zip archive behind the model
(https://ai.google.dev/edge/litert/conversion/tensorflow/metadata). The package that would write it,
tflite-support, has no wheels for this Python. Android's Task Library and MediaPipe read it, and
take no model with other outputs than scores: `keep_output` removes those.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import import_tensorflow
from candid.core.text import sanitize

LABELS: Final = "labels.txt"
PROBABILITIES: Final = "probabilities"
_NAME: Final = "TFLITE_METADATA"
# Places of fields, numbers of union members and values of enums in metadata_schema.fbs.
_IMAGE, _FEATURE = np.int8(2), np.int8(1)  # ContentProperties
_NORMALIZATION: Final = np.int8(1)  # ProcessUnitOptions
_RGB, _AXIS_LABELS = np.int8(1), np.int8(2)  # ColorSpaceType, AssociatedFileType

#: Fields of a table by their place: a string, a vector, a scalar or a table.
_Table = Mapping[int, Any]


def to_labels(classes: Sequence[str]) -> bytes:
    """The content of ``labels.txt``: a line for each class, in the order of the probabilities."""
    lines = "".join(f"{sanitize(name)}\n" for name in classes)
    return lines.encode("utf-8", "backslashreplace")


def read_model(flatbuffer: bytes) -> Any:
    """The ``ModelT`` of a LiteRT file."""
    import_tensorflow()
    from tensorflow.lite.python import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(flatbuffer, 0))


def keep_output(model: Any, name: str) -> None:
    """Remove all outputs of a model's signature but one, and what only they needed."""
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    signature.outputs = [one for one in signature.outputs if _text(one.name) == name]
    graph.outputs = [one.tensorIndex for one in signature.outputs]
    needed, kept = {*graph.inputs, *graph.outputs}, []
    for operator in reversed(graph.operators):
        if not needed.isdisjoint(operator.outputs):
            needed.update(int(place) for place in (*operator.inputs, *operator.outputs))
            kept.append(operator)
    graph.operators = kept[::-1]
    tensors = [graph.tensors[place] for place in needed - {-1}]  # an optional input left out
    used = {one.buffer for one in (*tensors, *(model.metadata or ()))}
    for number, buffer in enumerate(model.buffers):
        buffer.data = buffer.data if number in used else None


def write_model(model: Any, title: str, classes: Sequence[str]) -> bytes:
    """A LiteRT file with metadata and ``labels.txt``.

    Args:
        model: A ``ModelT`` with one signature, which takes uint8 images, 0 to 255.
        title: The model's name.
        classes: In the order of its output ``probabilities``.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    names = {int(one.tensorIndex): _text(one.name) for one in signature.outputs}
    # First, where a reader takes the first output for the scores.
    graph.outputs = sorted(graph.outputs, key=lambda place: names[int(place)] != PROBABILITIES)
    outputs = [names[int(place)] for place in graph.outputs]
    about = _describe(sanitize(title), graph.tensors[graph.inputs[0]].shape, outputs)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_pack(about, b"M001"), np.uint8)
    entry.name, entry.buffer = _NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or ()), entry]
    builder = flatbuffers.Builder(
        sum(len(one.data) for one in model.buffers if one.data is not None)
    )
    builder.Finish(model.Pack(builder), b"TFL3")
    file = io.BytesIO(bytes(builder.Output()))
    with zipfile.ZipFile(file, "a") as archive:
        # Uncompressed, which readers expect, and without the time.
        archive.writestr(zipfile.ZipInfo(LABELS), to_labels(classes))
    return file.getvalue()


def _describe(title: str, shape: Sequence[int], outputs: Sequence[str]) -> _Table:
    """``ModelMetadata``: name, description, subgraphs, least version of a parser."""
    text = "Trained and exported by Candid. Photos are upright, RGB, 0 to 255."
    subgraph = {2: [_describe_image(shape)], 3: [_describe_output(name) for name in outputs]}
    return {0: title, 1: text, 3: [subgraph], 7: "1.0.0"}


def _describe_image(shape: Sequence[int]) -> _Table:
    """``TensorMetadata`` of the input, whose bytes are taken as they are: (x - 0) / 1."""
    size = {0: np.uint32(shape[2]), 1: np.uint32(shape[1])}
    content = {0: _IMAGE, 1: {0: _RGB, 1: size}}
    normalization = {0: _NORMALIZATION, 1: {0: _floats(0), 1: _floats(1)}}
    return {0: "image", 3: content, 4: [normalization], 5: {0: _floats(255), 1: _floats(0)}}


def _describe_output(name: str) -> _Table:
    """``TensorMetadata`` of an output; that of the probabilities names the file of labels."""
    feature: _Table = {0: name, 3: {0: _FEATURE, 1: {}}}
    if name != PROBABILITIES:
        return feature
    labels = {0: LABELS, 1: "The classes, in order.", 2: _AXIS_LABELS}
    stats = {0: _floats(1), 1: _floats(0)}
    return {**feature, 1: "Calibrated, 0 to 1.", 5: stats, 6: [labels]}


def _floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def _pack(table: _Table, identifier: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, table), identifier)
    return bytes(builder.Output())


def _write(builder: Any, value: Any) -> Any:
    """Write a value, children first; its offset, or a scalar as it is."""
    if isinstance(value, np.generic):
        return value
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        offsets = [_write(builder, one) for one in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    fields = {place: _write(builder, field) for place, field in value.items()}
    builder.StartObject(max(fields, default=-1) + 1)
    for place, field in fields.items():
        if isinstance(field, np.int8):
            builder.PrependInt8Slot(place, int(field), 0)
        elif isinstance(field, np.uint32):
            builder.PrependUint32Slot(place, int(field), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(place, field, 0)
    return builder.EndObject()


def _text(name: bytes | str) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name
