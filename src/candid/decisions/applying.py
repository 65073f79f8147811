"""Decisions and a `Catalog` → a `Catalog`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from candid.catalog import DROPPED, Catalog, Photo, Skipped
from candid.decisions.decision import DROP, KEEP, Decision, class_as_decision
from candid.decisions.table import DecisionsFile
from candid.errors import DataError, UsageError

_NUM_NAMED = 5


@dataclass(frozen=True)
class Applied:
    """A folder as the person wants it seen.

    Attributes:
        catalog: Dropped photos are among its ``skipped``, the others have their right labels.
        num_dropped: How many photos were dropped.
        num_relabelled: How many photos have another label than their folder's.
        kept: Content and finding of each row by which the person keeps a file.
        notes: What the person should know.
    """

    catalog: Catalog
    num_dropped: int
    num_relabelled: int
    kept: frozenset[tuple[str, str]]
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What was done: ``3 photos dropped, 2 relabelled``."""
        noun = "photo" if self.num_dropped == 1 else "photos"
        return f"{self.num_dropped} {noun} dropped, {self.num_relabelled} relabelled"


@dataclass(frozen=True)
class Decided:
    """A file of decisions, and what it did to a folder."""

    file: DecisionsFile
    applied: Applied

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, and what the person should know of it."""
        return (f"{self.file.name}: {self.applied.summary}", *self.applied.notes)

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it beside the file."""
        return {
            "sha256": hashlib.sha256(self.file.data).hexdigest(),
            "num_dropped": self.applied.num_dropped,
            "num_relabelled": self.applied.num_relabelled,
            "num_kept": len(self.applied.kept),
        }


def decide(catalog: Catalog, file: DecisionsFile) -> Decided:
    """Apply a file of decisions; see `apply_decisions`."""
    return Decided(file, apply_decisions(catalog, file.rows))


def apply_decisions(catalog: Catalog, decisions: Iterable[Decision]) -> Applied:
    """Drop and relabel photos; the order of the rows makes no difference.

    A row is about the photo with its path and content. Where the file was renamed, it is about the
    only photo with that content. A file that has changed since is another one, and no row's.

    Of several rows about a file, ``drop`` or a class wins over ``keep``.

    Args:
        catalog: The folder as it was found.
        decisions: The rows, the undecided ones too.

    Returns:
        The new catalog, and what was done.

    Raises:
        UsageError: A decision is neither word nor class, or two about one file exclude each other.
        DataError: A class that had photos has none any more.
    """
    rows = sorted(set(decisions), key=_order)
    decided = [row for row in rows if row.decision]
    meanings = _meanings(decided, catalog.classes)
    found = _locate(catalog, rows)
    here = [(file, photo, meanings[file]) for file, photo in found.items() if file in meanings]
    drops = [(path, photo) for (path, _), photo, meaning in here if meaning == _DROPS]
    labels = {
        photo.path: meaning.label
        for _, photo, meaning in here
        if meaning.label not in ("", photo.label)
    }
    changed = _relabel(_drop(catalog, [photo for _, photo in drops]), labels)
    _require_all_classes(catalog, changed)
    kept = {(row.content, row.finding) for row in decided if row.decision.lower() == KEEP}
    lost = _lost([row for row in decided if _file(row) not in found], catalog)
    notes = (*_lost_notes(lost), *_renamed_notes(drops), *_word_notes(decided, catalog.classes))
    return Applied(changed, len(drops), len(labels), frozenset(kept), notes)


@dataclass(frozen=True)
class _Meaning:
    word: str
    label: str = ""


_KEEPS: Final = _Meaning(KEEP)
_DROPS: Final = _Meaning(DROP)
_File = tuple[str, str]


def _file(row: Decision) -> _File:
    return row.path, row.content


def _order(row: Decision) -> tuple[str, ...]:
    return row.path, row.content, row.finding, row.decision, row.suggestion


def _meanings(decided: Sequence[Decision], classes: Sequence[str]) -> dict[_File, _Meaning]:
    """What all rows about a file mean together."""
    # spreadsheets cut the spaces off that a folder's name may end with
    known = {name.strip(): name for name in classes} | {name: name for name in classes}
    by_file: dict[_File, dict[_Meaning, str]] = {}
    for row in decided:
        by_file.setdefault(_file(row), {})[_read(row, known)] = row.decision
    meanings = {}
    for file, written in by_file.items():
        strong = [meaning for meaning in written if meaning != _KEEPS]
        if len(strong) > 1:
            both = " and ".join(sorted(repr(written[meaning]) for meaning in strong))
            raise UsageError(
                f"the decisions about {file[0]} exclude each other: {both}. Leave one of them."
            )
        meanings[file] = strong[0] if strong else _KEEPS
    return meanings


def _read(row: Decision, known: Mapping[str, str]) -> _Meaning:
    word = row.decision.lower()
    if word in (KEEP, DROP):
        return _Meaning(word)
    name = row.decision.removesuffix("/")
    if name not in known:
        hint = "" if row.decision.isprintable() else " Save the file as CSV in UTF-8."
        raise UsageError(
            f"the decision {row.decision!r} about {row.path} is no class. Expected keep, drop or "
            f"one of {', '.join(sorted(map(class_as_decision, known.values())))}.{hint}"
        )
    return _Meaning("", known[name])


def _locate(catalog: Catalog, rows: Sequence[Decision]) -> Mapping[_File, Photo]:
    """The photos that files of rows are now.

    A file is only taken for a renamed one if nothing else explains why its path is gone: of two
    copies, one may have been deleted, and the other must not be dropped in its stead.
    """
    by_content: dict[str, list[Photo]] = {}
    for photo in catalog.photos:
        by_content.setdefault(photo.content, []).append(photo)
    named: dict[str, set[str]] = {}
    for row in rows:
        named.setdefault(row.content, set()).add(row.path)
    left_out = {row.path for row in catalog.skipped}
    found = {}
    for path, content in {_file(row) for row in rows}:
        here = by_content.get(content, [])
        same = [photo for photo in here if photo.path == path]
        renamed = len(here) == 1 == len(named[content]) and path not in left_out
        if same or renamed:
            found[path, content] = same[0] if same else here[0]
    return found


def _lost(rows: Sequence[Decision], catalog: Catalog) -> list[Decision]:
    """Rows whose file is not left out anyway, because it can't be read or was dropped before."""
    contents = {row.path: row.content for row in catalog.skipped}
    dropped = set(contents.values()) - {""}
    return [
        row
        for row in rows
        if contents.get(row.path) not in ("", row.content) and row.content not in dropped
    ]


def _drop(catalog: Catalog, photos: Iterable[Photo]) -> Catalog:
    drops = [Skipped(photo.path, DROPPED, photo.content) for photo in photos]
    return catalog.without(sorted(drops, key=lambda row: row.path))


def _relabel(catalog: Catalog, labels: Mapping[str, str]) -> Catalog:
    photos = [
        replace(photo, label=labels[photo.path]) if photo.path in labels else photo
        for photo in catalog.photos
    ]
    return replace(catalog, photos=tuple(photos))


def _require_all_classes(before: Catalog, after: Catalog) -> None:
    emptied = {photo.label for photo in before.photos} - {photo.label for photo in after.photos}
    if emptied:
        raise DataError(
            f"the decisions leave no photo in {', '.join(sorted(emptied))}. Take some of them "
            f"back, or move the class's folder out of {before.folder}."
        )


def _lost_notes(lost: Sequence[Decision]) -> list[str]:
    if not lost:
        return []
    named = _name(sorted({row.path for row in lost}))
    if len(lost) == 1:
        return [f"1 decision is about a file that is gone or changed: {named}"]
    return [f"{len(lost)} decisions are about files that are gone or changed: {named}"]


def _renamed_notes(drops: Sequence[tuple[str, Photo]]) -> list[str]:
    """A copy whose twin was deleted looks like a renamed file if the sheet does not name both."""
    renamed = [f"{now.path} (was {path})" for path, now in drops if now.path != path]
    if not renamed:
        return []
    named = _name(sorted(renamed))
    return [f"dropped under another name: {named}. Delete the row of what should stay."]


def _name(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NUM_NAMED]) + (", …" if len(paths) > _NUM_NAMED else "")


def _word_notes(decided: Sequence[Decision], classes: Sequence[str]) -> list[str]:
    """A class may be called like a word; the word was meant, unless the person says otherwise."""
    used = {row.decision.lower() for row in decided}
    return [
        f"{name.strip().lower()} in the decisions was not taken for the class {name}; write "
        f"{name}/ for that"
        for name in classes
        if class_as_decision(name) != name and name.strip().lower() in used
    ]
