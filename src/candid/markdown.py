"""Other people's text, fit for a Markdown document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from candid.showable import show_text

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
        lambda match: f"\\{match[0]}" if match[1] else f"&#{ord(match[0])};", show_text(text)
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
