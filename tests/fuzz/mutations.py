"""Bytes and JSON values that are nearly right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

_HEADER: Final = 64
# Where formats keep lengths and sizes, these break most: none, most, and those around a sign.
_ODD: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@st.composite
def mutated(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """A sample with some edits, many of them in its first 64 bytes."""
    content = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 8))):
        _edit(draw, content, samples)
    return bytes(content)


def _edit(draw: st.DrawFn, content: bytearray, samples: Sequence[bytes]) -> None:
    end = max(len(content) - 1, 0)
    at = draw(st.one_of(st.integers(0, min(_HEADER, end)), st.integers(0, end)))
    kind = draw(
        st.sampled_from(["flip", "set", "number", "cut", "repeat", "end", "splice", "tail"])
    )
    if kind == "flip" and content:
        content[at] ^= 1 << draw(st.integers(0, 7))
    elif kind == "set":
        new = draw(st.binary(min_size=1, max_size=4))
        content[at : at + len(new)] = new
    elif kind == "number":
        order = draw(st.sampled_from(["little", "big"]))
        new = draw(st.sampled_from(_ODD)).to_bytes(4, order)[-draw(st.sampled_from([1, 2, 4])) :]
        content[at : at + len(new)] = new
    elif kind == "cut":
        del content[at : at + draw(st.integers(1, 64))]
    elif kind == "repeat":
        piece = content[at : at + draw(st.integers(1, 32))]
        content[at:at] = piece * draw(st.integers(1, 40))
    elif kind == "end":
        del content[at:]
    elif kind == "splice":
        other = draw(st.sampled_from(samples))
        content[at:] = other[draw(st.integers(0, max(len(other) - 1, 0))) :]
    else:
        content += draw(st.binary(max_size=16))


def mutated_csv(text: str) -> st.SearchStrategy[bytes]:
    """A table with edits of its bytes, or whose lines, cells and quotes are another's."""
    lines = text.encode("utf-8", "surrogateescape").splitlines(keepends=True)[:12]
    words = [b",", b";", b'"', b'""', b"\r", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"sep=;\n"]
    shuffled = st.lists(st.sampled_from([*lines, *words]), max_size=20).map(b"".join)
    return st.one_of(mutated([b"".join(lines)]), shuffled, mutated([b"".join(lines[:3])]))


JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.sampled_from([0, 1, -1, 2, 10**400, 1e308, 0.5, float("nan"), float("inf"), "", "0"]),
        st.floats(),
        st.text(max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def mutated_json(draw: st.DrawFn, values: Mapping[str, Any]) -> bytes:
    """An object of which some values, at any depth, are others, gone, or twice there."""
    changed = json.loads(json.dumps(values))
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = changed
        for _ in range(draw(st.integers(0, 4))):
            places = _places(holder)
            inner = [place for place in places if isinstance(holder[place], (dict, list))]
            if not inner:
                break
            holder = holder[draw(st.sampled_from(inner))]
        _change(draw, holder)
    return json.dumps(changed).encode("utf-8", "backslashreplace")


def _places(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _change(draw: st.DrawFn, holder: Any) -> None:
    if not (places := _places(holder)):
        return
    place = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(["replace", "replace", "remove", "swap"]))
    if kind == "remove":
        del holder[place]
    elif kind == "swap":
        holder[place] = holder[draw(st.sampled_from(places))]
    else:
        holder[place] = draw(JSON)
