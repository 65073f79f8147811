"""A row of ``decisions.csv``, and what all rows about a file mean together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from candid.core.text import plural, sanitize
from candid.errors import UsageError

KEEP: Final = "keep"
DROP: Final = "drop"

_NUM_NAMED = 5

#: Path and content, which identify a file.
File = tuple[str, str]


@dataclass(frozen=True)
class Decision:
    """A row: a file with a finding, and the user's decision."""

    path: str  # relative to the folder, with forward slashes; or see `about_all`
    content: str  # SHA-256 of the file; empty if it could not be read or there is none
    finding: str  # code of the check that reported the file
    suggestion: str = ""  # the check's suggestion: ``keep``, ``drop``, a class, or empty
    decision: str = ""  # the user's decision: ``keep``, ``drop``, a class, or empty


_ALL: Final = "*: "


def about_all(trait: str) -> str:
    """The path column of a row about a trait of all photos, which is no file: ``*: file size``."""
    return f"{_ALL}{trait}"


def is_about_all(row: Decision) -> bool:
    """Whether a row is about a trait of all photos; a photo's path has a slash."""
    return row.path.startswith(_ALL) and "/" not in row.path and not row.content


def class_as_decision(name: str) -> str:
    """How a class is written into the columns ``suggestion`` and ``decision``.

    Example:
        >>> class_as_decision("happy"), class_as_decision("Keep")
        ('happy', 'Keep/')
    """
    return f"{name}/" if name.strip().lower() in (KEEP, DROP) else name


@dataclass(frozen=True)
class Meaning:
    """What to do with a file: the word is ``keep`` or ``drop``, or empty with a label."""

    word: str
    label: str = ""


KEEPS: Final = Meaning(KEEP)
DROPS: Final = Meaning(DROP)


def file_of(row: Decision) -> File:
    """The file that a row is about."""
    return row.path, row.content


def read_meanings(decided: Sequence[Decision], classes: Sequence[str]) -> dict[File, Meaning]:
    """Combine all rows about a file: ``drop`` wins over a class, a class over ``keep``.

    Args:
        decided: Rows that have a decision.
        classes: Class names.

    Raises:
        UsageError: A decision is neither keyword nor class, or a file gets two classes.
    """
    names = _Names(classes)
    by_file: dict[File, dict[Meaning, list[Decision]]] = {}
    for row in decided:
        by_file.setdefault(file_of(row), {}).setdefault(names.read(row), []).append(row)
    conflicts = [
        [rows for meaning, rows in written.items() if meaning.label]
        for written in by_file.values()
        if DROPS not in written and sum(meaning.label != "" for meaning in written) > 1
    ]
    if conflicts:
        raise _conflict_error(conflicts)
    return {file: _strongest(written) for file, written in by_file.items()}


def _strongest(written: Mapping[Meaning, object]) -> Meaning:
    if DROPS in written:
        return DROPS
    return next((meaning for meaning in written if meaning.label), KEEPS)


def _conflict_error(conflicts: Sequence[Sequence[Sequence[Decision]]]) -> UsageError:
    """The error for files with two classes; the rows are given by file and by class."""
    named = "; ".join(_describe(written) for written in conflicts[:_NUM_NAMED])
    more = len(conflicts) - _NUM_NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return UsageError(
        f"the decisions about {plural(len(conflicts), 'file')} contradict each other: "
        f"{named}{rest}. Keep one of them for each file."
    )


def _describe(written: Sequence[Sequence[Decision]]) -> str:
    """``sad/a.jpg: 'happy' (label-suspect) and 'angry' (near-copy)``."""
    both = []
    for rows in written:
        codes = ", ".join(sorted({row.finding or "no finding" for row in rows}))
        both.append(f"'{sanitize(rows[0].decision)}' ({sanitize(codes)})")
    return f"{sanitize(written[0][0].path)}: {' and '.join(sorted(both))}"


class _Names:
    """Class names, as users and spreadsheets may write them."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        # spreadsheets strip spaces that a folder's name may end with
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
        names = ", ".join(sorted(sanitize(class_as_decision(name)) for name in self._classes))
        hint = "" if row.decision.isprintable() else " Save the file as CSV in UTF-8."
        raise UsageError(
            f"the decision '{sanitize(row.decision)}' about {sanitize(row.path)} is not a class. "
            f"Expected keep, drop or one of {names}.{hint}"
        )
