"""Other people's text, fit for a tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from candid.showable import show_text

# TensorBoard's data server (0.7.2) finds no image whose tag JSON would have to escape: it reads its
# own keys as strings without escapes. "mistakes/1 a\b.jpg" would be a broken picture.
_LOOKALIKES: Final = str.maketrans({"\\": "\N{SET MINUS}", '"': "'"})


def tag_text(text: str) -> str:
    r"""Make other people's text fit for a tag.

    Args:
        text: A name or a caption; bytes that are no UTF-8 may be in it as lone surrogates.

    Returns:
        What can be seen and encoded, without backslashes and double quotes.

    >>> tag_text('a "b"\n')
    "a 'b'∖n"
    """
    return show_text(text).translate(_LOOKALIKES)


def tag_names(classes: Sequence[str]) -> tuple[str, ...]:
    r"""Names that a tag can hold, a different one for each class.

    Args:
        classes: Names of folders; bytes that are no UTF-8 may be in them as lone surrogates.

    >>> tag_names(["a\udcff", "a\\xff"])
    ('a∖xff', 'a∖xff (2)')
    """
    names: list[str] = []
    for text in map(tag_text, classes):
        name, number = text, 1
        while name in names:
            number += 1
            name = f"{text} ({number})"
        names.append(name)
    return tuple(names)
