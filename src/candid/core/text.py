"""Text in messages: counts and lists, and untrusted text made safe for terminals and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final


def join_names(paths: Sequence[str], most: int = 3) -> str:
    """Join the first few names, and count the others.

    Args:
        paths: Names, the most important first.
        most: How many to name; one more is named too, as "and 1 more" saves nothing.

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
_MOST_OF_WORD: Final = 400
_MOST_OF_LINE: Final = 4000
_MOST_OF_PART: Final = 90
_MOST_OF_REPR: Final = 300
_LONG_WORD: Final = re.compile(rf"\S{{{_MOST_OF_WORD + 1},}}")

# Control characters, line and paragraph separators, lone surrogates (bytes of a name that are not
# UTF-8) and direction marks: "gpj.exe" must not look like "exe.jpg".
_UNSHOWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def sanitize(text: str) -> str:
    r"""Make untrusted text safe to show: invisible characters are written as escape codes.

    The middle of what is too long is left out: of a name alone, so that the sentence around it
    stays whole.

    Args:
        text: A name or a line; may hold bytes that are not UTF-8 as lone surrogates.

    Returns:
        At most 4,000 characters that UTF-8 can encode, in words of at most 400.

    >>> sanitize("a\nb\udcff")
    'a\\nb\\xff'
    """
    visible = _LONG_WORD.sub(lambda match: cut(match[0], _MOST_OF_WORD), sanitize_line(text))
    return cut(visible, _MOST_OF_LINE, " … ")


def cut(text: str, most: int, mark: str = "…") -> str:
    """Leave out the middle of a text of more than ``most`` characters."""
    if len(text) <= most:
        return text
    half = (most - len(mark)) // 2
    return f"{text[:half]}{mark}{text[-half:]}"


def brief(kind: str, *words: str) -> str:
    """A ``repr`` in one line of at most 300 characters.

    >>> brief("Run", "'runs/a'", "", "accuracy 0.9")
    "Run('runs/a', accuracy 0.9)"
    """
    kept = (cut(sanitize_line(word), _MOST_OF_PART) for word in words if word)
    return cut(f"{kind}({', '.join(kept)})", _MOST_OF_REPR)


def sanitize_line(text: str) -> str:
    """`sanitize` without the limit on length."""
    return _UNSHOWABLE.sub(_escape_code, text)


def _escape_code(match: re.Match[str]) -> str:
    character = match[0]
    # A byte of a file name that is not UTF-8 (PEP 383).
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal: Chinese has two a character, an accent none.

    >>> display_width("é"), display_width("笑顔")
    (1, 4)
    """
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


# Markup in CommonMark, GitHub's dialect or Python-Markdown. All of them accept a backslash before
# the first group; the rest (HTML, strikethrough, mathematics, autolinks) becomes a character
# reference.
_MARKUP: Final = re.compile(r"([\\`*_\[\]#|])|[&<>~$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape_markdown(text: str) -> str:
    r"""Escape untrusted text for Markdown, within a line or a table cell.

    At the beginning of a paragraph, text such as ``1. x`` would still be a list.

    Args:
        text: As for `sanitize`.

    Returns:
        One line, without control characters.

    >>> escape_markdown("a|b <c>")
    'a\\|b &#60;c&#62;'
    """
    return _MARKUP.sub(
        lambda match: f"\\{match[0]}" if match[1] else f"&#{ord(match[0])};", sanitize(text)
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, num_text_columns: int = 1) -> str:
    """A Markdown table that GitHub, Hugging Face and TensorBoard render.

    Args:
        head: Titles of the columns, escaped.
        rows: Their cells, escaped.
        num_text_columns: How many columns from the left hold text; the others are right-aligned.
    """
    rules = ["---" if number < num_text_columns else "---:" for number, _ in enumerate(head)]
    lines = [head, rules, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as indented lines with aligned columns, for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fence(text: str, language: str = "") -> str:
    """A fenced code block, whatever the text holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text}\n{marks}"


def reason_of(error: OSError) -> str:
    """Why the operating system refused, in its words: ``No space left on device``."""
    return error.strerror or type(error).__name__
