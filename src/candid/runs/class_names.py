"""Class names in answers: several in one cell of a CSV file, and names that are easily misread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, get_args

from candid.core.text import join_names, sanitize
from candid.models.conformal import Verdict

#: What to do about names that are easily misread.
REMEDY: Final = "Rename these folders, or let scripts read verdict and label instead of the answer."
#: All verdicts on a photo, including that on a file that can't be read.
VERDICTS: Final = (*get_args(Verdict), "unreadable")

_TO_ESCAPE = re.compile(r"[|\\]")
_KINDS: Final = (
    (re.compile(rf"^\s*({'|'.join(VERDICTS)})\s*$", re.IGNORECASE), "is the name of a verdict too"),
    (_TO_ESCAPE, "has a character that CSV escapes (| or \\)"),
    # Programs for tables evaluate such a cell (OWASP, "CSV Injection"); a number is what it says.
    (re.compile(r"^([=+@\t\r]|-(?!\d+(\.\d+)?$))"), "is a formula to a spreadsheet"),
)


def join_classes(names: Iterable[str]) -> str:
    r"""Join class names by ``|``; within a name, ``|`` is written ``\|``, and ``\`` ``\\``.

    `split_classes` shows how to split them again.

    >>> join_classes(["happy", "sad"]), join_classes(["a|b"])
    ('happy|sad', 'a\\|b')
    """
    return "|".join(_TO_ESCAPE.sub(r"\\\g<0>", name) for name in names)


def split_classes(text: str) -> list[str]:
    r"""Undo `join_classes`.

    >>> split_classes(r"happy|a\|b")
    ['happy', 'a|b']
    """
    names = re.findall(r"(?:[^|\\]|\\.)+", text, re.DOTALL)
    return [re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL) for name in names]


def misread(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names that people or programs may misread in answers, and why, as ``is a formula to …``."""
    for name in names:
        reasons = [reason for pattern, reason in _KINDS if pattern.search(name)]
        if reasons:
            yield name, " and ".join(reasons)


def note_misread(names: Iterable[str]) -> tuple[str, ...]:
    """A note on the names that are easily misread, in one line; empty if there are none."""
    found = [f"'{sanitize(name)}' {reason}" for name, reason in misread(names)]
    if not found:
        return ()
    return (f"class names that are easily misread in answers: {join_names(found)}. {REMEDY}",)
