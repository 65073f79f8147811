"""Numbers and names in lines of text, as a sentence says them.

Other people's text, fit for a page and for a terminal.

Other people's text, fit for a Markdown document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final


def join_names(paths: Sequence[str], most: int = 3) -> str:
    """Name the first few and say how many there are besides.

    Args:
        paths: Names, the most important first.
        most: How many are named. One too many is named as well, as "and 1 more" saves nothing.

    Returns:
        ``a``, ``a and b``, ``a, b and c``, ``a, b, c and 12 more``; empty without names.
    """
    shown = list(paths if len(paths) <= most + 1 else paths[:most])
    if len(shown) < len(paths):
        shown.append(f"{len(paths) - len(shown)} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 picture``, ``3 pictures``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def plural_are(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun and verb: ``1 picture is``, ``3 pictures are``."""
    return f"{plural(number, one, many)} {'is' if number == 1 else 'are'}"


def plural_have(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun and verb: ``1 picture has``, ``3 pictures have``."""
    return f"{plural(number, one, many)} {'has' if number == 1 else 'have'}"


def first_line(error: Exception) -> str:
    """The first line of an error's message; the name of its type where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


# A path may have 4096 bytes, and a line of text may name several.
_MOST_CHARACTERS: Final = 400

# Control characters, line and paragraph separators, halves of surrogate pairs (bytes of a name that
# are no UTF-8), and what turns the direction of writing: "gpj.exe" must not look like "exe.jpg".
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def sanitize(text: str) -> str:
    r"""Make other people's text fit to be shown: what can't be seen is written as its code.

    Args:
        text: A name or a line; bytes that are no UTF-8 may be in it as lone surrogates.

    Returns:
        At most 400 characters that UTF-8 can encode, the middle of longer text left out.

    >>> sanitize("a\nb\udcff")
    'a\\nb\\xff'
    """
    visible = sanitize_line(text)
    if len(visible) <= _MOST_CHARACTERS:
        return visible
    half = (_MOST_CHARACTERS - 3) // 2
    return f"{visible[:half]} … {visible[-half:]}"


def sanitize_line(text: str) -> str:
    """The same, however long it is."""
    return _UNSHOWABLE.sub(_code, text)


def _code(match: re.Match[str]) -> str:
    character = match[0]
    # Python's way of keeping a byte of a file name that is no UTF-8 (PEP 383).
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


# What is markup in CommonMark, GitHub's dialect or Python-Markdown. A backslash is understood by
# all of them before the first group only; the second is written as a character reference: HTML, a
# line through, mathematics, and addresses that become links by themselves.
_MARKUP: Final = re.compile(r"([\\`*_\[\]#|])|[&<>~$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape_markdown(text: str) -> str:
    r"""Make other people's text stand in Markdown as itself.

    It may stand within a line or a cell of a table; at the beginning of a paragraph, text such as
    ``1. x`` would still be a list.

    Args:
        text: A name or a line; bytes that are no UTF-8 may be in it as lone surrogates.

    Returns:
        One line, without control characters.

    >>> escape_markdown("a|b <c>")
    'a\\|b &#60;c&#62;'
    """
    return _MARKUP.sub(
        lambda match: f"\\{match[0]}" if match[1] else f"&#{ord(match[0])};", sanitize(text)
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, num_text_columns: int = 1) -> str:
    """A table in the form that GitHub, Hugging Face and TensorBoard read.

    Args:
        head: Titles of the columns, escaped.
        rows: Their cells, escaped.
        num_text_columns: How many columns from the left hold words; the others hold numbers and
            are aligned to the right.
    """
    rules = ["---" if number < num_text_columns else "---:" for number, _ in enumerate(head)]
    lines = [head, rules, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fence(text: str, language: str = "") -> str:
    """A block of code, whatever the text holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text}\n{marks}"
