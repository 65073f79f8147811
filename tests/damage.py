"""Bytes of images, damaged at random."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st


def damage(data: st.DataObject, samples: Mapping[str, bytes]) -> bytes:
    """Draw a sample, and flip, cut and insert bytes, more of them in its header than elsewhere."""
    content = bytearray(samples[data.draw(st.sampled_from(sorted(samples)))])
    edits = st.tuples(
        st.sampled_from(["flip", "cut", "insert", "end"]),
        st.one_of(st.integers(0, 120), st.integers(0, len(content) - 1)),
        st.binary(min_size=1, max_size=4),
    )
    for kind, at, new in data.draw(st.lists(edits, min_size=1, max_size=6)):
        if kind == "flip":
            content[at : at + len(new)] = new
        elif kind == "cut":
            del content[at : at + len(new)]
        elif kind == "insert":
            content[at:at] = new
        else:
            del content[max(at, 12) :]
    return bytes(content)
