"""Move the photos that were decided about: dropped ones aside, relabelled ones to their class.

Nothing is deleted and nothing overwritten. ``moves.jsonl`` is written before each move, and only
added to, so that what was moved can be moved back, also after the process was killed in between::

    {"apply": 1, "time": 1764547200, "moves": [["happy/a.jpg", "sad/a.jpg", "9f86…"], …]}
    {"made": ["sad"], "move": 0}         the folders that it makes, then the file
    {"moved": 1, "places": [0, 2]}       done; the others could not be moved
    {"back": 1}                          to be moved back
    {"returned": 1}                      done
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from candid.core.hashing import hash_bytes
from candid.core.journal import append_line, read_lines
from candid.core.progress import Advance
from candid.core.text import reason_of
from candid.data.catalog import Catalog, Photo
from candid.data.decisions.decision import DROPS, Meaning
from candid.data.walk import is_hidden
from candid.errors import DataError, UsageError

#: Where dropped photos are moved to, within the state folder.
REMOVED: Final = "removed"
JOURNAL: Final = "moves.jsonl"


@dataclass(frozen=True)
class Move:
    """A photo that is moved.

    Attributes:
        path: Where it is, relative to the folder, with forward slashes.
        target: Where it goes, likewise.
        content: SHA-256 of its bytes.
    """

    path: str
    target: str
    content: str


@dataclass(frozen=True)
class Plan:
    """What would be moved, and what can't be and why, by path."""

    moves: tuple[Move, ...]
    left: Mapping[str, str]

    @property
    def key(self) -> str:
        """Equal for equal moves: what was shown is what is done."""
        return hash_bytes(json.dumps([astuple(move) for move in self.moves]).encode("ascii"))[:16]


@dataclass
class Done:
    """A list of moves that was carried out, wholly or in part.

    Attributes:
        number: Counts from 1.
        moves: All that were planned.
        places: Of those that were moved, in ``moves``; None while it is not known.
        made: Folders that were made for them.
        tried: Place of the last one that was begun; -1 for none.
        is_going_back: Whether moving back was begun.
        is_back: Whether it was finished.
    """

    number: int
    time_s: float
    moves: tuple[Move, ...]
    places: list[int] | None = None
    made: list[str] = field(default_factory=list)
    tried: int = -1
    is_going_back: bool = False
    is_back: bool = False

    @property
    def moved(self) -> tuple[Move, ...]:
        """Those that were moved."""
        return tuple(self.moves[place] for place in self.places or ())


def plan_moves(catalog: Catalog, decided: Iterable[tuple[Photo, Meaning]], removed: str) -> Plan:
    """Plan where the photos go that were decided about.

    A dropped photo goes to ``removed``, below which it keeps its path; any other to the same place
    in the folder of its class, in the same part. Of a name that is taken, a number is appended.

    Args:
        catalog: Of a folder on this machine, as scanned.
        decided: Photos to drop, and photos of another class than that of their folder.
        removed: Folder of dropped photos, relative to the catalog's folder.

    Raises:
        UsageError: The catalog is of no folder on this machine, or a class can't be a folder.
    """
    folder = catalog.source.path
    if folder is None or catalog.listing is not None:
        raise UsageError("only the photos of a folder on this machine can be moved.")
    root, taken = folder.resolve(), set[str]()
    moves, left = [], {}
    for photo, meaning in sorted(decided, key=lambda pair: pair[0].path):
        if meaning == DROPS:
            wanted = f"{removed}/{photo.path}"
        elif meaning.label in ("", photo.label):
            continue
        else:
            wanted = _in_class(catalog, photo, meaning.label)
        reason = _hindrance(root, photo.path, wanted)
        if reason:
            left[photo.path] = reason
        else:
            target = _free(root, wanted, taken)
            taken.add(target.casefold())
            moves.append(Move(photo.path, target, photo.content))
    return Plan(tuple(moves), left)


class Mover:
    """Moves photos of a folder, and back.

    Args:
        folder: The photos.
        state: The folder that the journal is kept in.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        self._folder = folder
        self._journal = state / JOURNAL

    def history(self) -> list[Done]:
        """All lists of moves, the oldest first."""
        found: list[Done] = []
        for line in read_lines(self._journal):
            _take(found, line)
        return found

    def move(self, plan: Plan, advance: Advance = lambda _: None) -> Done:
        """Move what is planned; files that changed since, or are gone, stay.

        Raises:
            DataError: The journal can't be written, so nothing (more) was moved.
        """
        done = Done(len(self.history()) + 1, time.time(), plan.moves)
        rows = [astuple(move) for move in plan.moves]
        self._write({"apply": done.number, "time": round(done.time_s), "moves": rows}, sync=True)
        moved = []
        for place, move in enumerate(plan.moves):
            if self._has(move.path, move.content):
                missing = self._missing_above(move.target)
                self._write({"made": missing, "move": place})
                done.made += missing
                if self._carry(move.path, move.target):
                    moved.append(place)
            advance(1)
        done.places = moved
        self._write({"moved": done.number, "places": moved}, sync=True)
        return done

    def move_back(self, done: Done, advance: Advance = lambda _: None) -> tuple[Move, ...]:
        """Move back what was moved, the last first; gives those that are back.

        Raises:
            DataError: The journal can't be written.
        """
        if not done.is_going_back:
            self._write({"back": done.number}, sync=True)
        back = []
        for move in reversed(done.moved):
            is_back = self._has(move.path, move.content) and not self._lies(move.target)
            if is_back or (
                self._has(move.target, move.content) and self._carry(move.target, move.path)
            ):
                back.append(move)
            advance(1)
        for made in sorted(done.made, key=len, reverse=True):
            with suppress(OSError):  # others put files there
                (self._folder / made).rmdir()
        self._write({"returned": done.number}, sync=True)
        done.is_going_back = done.is_back = True
        return tuple(back)

    def recover(self) -> Done | None:
        """Bring to an end what was interrupted; gives that list of moves, or None.

        A list that was being moved ends with those that were moved, and one that was being moved
        back is moved back.
        """
        history = self.history()
        if not history:
            return None
        last = history[-1]
        if last.places is None:
            if last.tried >= 0:
                self._clear_placeholder(last.moves[last.tried])
            last.places = [
                place
                for place, move in enumerate(last.moves[: last.tried + 1])
                if not self._lies(move.path) and self._has(move.target, move.content)
            ]
            self._write({"moved": last.number, "places": last.places}, sync=True)
            return last
        if last.is_going_back and not last.is_back:
            for move in last.moved:
                self._clear_placeholder(Move(move.target, move.path, move.content))
            self.move_back(last)
            return last
        return None

    # --- Files ------------------------------------------------------------------------------------

    def _carry(self, path: str, target: str) -> bool:
        """Move a file to a name that nothing has; False if that is impossible."""
        start, end = self._folder / path, self._folder / target
        try:
            end.parent.mkdir(parents=True, exist_ok=True)
            with end.open("xb"):
                pass
        except OSError:
            return False
        try:
            start.replace(end)
        except OSError:
            end.unlink()
            return False
        return True

    def _clear_placeholder(self, move: Move) -> None:
        """Remove the empty file that `_carry` begins with, if it was killed right then."""
        end = self._folder / move.target
        if self._has(move.path, move.content) and end.is_file() and not end.stat().st_size:
            end.unlink()

    def _has(self, path: str, content: str) -> bool:
        with suppress(OSError):
            return hash_bytes((self._folder / path).read_bytes()) == content
        return False

    def _lies(self, path: str) -> bool:
        return os.path.lexists(self._folder / path)

    def _missing_above(self, target: str) -> list[str]:
        """Folders of a target that have to be made, the outermost first."""
        above = [str(one) for one in PurePosixPath(target).parents if str(one) != "."]
        return [one for one in reversed(above) if not self._lies(one)]

    def _write(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        try:
            append_line(self._journal, line, sync=sync)
        except OSError as error:
            why = reason_of(error)
            raise DataError(
                f"{self._journal} can't be written: {why}. Files are moved only if that is written "
                "down before; free some space, or make the folder writable, and try again."
            ) from error


def _take(found: list[Done], line: Mapping[str, Any]) -> None:
    """Take in a line of the journal."""
    if "apply" in line:
        moves = tuple(Move(*row) for row in line["moves"])
        found.append(Done(line["apply"], line["time"], moves))
    elif "move" in line:
        found[-1].made += line["made"]
        found[-1].tried = line["move"]
    elif "moved" in line:
        found[line["moved"] - 1].places = line["places"]
    elif "back" in line:
        found[line["back"] - 1].is_going_back = True
    elif "returned" in line:
        found[line["returned"] - 1].is_back = True


def _in_class(catalog: Catalog, photo: Photo, label: str) -> str:
    """The path in the folder of a class, in the same part and at the same depth."""
    if is_hidden(label) or {"/", "\\", "\0"} & set(label):
        raise UsageError(f"{label!r} can't be the name of a folder.")
    below = catalog.below_part(photo.path)
    if below:
        above = photo.path.removesuffix("/".join(below))
        return f"{above}{label}/{'/'.join(below[1:])}"
    steps = photo.path.split("/")
    return "/".join((label, *(steps[1:] if len(steps) > 1 else steps)))


def _hindrance(root: Path, path: str, target: str) -> str:
    """Why a photo can't be moved; empty if it can."""
    if (root / path).is_symlink():
        return "it is a link to a file elsewhere"
    if (root / path).resolve() != root / path:
        return "its folder is a link to a folder elsewhere"
    above = next(one for one in (root / target).parents if one.exists())
    if above.resolve() != above:
        return "the folder that it would go to is a link to a folder elsewhere"
    if not above.is_dir():
        return f"{above.name} is a file, so there can't be a folder of that name"
    if not os.access(above, os.W_OK) or not os.access((root / path).parent, os.W_OK):
        return "its folder can't be written to"
    return ""


def _free(root: Path, wanted: str, taken: set[str]) -> str:
    """A path that nothing has: the wanted one, or with a number."""
    return next(
        path
        for path in _numbered(wanted)
        if path.casefold() not in taken and not os.path.lexists(root / path)
    )


def _numbered(path: str) -> Iterator[str]:
    yield path
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    number = 2
    while True:
        numbered = f"{stem}-{number}.{suffix}" if stem and dot else f"{name}-{number}"
        yield f"{folder}{slash}{numbered}"
        number += 1
