"""Progress of long steps, on stderr: a moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

Advance = Callable[[int], None]

_LINE_EVERY_S: Final = 10.0
_MOVE_EVERY_S: Final = 0.1
_USUAL_COLUMNS: Final = 80
_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES: Final = "|/-\\"


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


class _Step:
    """A step that is going on."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._started = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count

    def __str__(self) -> str:
        """``Reading the photos: 960 of 1,998, 1:51 left``."""
        elapsed = time.monotonic() - self._started
        if not self._total:
            counted = f"{self._done:,}, " if self._done else ""
            return f"{self._title}: {counted}{_minutes(elapsed)}"
        left = ""
        if self._done:
            left = f", {_minutes(elapsed * (self._total - self._done) / self._done)} left"
        return f"{self._title}: {self._done:,} of {self._total:,}{left}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class MovingLine(Lines):
    """One line of a terminal that moves until all is done, between the steps too.

    It is drawn with carriage returns alone, which every terminal understands.
    """

    def __init__(self, terminal: TextIO) -> None:
        """Draw nothing yet; see `moving`."""
        self._terminal = terminal
        self._steps = [_Step("Working", 0)]
        self._lock = threading.RLock()
        shows_braille = (terminal.encoding or "").lower().startswith("utf")
        self._frames = itertools.cycle(_FRAMES if shows_braille else _ASCII_FRAMES)
        self._width = 0  # of what is drawn now

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step, perhaps within another one."""
        step = _Step(title, total)
        self._steps.append(step)
        try:
            yield step.advance
        finally:
            self._steps.remove(step)

    def say(self, line: str) -> None:
        """Print a line above the moving one."""
        with self._lock:
            self._draw("")
            super().say(line)

    def show(self, result: str) -> None:
        """Print a result, above the moving line if stdout is a terminal too."""
        with self._lock:
            if sys.stdout.isatty():
                self._draw("")
            super().show(result)

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Draw from a thread of its own; nothing of the line is left in the end."""
        stop = threading.Event()
        thread = threading.Thread(target=self._move, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._draw("")

    def _move(self, stop: threading.Event) -> None:
        while True:
            with self._lock:
                self._draw(f"{next(self._frames)} {self._steps[-1]}")
            if stop.wait(_MOVE_EVERY_S):
                return

    def _draw(self, text: str) -> None:
        columns = os.get_terminal_size(self._terminal.fileno()).columns or _USUAL_COLUMNS
        text = text[: columns - 1]  # a full line would wrap
        self._terminal.write(f"\r{text:<{min(self._width, columns - 1)}}" + "\r" * (not text))
        self._terminal.flush()
        self._width = len(text)


@contextmanager
def for_terminal(elsewhere: type[Lines] = Lines) -> Iterator[Lines]:
    """A moving line where stderr is a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield elsewhere()
        return
    line = MovingLine(sys.stderr)
    with line.moving():
        yield line
