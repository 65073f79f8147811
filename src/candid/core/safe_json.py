"""Read untrusted JSON into dictionaries or frozen dataclasses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Set
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

#: Smaller numbers fit a float and an int64; no quantity of ours comes near.
_TOO_LARGE: Final = 2**63
_MOST_BYTES: Final = 16 * 2**20
_NAMES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}


@dataclass(frozen=True)
class Range:
    """Annotates a number: from ``low`` to ``high``, or strictly between them."""

    low: float
    high: float = math.inf
    with_ends: bool = True

    def __contains__(self, number: float) -> bool:
        if self.with_ends:
            return self.low <= number <= self.high
        return self.low < number < self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{self.low} or more" if self.with_ends else f"more than {self.low}"
        start, joint = ("from", "to") if self.with_ends else ("strictly between", "and")
        return f"{start} {self.low} {joint} {self.high}"


def read_object(file: Path, *, most_bytes: int = _MOST_BYTES) -> dict[str, Any]:
    """Read a JSON file in UTF-8 that holds an object.

    Args:
        file: The file.
        most_bytes: Larger files are refused.

    Raises:
        OSError: It can't be read.
        ValueError: It is too large, no JSON, no object, nested too deep, or has a whole number of
            64 bits or more, in which Python has no limit.
    """
    if file.stat().st_size > most_bytes:
        raise ValueError("it is too large")
    try:
        values = json.loads(file.read_text(encoding="utf-8"), parse_int=_parse_int)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(values, dict):
        raise ValueError("it is no object")
    return values


def read_as(kind: Any, value: object, at: str) -> Any:
    """Convert a JSON value to a type, strictly: no number for text, no 1 for true, no NaN.

    Unknown keys are ignored; only fields with a default may be missing.

    Args:
        kind: A dataclass of such types; ``str``, ``int``, ``float`` or ``bool``; a ``Literal``;
            ``tuple[T, ...]`` for a list, ``Mapping[str, T]``, a union, or a number ``Annotated``
            with a `Range`.
        value: Untrusted JSON.
        at: Name of the value, for the message.

    Raises:
        ValueError: The value does not fit; one line says where, what was expected and what was
            received. It repeats no text of the value.
    """
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _read_dataclass(kind, value, at)
    if origin in _GENERIC:
        return _GENERIC[origin](get_args(kind), value, at)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise _unexpected(at, _NAMES[kind], value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _unexpected(at, "a finite number", value)
    return value


def to_json(value: Any) -> Any:
    """The inverse of `read_as`: field names are keys, in the order of the fields."""
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    return [to_json(inner) for inner in value] if isinstance(value, (tuple, list)) else value


@cache
def typed_fields(kind: type) -> Mapping[str, tuple[Any, bool]]:
    """Type of each field of a dataclass, and whether it may be missing."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: (hints[field.name], field.default is not MISSING) for field in fields(kind)}


def _read_dataclass(kind: Any, value: object, at: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected(at, "an object", value)
    read = {}
    for name, (inner, optional) in typed_fields(kind).items():
        place = f"{at}.{name}" if at else name
        if name in value:
            read[name] = read_as(inner, value[name], place)
        elif not optional:
            raise ValueError(f"{place} is missing")
    return kind(**read)


def _read_list(kinds: tuple[Any, ...], value: object, at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _unexpected(at, "a list", value)
    return tuple(read_as(kinds[0], inner, f"{at}[{place}]") for place, inner in enumerate(value))


def _read_mapping(kinds: tuple[Any, ...], value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected(at, "an object", value)
    return {
        key: read_as(kinds[1], inner, f"{at}, value {place}")
        for place, (key, inner) in enumerate(value.items(), 1)
    }


def _read_union(kinds: tuple[Any, ...], value: object, at: str) -> Any:
    """Read as the type that fits: of several dataclasses, the one with most of the keys."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    if isinstance(value, dict):
        others.sort(key=lambda kind: -len(value.keys() & _keys(kind)))
    else:
        others.sort(key=lambda kind: type(value) is not (list if get_origin(kind) else kind))
    return read_as(others[0], value, at)


def _keys(kind: Any) -> Set[str]:
    return typed_fields(kind).keys() if isinstance(kind, type) and is_dataclass(kind) else set()


def _read_choice(choices: tuple[Any, ...], value: object, at: str) -> Any:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise _unexpected(at, " or ".join(map(repr, choices)), value)
    return value


def _read_number(kinds: tuple[Any, ...], value: object, at: str) -> Any:
    number = read_as(kinds[0], value, at)
    if number not in kinds[1]:
        raise _unexpected(at, f"{_NAMES[kinds[0]]} {kinds[1]}", value)
    return number


_GENERIC: Final[Mapping[Any, Callable[[tuple[Any, ...], object, str], Any]]] = {
    tuple: _read_list,
    Mapping: _read_mapping,
    Union: _read_union,
    UnionType: _read_union,
    Literal: _read_choice,
    Annotated: _read_number,
}


def _unexpected(at: str, expected: str, value: object) -> ValueError:
    # Text is not repeated: it may be of any length, and markup.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    received = repr(value) if is_number else _NAMES.get(type(value), "another type")
    return ValueError(f"{at}: {expected} is expected, not {received}")


def _parse_int(digits: str) -> int:
    number = int(digits)
    if abs(number) >= _TOO_LARGE:
        raise ValueError(f"it has a number of {len(digits.lstrip('-'))} digits")
    return number
