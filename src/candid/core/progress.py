"""Progress of long steps, on stderr: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, Protocol

from candid.core.notebook import NotebookBar, in_notebook

Advance = Callable[[int], None]

_LINE_EVERY_S: Final = 10.0
_TELL_EVERY_S: Final = 0.05
#: Set to ``json``, for a program: stderr holds a moving line's messages, a JSON array each.
VARIABLE: Final = "CANDID_PROGRESS"


class Progress(Protocol):
    """Progress callback."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step of ``total`` units; call the yielded function with the units just done."""
        ...

    def say(self, line: str) -> None:
        """Print a line."""
        ...


class Silent:
    """Reports nothing; for use as a library."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """Begin a step that is not reported."""
        yield lambda _: None

    def say(self, line: str) -> None:
        """Ignore a line."""


class Lines:
    """Plain lines for a log: one at the end of a step, and one every ten seconds."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step."""
        started = shown = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            now = time.monotonic()
            if now - shown >= _LINE_EVERY_S and done < total:
                shown = now
                self.say(f"{title}: {done} of {total}")

        yield advance
        counted = f"{done} in " if done or total else ""
        self.say(f"{title}: {counted}{time.monotonic() - started:.1f} s")

    def say(self, line: str) -> None:
        """Print a line to stderr."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def show(self, result: str) -> None:
        """Print a result to stdout."""
        print(result, flush=sys.stdout.isatty())  # noqa: T201


class ResultsOnly(Lines):
    """Lines without those of steps, for a command that may take no time at all."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:  # noqa: ARG002
        """Begin a step that is not reported."""
        yield lambda _: None


class MovingLine(Lines):
    """One line of a terminal that moves until all is done; see `candid.core.moving_line`."""

    def __init__(self, messages: IO[str]) -> None:
        """Write to the process that draws."""
        self._messages = messages

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step, perhaps within another one."""
        done, told = 0, 0.0

        def advance(count: int) -> None:
            nonlocal done, told
            done += count
            if (now := time.monotonic()) - told >= _TELL_EVERY_S:
                told = now
                self._send("done", done)

        self._send("begin", title, total)
        try:
            yield advance
        finally:
            self._send("end")

    def say(self, line: str) -> None:
        """Print a line above the moving one."""
        if not self._send("say", line):
            super().say(line)

    def show(self, result: str) -> None:
        """Print a result, above the moving line if stdout is a terminal too."""
        if not sys.stdout.isatty() or not self._send("show", result):
            super().show(result)

    def _send(self, *message: object) -> bool:
        """Send a message; False if the process is no more, for which no work is given up."""
        try:
            self._messages.write(f"{json.dumps(message)}\n")
            self._messages.flush()
        except (OSError, ValueError):
            return False
        return True


@contextmanager
def for_terminal(elsewhere: type[Lines] = Lines) -> Iterator[Lines]:
    """A moving line where stderr is a terminal, lines elsewhere."""
    if os.environ.get(VARIABLE) == "json":
        yield MovingLine(sys.stderr)
        return
    if not sys.stderr.isatty():
        yield elsewhere()
        return
    import subprocess

    script = Path(__file__).with_name("moving_line.py")
    sys.stdout.flush()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", script, sys.stderr.encoding],
        stdin=subprocess.PIPE,
        stdout=sys.stdout if sys.stdout.isatty() else subprocess.DEVNULL,
        stderr=sys.stderr,
        text=True,
        encoding="ascii",
    ) as process:
        assert process.stdin is not None
        line = MovingLine(process.stdin)
        warnings = _Warnings(line)
        logging.getLogger("candid").addHandler(warnings)
        try:
            yield line
        finally:
            logging.getLogger("candid").removeHandler(warnings)
            with suppress(OSError):
                process.stdin.close()
            process.wait()


class _Warnings(logging.Handler):
    """Prints warnings above a moving line, which they would break."""

    def __init__(self, line: Lines) -> None:
        super().__init__(logging.WARNING)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        self._line.say(record.getMessage())


class MovingSteps(Lines):
    """A moving line for each step alone, where nothing tells when all is done."""

    def __init__(self) -> None:
        self._line: Lines | None = None

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step, perhaps within another one."""
        if self._line is not None:
            with self._line.step(title, total) as advance:
                yield advance
            return
        with for_terminal() as self._line:
            try:
                with self._line.step(title, total) as advance:
                    yield advance
            finally:
                self._line = None

    def say(self, line: str) -> None:
        """Print a line, above the moving one if there is one."""
        if self._line is None:
            super().say(line)
        else:
            self._line.say(line)


def for_python() -> Progress:
    """For a call in Python: a bar in a notebook or at a prompt; nothing in a script."""
    if in_notebook():
        return NotebookBar()
    return MovingSteps() if hasattr(sys, "ps1") and sys.stderr.isatty() else Silent()
