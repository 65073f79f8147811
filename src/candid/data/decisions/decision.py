"""What people wrote about a file → what is to be done with it.

One row: a file in a finding, and what the person decided about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from candid.core.text import sanitize
from candid.errors import UsageError

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


_NUM_NAMED = 5

#: A file of rows: its path and its content.
File = tuple[str, str]


@dataclass(frozen=True)
class Meaning:
    """What is to be done with a file.

    Attributes:
        word: ``keep``, ``drop``, or empty where it gets a label.
        label: A class.
    """

    word: str
    label: str = ""


KEEPS: Final = Meaning(KEEP)
DROPS: Final = Meaning(DROP)


def file_of(row: Decision) -> File:
    """Which file a row is about."""
    return row.path, row.content


def read_meanings(decided: Sequence[Decision], classes: Sequence[str]) -> dict[File, Meaning]:
    """Read what all rows about a file mean together.

    ``drop`` wins, for a dropped file needs no label; a class wins over ``keep``.

    Args:
        decided: Rows that have a decision.
        classes: Names of the classes.

    Raises:
        UsageError: A decision is neither word nor class, or a file gets two classes.
    """
    names = _Names(classes)
    by_file: dict[File, dict[Meaning, list[Decision]]] = {}
    for row in decided:
        by_file.setdefault(file_of(row), {}).setdefault(names.read(row), []).append(row)
    torn = [
        [rows for meaning, rows in written.items() if meaning.label]
        for written in by_file.values()
        if DROPS not in written and sum(meaning.label != "" for meaning in written) > 1
    ]
    if torn:
        raise _exclusion(torn)
    return {file: _strongest(written) for file, written in by_file.items()}


def _strongest(written: Mapping[Meaning, object]) -> Meaning:
    if DROPS in written:
        return DROPS
    return next((meaning for meaning in written if meaning.label), KEEPS)


def _exclusion(torn: Sequence[Sequence[Sequence[Decision]]]) -> UsageError:
    """Say of which rows one has to go.

    Args:
        torn: By file, and by class, the rows that say so.
    """
    named = "; ".join(_describe(written) for written in torn[:_NUM_NAMED])
    more = len(torn) - _NUM_NAMED
    rest = f"; and {more} more" if more > 0 else ""
    files = "1 file exclude" if len(torn) == 1 else f"{len(torn)} files exclude"
    return UsageError(
        f"the decisions about {files} each other: {named}{rest}. Leave one of them for each file."
    )


def _describe(written: Sequence[Sequence[Decision]]) -> str:
    """``sad/a.jpg: 'happy' (label-suspect) and 'angry' (near-copy)``."""
    both = sorted(
        f"'{sanitize(rows[0].decision)}' ({sanitize(', '.join(_codes(rows)))})" for rows in written
    )
    return f"{sanitize(written[0][0].path)}: {' and '.join(both)}"


def _codes(rows: Sequence[Decision]) -> list[str]:
    return sorted({row.finding or "no finding" for row in rows})


class _Names:
    """The classes, by the ways in which people and spreadsheets write them."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        # spreadsheets cut the spaces off that a folder's name may end with
        self._exact = {name.strip(): name for name in classes} | {name: name for name in classes}
        self._folded: dict[str, list[str]] = {}
        for name in classes:
            self._folded.setdefault(name.strip().casefold(), []).append(name)

    def read(self, row: Decision) -> Meaning:
        word = row.decision.lower()
        if word in (KEEP, DROP):
            return Meaning(word)
        written = row.decision.removesuffix("/")
        if written in self._exact:
            return Meaning("", self._exact[written])
        alike = self._folded.get(written.casefold(), [])
        if len(alike) == 1:
            return Meaning("", alike[0])
        raise self._unknown(row)

    def _unknown(self, row: Decision) -> UsageError:
        names = ", ".join(sorted(sanitize(class_as_decision(name)) for name in self._classes))
        hint = "" if row.decision.isprintable() else " Save the file as CSV in UTF-8."
        return UsageError(
            f"the decision '{sanitize(row.decision)}' about {sanitize(row.path)} is no class. "
            f"Expected keep, drop or one of {names}.{hint}"
        )
