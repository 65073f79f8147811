"""Looks through the bytes of an ONNX graph for references to other files, before a runtime sees it.

A tensor may say that its values lie in another file (https://onnx.ai/onnx/repo-docs/ExternalData.html).
In a run that somebody sent, that would have ONNX Runtime read any file of this machine; its older
versions do not even hold to one folder. Candid writes no such tensor, so none is taken. The package
`onnx` is not needed to predict, so the wire format is read here: fields with numbers, some of which
are messages with fields of their own (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from candid.errors import ArtifactError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH: Final = 64

# onnx.proto: the messages in which there may be tensors, by the numbers of their fields.
_INSIDE: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a Tensor


def require_self_contained(model: bytes) -> None:
    """Refuse a graph that would have other files read.

    Args:
        model: A serialised ONNX graph.

    Raises:
        ArtifactError: A tensor lies in another file, or the bytes are no messages.
    """
    try:
        if _refers_elsewhere(memoryview(model), "Model", 0):
            raise ArtifactError(
                "model.onnx does not load (it takes values from other files, which no model of "
                "Candid does); train again."
            )
    except (IndexError, ValueError) as error:
        raise ArtifactError(f"model.onnx does not load ({error}); train again.") from error


def _refers_elsewhere(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    inside = _INSIDE[kind]
    for number, value in _fields(message):
        if kind == "Tensor" and number in (_EXTERNAL_DATA, _DATA_LOCATION):
            # The location 0 is the default: in this very file.
            if number == _EXTERNAL_DATA or value:
                return True
        elif (
            number in inside
            and isinstance(value, memoryview)
            and _refers_elsewhere(value, inside[number], depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field; of those of fixed size, no value."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        # A reader that keeps only 32 bits of it would take it for another field than we do.
        if key >> 32 or not key >> 3:
            raise ValueError("it is no protocol buffer")
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif wire == _LENGTH:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        elif wire in (_FIXED64, _FIXED32):
            yield number, 0
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError("it is no protocol buffer")
        if at > len(message):
            raise ValueError("it ends too early")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is no protocol buffer")
