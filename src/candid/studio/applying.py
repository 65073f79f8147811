"""Moves photos in the folder as it was decided, and back."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from candid.core.journal import replace_file
from candid.data.decisions import DROP, KEEP
from candid.data.decisions.decision import DROPS, Meaning
from candid.data.decisions.moving import JOURNAL, REMOVED, Done, Move, Mover, Plan, plan_moves
from candid.errors import UsageError
from candid.server.schemas import Problem
from candid.studio.bursts import GROUPS
from candid.studio.decided import Decided
from candid.studio.project import Project

_MOST_LISTED: Final = 1000


class Applying:
    """Applies the decisions of a project to its folder."""

    def __init__(self, project: Project) -> None:
        """Begin with the journal in the state folder."""
        self._project = project
        self._mover = Mover(project.folder, project.state)
        self._lock = threading.RLock()
        self._is_recovered = False
        self._last: tuple[int, Done | None] = (0, None)  # size of the journal

    def last(self, decided: Decided) -> Done | None:
        """The last moves that can be moved back; an interrupted list is brought to an end first."""
        with self._lock:
            if not self._is_recovered:
                self._is_recovered = True
                self._recover(decided)
            journal = self._project.state / JOURNAL
            size = journal.stat().st_size if journal.is_file() else 0
            if size != self._last[0]:
                moved = [one for one in self._mover.history() if one.moved and not one.is_back]
                self._last = size, moved[-1] if moved else None
            return self._last[1]

    def plan(self, decided: Decided) -> Plan:
        """What would be moved.

        Raises:
            Problem: The photos are not listed yet.
            UsageError: The folder can't be written to.
        """
        project = self._project
        if project.keeps_state_elsewhere:
            raise UsageError(
                f"{project.folder} can't be written to, so nothing in it can be moved. Commands "
                f"leave out and relabel photos all the same: --decisions {decided.file}"
            )
        with project.lock:
            if project.catalog is None:
                raise Problem(409, "not_ready", "the photos are still being listed; a moment.")
            here = set(project.present)
            pairs = [
                (project.photos[number], _meaning(word))
                for number, word in decided.current.items()
                if number in here and word != KEEP
            ]
            removed = (project.state / REMOVED).relative_to(project.folder)
            return plan_moves(project.catalog, pairs, removed.as_posix())

    def apply(self, decided: Decided, key: str) -> Done:
        """Move the photos of the plan that was shown.

        Raises:
            Problem: The plan is another one by now.
        """
        with self._lock:
            plan = self.plan(decided)
            if plan.key != key:
                message = "the decisions or the folder changed meanwhile. Look at the list again."
                raise Problem(409, "changed", message)
            with self._project.step("Moving the photos", len(plan.moves)) as advance:
                done = self._mover.move(plan, advance)
            self._settle(done, decided)
            return done

    def move_back(self, decided: Decided) -> tuple[Move, ...]:
        """Move the last ones back; gives those that are back.

        Raises:
            Problem: There are none.
        """
        with self._lock:
            done = self.last(decided)
            if done is None:
                raise Problem(409, "nothing", "nothing was moved, or all is back.")
            with self._project.step("Moving the photos back", len(done.moved)) as advance:
                back = self._mover.move_back(done, advance)
            self._settle(done, decided)
            return back

    def _recover(self, decided: Decided) -> None:
        """Settle what was interrupted by a kill, of moving or after it."""
        recovered = self._mover.recover()
        history = self._mover.history()
        for done in history[-1:]:
            is_noted = done.number in decided.moved
            if recovered or (done.moved and is_noted == done.is_back):
                self._settle(done, decided)

    def _settle(self, done: Done, decided: Decided) -> None:
        """Keep groups and decisions right after moves."""
        targets = {move.path: move.target for move in done.moved}
        if done.is_back:
            targets = {target: path for path, target in targets.items()}
        _regroup(self._project.state / GROUPS, targets)
        files = [(move.path, move.content) for move in done.moved]
        if done.is_back and done.number in decided.moved:
            lies = [(self._project.folder / path).is_file() for path, _ in files]
            left = [file for file, is_back in zip(files, lies, strict=True) if not is_back]
            decided.note_returned(done.number, left)
        elif not done.is_back and files and done.number not in decided.moved:
            decided.note_moved(done.number, files)
        self._project.rescan()


def to_json(plan: Plan, project: Project) -> dict[str, Any]:
    """A plan as JSON values: the first moves, and the numbers of all."""
    listed = [
        {"id": project.number_of(move.path), "path": move.path, "target": move.target}
        for move in plan.moves[:_MOST_LISTED]
    ]
    is_removed = [move.target.startswith(f"{project.state.name}/") for move in plan.moves]
    return {
        "key": plan.key,
        "num": len(plan.moves),
        "num_removed": sum(is_removed),
        "moves": listed,
        "left": [{"path": path, "reason": reason} for path, reason in plan.left.items()],
        "removed": str(project.state / REMOVED),
    }


def _meaning(word: str) -> Meaning:
    return DROPS if word == DROP else Meaning("", word.removesuffix("/"))


def _regroup(file: Path, targets: Mapping[str, str]) -> None:
    """Name moved photos by their new paths in the file of groups, if there is one."""
    if not file.is_file():
        return
    text = file.read_text("utf-8-sig", "surrogateescape")
    header, *rows = [*csv.reader(io.StringIO(text))] or [[]]
    if "path" not in header:
        return
    column = header.index("path")
    changed = [*_renamed(rows, column, targets)]
    if changed == rows:
        return
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([header, *changed])
    replace_file(file, written.getvalue().encode("utf-8", "surrogateescape"))


def _renamed(
    rows: Iterable[list[str]], column: int, targets: Mapping[str, str]
) -> Iterable[list[str]]:
    for row in rows:
        new = targets.get(row[column]) if column < len(row) else None
        yield row if new is None else [*row[:column], new, *row[column + 1 :]]
