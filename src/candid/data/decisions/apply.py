"""Decisions and a `Catalog` → a `Catalog`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from candid.core.hashing import hash_bytes
from candid.core.text import join_names, sanitize
from candid.data.catalog import DROPPED, Catalog, Photo, Skipped
from candid.data.decisions.decision import (
    DROPS,
    KEEP,
    Decision,
    File,
    class_as_decision,
    file_of,
    read_meanings,
)
from candid.data.decisions.table import DecisionsFile
from candid.errors import DataError

_NUM_NAMED = 5


@dataclass(frozen=True)
class Applied:
    """A folder as the person wants it seen.

    Attributes:
        catalog: Dropped photos are among its ``skipped``, the others have their right labels.
        num_dropped: How many photos were dropped.
        num_relabelled: How many photos have another label than their folder's.
        kept: Path, content and finding of each file that the person keeps, where it is in the
            folder now; files that are dropped, gone or changed are not among them.
        notes: What the person should know.
    """

    catalog: Catalog
    num_dropped: int
    num_relabelled: int
    kept: frozenset[tuple[str, str, str]]
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
        return (f"{sanitize(self.file.name)}: {self.applied.summary}", *self.applied.notes)

    def to_json(self) -> dict[str, Any]:
        """What a run keeps of it beside the file."""
        return {
            "sha256": hash_bytes(self.file.data),
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

    Of several rows about a file, ``drop`` wins over a class, and a class over ``keep``.

    Args:
        catalog: The folder as it was found.
        decisions: The rows, the undecided ones too.

    Returns:
        The new catalog, and what was done.

    Raises:
        UsageError: A decision is neither word nor class, or one file gets two classes.
        DataError: A class that had photos has none any more.
    """
    rows = sorted(set(decisions), key=_order)
    decided = [row for row in rows if row.decision]
    meanings = read_meanings(decided, catalog.classes)
    found = _locate(catalog, rows)
    here = [(file, photo, meanings[file]) for file, photo in found.items() if file in meanings]
    drops = [(path, photo) for (path, _), photo, meaning in here if meaning == DROPS]
    labels = {
        photo.path: meaning.label
        for _, photo, meaning in here
        if meaning.label not in ("", photo.label)
    }
    changed = _relabel(_drop(catalog, [photo for _, photo in drops]), labels)
    _require_all_classes(catalog, changed)
    kept = _kept(decided, found, changed)
    lost = _lost([row for row in decided if file_of(row) not in found], catalog)
    notes = (*_lost_notes(lost), *_renamed_notes(drops), *_word_notes(decided, catalog.classes))
    return Applied(changed, len(drops), len(labels), kept, notes)


def _order(row: Decision) -> tuple[str, ...]:
    return row.path, row.content, row.finding, row.decision, row.suggestion


def _kept(
    decided: Iterable[Decision], found: Mapping[File, Photo], changed: Catalog
) -> frozenset[tuple[str, str, str]]:
    """What is kept, by the path where it is now."""
    left = {photo.path for photo in changed.photos}
    # files that can't be read are no photos, and are not looked for under another name
    now = {(s.path, s.content): (s.path, s.content) for s in changed.skipped if s.reason != DROPPED}
    now |= {file: (p.path, p.content) for file, p in found.items() if p.path in left}
    return frozenset(
        (*now[file_of(row)], row.finding)
        for row in decided
        if row.decision.lower() == KEEP and file_of(row) in now
    )


def _locate(catalog: Catalog, rows: Sequence[Decision]) -> Mapping[File, Photo]:
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
    # unreadable (of no content), or dropped before; another file's drop explains nothing
    left_out = {row.path: row.content for row in catalog.skipped}
    found = {}
    for path, content in {file_of(row) for row in rows}:
        here = by_content.get(content, [])
        same = [photo for photo in here if photo.path == path]
        is_left_out = left_out.get(path) in ("", content)
        renamed = len(here) == 1 == len(named[content]) and not is_left_out
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
            f"the decisions leave no photo in {', '.join(map(sanitize, sorted(emptied)))}. Take "
            f"some of them back, or move the class's folder out of {sanitize(str(before.folder))}."
        )


def _lost_notes(lost: Sequence[Decision]) -> list[str]:
    if not lost:
        return []
    named = join_names(sorted({sanitize(row.path) for row in lost}), most=_NUM_NAMED)
    if len(lost) == 1:
        return [f"1 decision is about a file that is gone or changed: {named}"]
    return [f"{len(lost)} decisions are about files that are gone or changed: {named}"]


def _renamed_notes(drops: Sequence[tuple[str, Photo]]) -> list[str]:
    """A copy whose twin was deleted looks like a renamed file if the sheet does not name both."""
    renamed = [
        f"{sanitize(now.path)} (was {sanitize(path)})" for path, now in drops if now.path != path
    ]
    if not renamed:
        return []
    named = join_names(sorted(renamed), most=_NUM_NAMED)
    return [f"dropped under another name: {named}. Delete the row of what should stay."]


def _word_notes(decided: Sequence[Decision], classes: Sequence[str]) -> list[str]:
    """A class may be called like a word; the word was meant, unless the person says otherwise."""
    used = {row.decision.lower() for row in decided}
    return [
        f"{name.strip().lower()} in the decisions was not taken for the class {sanitize(name)}; "
        f"write {sanitize(name)}/ for that"
        for name in classes
        if class_as_decision(name) != name and name.strip().lower() in used
    ]
