"""Apply decisions to a `Catalog`: drop and relabel photos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from candid.core.hashing import hash_bytes
from candid.core.text import join_names, plural, sanitize
from candid.data.catalog import DROPPED, Catalog, Photo, Skipped
from candid.data.decisions.decision import (
    DROPS,
    KEEP,
    Decision,
    File,
    class_as_decision,
    file_of,
    is_about_all,
    read_meanings,
)
from candid.data.decisions.table import DecisionsFile
from candid.errors import DataError, UsageError

_NUM_NAMED = 5


@dataclass(frozen=True)
class Applied:
    """A catalog with the decisions applied.

    Attributes:
        catalog: Dropped photos are in ``skipped``, the others have their decided labels.
        num_dropped: Number of photos dropped.
        num_relabelled: Number of photos whose label is not that of their folder.
        kept: Current path, content and finding of each file with the decision ``keep``, without
            files that are dropped, missing or changed; and of each trait of all photos likewise.
        notes: Messages for the user.
    """

    catalog: Catalog
    num_dropped: int
    num_relabelled: int
    kept: frozenset[tuple[str, str, str]]
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What was done: ``3 photos dropped, 2 relabelled``."""
        return f"{plural(self.num_dropped, 'photo')} dropped, {self.num_relabelled} relabelled"


@dataclass(frozen=True)
class Decided:
    """A file of decisions, and the result of applying it."""

    file: DecisionsFile
    applied: Applied

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, and messages for the user."""
        summary = self.applied.summary
        if not any(row.decision for row in self.file.rows):
            summary = "it has no decision. Decide on audit.html, and name the file that it gives"
        return (f"{sanitize(self.file.name)}: {summary}", *self.applied.notes)

    def to_json(self) -> dict[str, Any]:
        """The entry in a run's manifest."""
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

    A row applies to the photo with its path and content. If that is missing and exactly one photo
    has the content, the file was renamed, and the row applies to it. No row applies to a file whose
    content has changed. Of several rows about a file, ``drop`` wins over a class, and a class over
    ``keep``.

    Args:
        catalog: The folder as scanned.
        decisions: The rows, undecided ones included.

    Raises:
        UsageError: A decision is neither keyword nor class, one file gets two classes, or a trait
            of all photos gets anything but ``keep``.
        DataError: A class loses all its photos.
    """
    rows = sorted(
        set(decisions), key=attrgetter("path", "content", "finding", "decision", "suggestion")
    )
    kept_of_all = _kept_of_all([row for row in rows if is_about_all(row)])
    rows = [row for row in rows if not is_about_all(row)]
    decided = [row for row in rows if row.decision]
    meanings = read_meanings(decided, catalog.classes)
    everything = replace(catalog, photos=(*catalog.photos, *catalog.unlabelled))
    found = _locate(everything, rows)
    here = [(file, photo, meanings[file]) for file, photo in found.items() if file in meanings]
    drops = [(path, photo) for (path, _), photo, meaning in here if meaning == DROPS]
    labels = {
        photo.path: meaning.label
        for _, photo, meaning in here
        if meaning.label not in ("", photo.label)
    }
    dropped = [Skipped(photo.path, DROPPED, photo.content) for _, photo in drops]
    changed = _relabelled(everything.without(sorted(dropped, key=attrgetter("path"))), labels)
    _require_all_classes(catalog, changed)
    kept = _kept(decided, found, changed) | kept_of_all
    lost = _lost([row for row in decided if file_of(row) not in found], catalog)
    notes = (*_lost_notes(lost), *_renamed_notes(drops), *_word_notes(decided, catalog.classes))
    return Applied(changed, len(drops), len(labels), kept, notes)


def _relabelled(catalog: Catalog, labels: Mapping[str, str]) -> Catalog:
    """With the labels by path; photos that still have none are left out of the photos."""
    every = [replace(photo, label=labels.get(photo.path, photo.label)) for photo in catalog.photos]
    photos = sorted((photo for photo in every if photo.label), key=attrgetter("path"))
    now = {photo.path for photo in photos}
    return replace(
        catalog,
        photos=tuple(photos),
        skipped=tuple(row for row in catalog.skipped if row.path not in now),
        unlabelled=tuple(photo for photo in every if not photo.label),
    )


def _kept_of_all(rows: Sequence[Decision]) -> frozenset[tuple[str, str, str]]:
    """Traits of all photos that are kept: that is what the classes are."""
    for row in rows:
        if row.decision and row.decision.lower() != KEEP:
            raise UsageError(
                f"the decision '{sanitize(row.decision)}' about {sanitize(row.path)} is about all "
                "photos. Expected keep, or nothing."
            )
    return frozenset((row.path, row.content, row.finding) for row in rows if row.decision)


def _kept(
    decided: Iterable[Decision], found: Mapping[File, Photo], changed: Catalog
) -> frozenset[tuple[str, str, str]]:
    remaining = {photo.path for photo in changed.photos}
    # unreadable files are no photos, and are not searched for under another name
    now = {(s.path, s.content): (s.path, s.content) for s in changed.skipped if s.reason != DROPPED}
    now |= {file: (p.path, p.content) for file, p in found.items() if p.path in remaining}
    return frozenset(
        (*now[file_of(row)], row.finding)
        for row in decided
        if row.decision.lower() == KEEP and file_of(row) in now
    )


def _locate(catalog: Catalog, rows: Sequence[Decision]) -> Mapping[File, Photo]:
    """Find the photos that the rows are about.

    A file counts as renamed only if nothing else explains why its path is missing: of two copies,
    one may have been deleted, and the other must not be dropped instead.
    """
    by_content: dict[str, list[Photo]] = {}
    for photo in catalog.photos:
        by_content.setdefault(photo.content, []).append(photo)
    named: dict[str, set[str]] = {}
    for row in rows:
        named.setdefault(row.content, set()).add(row.path)
    # unreadable (no content) or dropped before; the drop of another file explains nothing
    skipped = {row.path: row.content for row in catalog.skipped}
    found = {}
    for path, content in {file_of(row) for row in rows}:
        copies = by_content.get(content, [])
        same = [photo for photo in copies if photo.path == path]
        is_skipped = skipped.get(path) in ("", content)
        is_renamed = len(copies) == 1 == len(named[content]) and not is_skipped
        if same or is_renamed:
            found[path, content] = same[0] if same else copies[0]
    return found


def _lost(rows: Sequence[Decision], catalog: Catalog) -> list[Decision]:
    """Rows whose file is missing, though neither unreadable nor dropped before."""
    contents = {row.path: row.content for row in catalog.skipped}
    dropped = set(contents.values()) - {""}
    return [
        row
        for row in rows
        if contents.get(row.path) not in ("", row.content) and row.content not in dropped
    ]


def _require_all_classes(before: Catalog, after: Catalog) -> None:
    emptied = {photo.label for photo in before.photos} - {photo.label for photo in after.photos}
    if emptied:
        raise DataError(
            f"the decisions leave no photo in {', '.join(map(sanitize, sorted(emptied)))}. Undo "
            f"some of them, or move the class's folder out of {sanitize(str(before.source))}."
        )


def _lost_notes(lost: Sequence[Decision]) -> list[str]:
    if not lost:
        return []
    named = join_names(sorted({sanitize(row.path) for row in lost}), most=_NUM_NAMED)
    if len(lost) == 1:
        return [f"1 decision is about a file that is gone or changed: {named}"]
    return [f"{len(lost)} decisions are about files that are gone or changed: {named}"]


def _renamed_notes(drops: Sequence[tuple[str, Photo]]) -> list[str]:
    """A copy whose twin was deleted looks like a renamed file if the rows do not name both."""
    renamed = [
        f"{sanitize(now.path)} (was {sanitize(path)})" for path, now in drops if now.path != path
    ]
    if not renamed:
        return []
    named = join_names(sorted(renamed), most=_NUM_NAMED)
    return [f"dropped under another name: {named}. To keep a photo, delete its row."]


def _word_notes(decided: Sequence[Decision], classes: Sequence[str]) -> list[str]:
    """Notes about classes named like a keyword that was used."""
    used = {row.decision.lower() for row in decided}
    return [
        f"{name.strip().lower()} in the decisions was not read as the class {sanitize(name)}; "
        f"write {sanitize(name)}/ for the class"
        for name in classes
        if class_as_decision(name) != name and name.strip().lower() in used
    ]
