"""Scans the bytes of an untrusted ONNX graph for references to other files.

A tensor's values may be in another file (https://onnx.ai/onnx/repo-docs/ExternalData.html). A run
from somebody else could so make ONNX Runtime read any file of this machine; its older versions do
not even restrict the path to one folder. Candid writes no such tensor, so none is accepted. As
`onnx` is not needed to predict, the wire format is parsed here: numbered fields, some of which are
nested messages (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from candid.errors import ArtifactError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH: Final = 64

# onnx.proto: for each message, the fields that may contain tensors, by number.
_NESTED: Final[dict[str, dict[int, str]]] = {
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
    """Refuse a serialised graph that refers to other files.

    Raises:
        ArtifactError: A tensor's values are in another file, or the bytes can't be parsed.
    """
    try:
        if _is_external(memoryview(model), "Model", 0):
            raise ArtifactError(
                "model.onnx does not load (it takes values from other files, which Candid never "
                "writes); train again."
            )
    except (IndexError, ValueError) as error:
        raise ArtifactError(f"model.onnx does not load ({error}); train again.") from error


def _is_external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    nested = _NESTED[kind]
    for number, value in _fields(message):
        if kind == "Tensor" and number in (_EXTERNAL_DATA, _DATA_LOCATION):
            # Location 0 is the default: this file.
            if number == _EXTERNAL_DATA or value:
                return True
        elif (
            number in nested
            and isinstance(value, memoryview)
            and _is_external(value, nested[number], depth + 1)
        ):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field; 0 for values of fixed size."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        # A parser that keeps only 32 bits of the key would read another field number.
        if key >> 32 or not key >> 3:
            raise ValueError("it is not a protocol buffer")
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
            raise ValueError("it is not a protocol buffer")
        if at > len(message):
            raise ValueError("it is truncated")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is not a protocol buffer")
