"""What a person decided about the photos, step by step, and the ``decisions.csv`` that follows.

The journal ``steps.jsonl`` is only ever added to, so that every step can be undone, after a restart
too; ``decisions.csv`` is written anew after each step, for every command and the audit's page::

    {"word": "drop", "files": [["sad/a.jpg", "60f1…"]], "csv": "SHA-256 of the file that follows"}
    {"each": [["sad/c.jpg", "fcde…", "happy"]], "csv": "…"}    a batch that was labelled
    {"rows": [["sad/b.jpg", "9f86…", "label-suspect", "happy", ""]], "csv": "…"}   another's file
    {"undo": true, "csv": "…"}
    {"moved": 1, "files": […], "csv": "…"}    as decided, so nothing is to be decided any more
    {"returned": 1, "left": […], "csv": "…"}   and back, but for those left
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from candid.core.hashing import hash_bytes
from candid.core.journal import append_line, read_lines, replace_file
from candid.core.text import plural, reason_of
from candid.data.decisions import DROP, KEEP, Decision, class_as_decision, read_decisions, to_csv
from candid.errors import UsageError
from candid.studio.project import Project

#: In the state folder.
DECISIONS: Final = "decisions.csv"
_STEPS: Final = "steps.jsonl"
_FINDING: Final = "studio"

#: Path and content of a photo.
File = tuple[str, str]


class _State(NamedTuple):
    """Rows of another's file, the words that were decided after it, and a number of moves."""

    rows: tuple[Decision, ...]
    words: dict[File, str]
    moved: int = 0  # which list of moves it is the result of; see `candid.data.decisions.moving`


class Decided:
    """Decisions about the photos of a project."""

    def __init__(self, project: Project) -> None:
        """Begin with those that the state folder holds."""
        self._project = project
        self.file = project.state / DECISIONS
        self._journal = project.state / _STEPS
        self._current: tuple[int, dict[int, str]] = (-1, {})
        self._states: list[_State] = []
        self._last = ""
        self._load()

    @property
    def current(self) -> dict[int, str]:
        """The decision by the number of the photo: ``keep``, ``drop``, or a class as in the file.

        Photos without one are missing, and so are those that changed since.
        """
        with self._project.lock:
            key = hash((self._num_read, self._project.num_scans))
            if self._current[0] != key:
                self._current = key, dict(self._by_number())
            return self._current[1]

    @property
    def is_any(self) -> bool:
        """Whether a command has to be given the file."""
        return bool(self.current)

    def decide(self, numbers: Sequence[int], word: str) -> None:
        """Decide about photos; it is no step if that was decided already.

        Args:
            numbers: Of the photos.
            word: ``keep``, ``drop``, or a class as in ``decisions.csv``; empty takes a decision
                back.

        Raises:
            UsageError: There is no such class, or the state can't be written.
        """
        self._require_words([word])
        photos = [self._project.photo(number) for number in numbers]
        files = [(photo.path, photo.content) for photo in photos]
        if any(self.current.get(number, "") != word for number in numbers):
            self._take({"word": word, "files": files})

    def decide_each(self, words: Mapping[int, str]) -> None:
        """Decide about photos in one step: a word for each number; see `decide`.

        Raises:
            UsageError: There is no such class, or the state can't be written.
        """
        self._require_words(words.values())
        photos = [(self._project.photo(number), word) for number, word in words.items()]
        self._take({"each": [(photo.path, photo.content, word) for photo, word in photos]})

    def undo(self) -> bool:
        """Take the last step back; False if there is none.

        Raises:
            UsageError: By it files were moved, so they have to be moved back.
        """
        with self._project.lock:
            self._load_if_changed()
            if len(self._states) < 2:
                return False
            if self._states[-1].moved:
                raise UsageError(
                    "the last step moved files. Move them back first: Apply to folder…"
                )
            self._take({"undo": True})
            return True

    @property
    def moved(self) -> set[int]:
        """Numbers of the lists of moves whose files need no decision any more."""
        return {state.moved for state in self._states if state.moved}

    def note_moved(self, number: int, files: Sequence[File]) -> None:
        """Files were moved as it was decided, so nothing is left to be decided about them."""
        self._take({"moved": number, "files": files})

    def note_returned(self, number: int, left: Sequence[File]) -> None:
        """They were moved back, so what was decided holds again; not for those that are left."""
        self._take({"returned": number, "left": left})

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens."""
        words = list(self.current.values())
        return {
            "num": len(words),
            "num_dropped": words.count(DROP),
            "num_relabelled": sum(word not in (KEEP, DROP) for word in words),
            "last": self._last,
            "can_undo": len(self._states) > 1,
            "file": str(self.file),
        }

    def _require_words(self, given: Iterable[str]) -> None:
        words = {KEEP, DROP, "", *map(class_as_decision, self._project.classes)}
        for word in given:
            if word not in words:
                classes = ", ".join(self._project.classes)
                raise UsageError(f"there is no class {word!r}. Expected keep, drop or: {classes}.")

    # --- Steps ------------------------------------------------------------------------------------

    def _take(self, step: dict[str, Any]) -> None:
        with self._project.lock:
            self._load_if_changed()
            states, last = list(self._states), self._last
            self._apply(step)
            text = self._to_csv()
            try:
                self._append(step | {"csv": hash_bytes(text)})
                replace_file(self.file, text)
            except OSError as error:
                self._states, self._last = states, last
                why = reason_of(error)
                raise UsageError(
                    f"the decision can't be kept in {self.file.parent}: {why}. Free some space, or "
                    "make the folder writable, and decide again."
                ) from error
            self._project.changed()

    def _apply(self, step: dict[str, Any]) -> None:
        self._num_read += 1
        if "undo" in step:
            if len(self._states) > 1:
                self._states.pop()
            self._last = ""
            return
        if "returned" in step:
            self._states = _returned(self._states, step)
            self._last = ""
            return
        rows, words, _ = self._states[-1]
        if "rows" in step:
            rows, words = tuple(Decision(*row) for row in step["rows"]), {}
            self._last = f"{plural(len(rows), 'row')} of {DECISIONS} taken in"
        elif "each" in step:
            words = words | {(path, content): word for path, content, word in step["each"]}
            self._last = f"{plural(len(step['each']), 'photo')} labelled"
        else:
            files = [(path, content) for path, content in step["files"]]
            words = words | dict.fromkeys(files, step.get("word", ""))
            what = "moved" if "moved" in step else step["word"] or "undecided"
            self._last = f"{plural(len(files), 'photo')}: {what}"
        self._states.append(_State(rows, words, step.get("moved", 0)))

    def _append(self, step: dict[str, Any]) -> None:
        append_line(self._journal, step)
        self._size = self._journal.stat().st_size

    def _load_if_changed(self) -> None:
        """Another studio may work on the folder too."""
        size = self._journal.stat().st_size if self._journal.is_file() else 0
        if size != self._size:
            self._load()

    def _load(self) -> None:
        """Read the journal, and take in a file that another program wrote."""
        self._states = [_State((), {})]
        self._num_read, self._last = 0, ""
        steps = read_lines(self._journal)
        self._size = self._journal.stat().st_size if self._journal.is_file() else 0
        written = set()
        for step in steps:
            written.add(step["csv"])
            self._apply(step)
        found = self.file.read_bytes() if self.file.is_file() else None
        if found is not None and hash_bytes(found) not in written:
            rows = [list(vars(row).values()) for row in read_decisions(self.file)]
            self._take_in({"rows": rows})
        elif found is not None or steps:
            text = self._to_csv()
            if text != found:  # killed between the journal and the file
                replace_file(self.file, text)

    def _take_in(self, step: dict[str, Any]) -> None:
        self._apply(step)
        text = self._to_csv()
        self._append(step | {"csv": hash_bytes(text)})
        replace_file(self.file, text)

    # --- What follows from them -------------------------------------------------------------------

    def _by_number(self) -> Iterable[tuple[int, str]]:
        rows, words, _ = self._states[-1]
        found: dict[File, str] = {}
        for row in rows:  # drop wins over a class, a class over keep
            if row.decision and not row.path.startswith("*"):
                before = found.get((row.path, row.content), KEEP)
                found[row.path, row.content] = before if before.lower() == DROP else row.decision
        for (path, content), word in (found | words).items():
            number = self._project.number_of(path)
            if word and number is not None and self._project.photos[number].content == content:
                yield number, word

    def _to_csv(self) -> bytes:
        """Rows of another's file, undecided where the studio decided, and the studio's."""
        rows, words, _ = self._states[-1]
        kept = [
            replace(row, decision="") if (row.path, row.content) in words else row for row in rows
        ]
        own = [
            Decision(path, content, _FINDING, "", word)
            for (path, content), word in sorted(words.items())
            if word
        ]
        return to_csv([*kept, *own]).encode("utf-8", "surrogateescape")


def _returned(states: list[_State], step: dict[str, Any]) -> list[_State]:
    """Without the state after a list of moves; what is left where it is stays undecided."""
    place = next((i for i, state in enumerate(states) if state.moved == step["returned"]), 0)
    if not place:
        return states
    before, after = states[place - 1].words, states[place].words
    left = {(path, content) for path, content in step["left"]}
    again = {
        file: before.get(file)
        for file in after
        if file not in left and after[file] != before.get(file)
    }
    later = [state._replace(words=_with(state.words, again)) for state in states[place + 1 :]]
    kept = (
        states[:place]
        if not left
        else [*states[:place], _State(states[place].rows, _with(after, again))]
    )
    return [*kept, *later]


def _with(words: dict[File, str], others: dict[File, str | None]) -> dict[File, str]:
    """With other words; a file whose word is None has none."""
    merged = words | others
    return {file: word for file, word in merged.items() if word is not None}
