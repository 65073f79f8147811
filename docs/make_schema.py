"""Writes docs/candid.schema.json from `candid.runs.manifest`: ``python docs/make_schema.py``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from candid.core.safe_json import Range, typed_fields
from candid.runs.manifest import Manifest

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", re.MULTILINE)


def make() -> dict[str, Any]:
    """The schema of the manifests that are written."""
    parts: dict[str, Any] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "candid.json, the manifest of a run",
        **_object(Manifest, parts),
        "$defs": parts,
    }


def _schema(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type, as `candid.core.safe_json.read_as` knows them; adds dataclasses."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        if kind.__name__ not in parts:
            parts[kind.__name__] = _object(kind, parts)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Annotated:
        return _schema(inner[0], parts) | _limits(inner[1])
    if origin is Literal:
        return {"const": inner[0]} if len(inner) == 1 else {"enum": list(inner)}
    if origin is tuple:
        return {"type": "array", "items": _schema(inner[0], parts)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(inner[1], parts)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(each, parts) for each in inner]}
    return {"type": _PLAIN[kind]}


def _object(kind: Any, parts: dict[str, Any]) -> dict[str, Any]:
    docs = kind.__doc__ or ""
    told = {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(docs)}
    properties = {
        name: _schema(inner, parts) | ({"description": told[name]} if name in told else {})
        for name, (inner, _) in typed_fields(kind).items()
    }
    return {
        "description": docs.partition("\n")[0],
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def _limits(numbers: Range) -> dict[str, float]:
    names = (
        ("minimum", "maximum") if numbers.with_ends else ("exclusiveMinimum", "exclusiveMaximum")
    )
    limits = zip(names, (numbers.low, numbers.high), strict=True)
    return {name: limit for name, limit in limits if math.isfinite(limit)}


if __name__ == "__main__":
    text = json.dumps(make(), indent=2, ensure_ascii=False)
    Path(__file__).with_name("candid.schema.json").write_text(text + "\n", encoding="utf-8")
