"""Other people's text, fit for a page and for a terminal."""

from __future__ import annotations

import re
from typing import Final

# A path may have 4096 bytes, and a line of text may name several.
_MOST_CHARACTERS: Final = 400

# Control characters, line and paragraph separators, halves of surrogate pairs (bytes of a name that
# are no UTF-8), and what turns the direction of writing: "gpj.exe" must not look like "exe.jpg".
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def show_text(text: str) -> str:
    r"""Make other people's text fit to be shown: what can't be seen is written as its code.

    Args:
        text: A name or a line; bytes that are no UTF-8 may be in it as lone surrogates.

    Returns:
        At most 400 characters that UTF-8 can encode, the middle of longer text left out.

    >>> show_text("a\nb\udcff")
    'a\\nb\\xff'
    """
    visible = show_line(text)
    if len(visible) <= _MOST_CHARACTERS:
        return visible
    half = (_MOST_CHARACTERS - 3) // 2
    return f"{visible[:half]} … {visible[-half:]}"


def show_line(text: str) -> str:
    """The same, however long it is."""
    return _UNSHOWABLE.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    character = match[0]
    # Python's way of keeping a byte of a file name that is no UTF-8 (PEP 383).
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]
