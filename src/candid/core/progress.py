"""Progress of long steps, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from candid.core.notebook import NotebookBar, in_notebook

Advance = Callable[[int], None]

_LINE_EVERY_S = 10.0
_REDRAWN_PER_S = 2
_BAR_WIDTH = 16


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
        self.say(f"{title}: {done} in {time.monotonic() - started:.1f} s")

    def say(self, line: str) -> None:
        """Print a line to stderr."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class Bars(Lines):
    """Bars on a terminal, drawn by Rich, which move while a step computes, too."""

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Advance]:
        """Begin a step; with a total of 0, of unknown length."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        how_far = (BarColumn(_BAR_WIDTH), MofNCompleteColumn()) if total else ()
        columns = (SpinnerColumn(), "{task.description}", *how_far, TimeElapsedColumn())
        console = Console(stderr=True)
        with RichProgress(
            *columns, console=console, transient=True, refresh_per_second=_REDRAWN_PER_S
        ) as bar:
            task = bar.add_task(title, total=total or None)
            yield lambda count: bar.advance(task, count)


def for_terminal() -> Progress:
    """Bars where stderr is a terminal, lines elsewhere."""
    return Bars() if sys.stderr.isatty() else Lines()


def for_python() -> Progress:
    """For a call in Python: a bar in a notebook or at a prompt; nothing in a script."""
    if in_notebook():
        return NotebookBar()
    return Bars() if hasattr(sys, "ps1") and sys.stderr.isatty() else Silent()
