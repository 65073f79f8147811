"""One row: a file in a finding, and what the person decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEEP: Final = "keep"
DROP: Final = "drop"


@dataclass(frozen=True)
class Decision:
    """A row: a file in a finding, and what the person decided about it.

    Attributes:
        path: Relative to the folder, with forward slashes.
        content: SHA-256 of the file; empty where it could not be read.
        finding: The code of the check that named the file.
        suggestion: What the check suggests: ``keep``, ``drop``, a class, or nothing.
        decision: What the person says: ``keep``, ``drop``, a class, or nothing yet.
    """

    path: str
    content: str
    finding: str
    suggestion: str = ""
    decision: str = ""


def class_as_decision(name: str) -> str:
    """How a class is written into the columns ``suggestion`` and ``decision``.

    Example:
        >>> class_as_decision("happy"), class_as_decision("Keep")
        ('happy', 'Keep/')
    """
    return f"{name}/" if name.strip().lower() in (KEEP, DROP) else name
