"""Draws one moving line on a terminal, as a process of its own: run by `candid.core.progress`.

A thread would stand still wherever another one holds Python's lock, which libraries do for seconds.
Messages come as lines of JSON on standard input; it ends, and the line is gone, with the last one.
This file is run by its path and imports nothing of Candid.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any, Final, TextIO

_MOVE_EVERY_S: Final = 0.1
_USUAL_COLUMNS: Final = 80
_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES: Final = "|/-\\"


class Step:
    """A step that is going on; without a total, as long as it takes."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self._started = time.monotonic()

    def __str__(self) -> str:
        """``Reading the photos: 960 of 1,998, 1:51 left``."""
        elapsed = time.monotonic() - self._started
        if not self.total:
            counted = f"{self.done:,}, " if self.done else ""
            return f"{self.title}: {counted}{_minutes(elapsed)}"
        left = ""
        if self.done:
            left = f", {_minutes(elapsed * (self.total - self.done) / self.done)} left"
        return f"{self.title}: {self.done:,} of {self.total:,}{left}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _writable(text: str, file: TextIO) -> str:
    """A text, with codes for the characters that an encoding other than UTF-8 does not have."""
    try:
        text.encode(file.encoding, file.errors or "strict")
    except UnicodeEncodeError:
        return text.encode(file.encoding, "backslashreplace").decode(file.encoding)
    return text


class Line:
    """The line, drawn with carriage returns alone, which every terminal understands."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._steps = [Step("Working", 0)]
        shows_braille = terminal.encoding.lower().startswith("utf")
        self._frames = itertools.cycle(_FRAMES if shows_braille else _ASCII_FRAMES)
        self._width = 0  # of what is drawn now

    def take(self, kind: str, *values: Any) -> None:
        """Take a message: a step begins, has done so much, or ends; or text is to stand above."""
        if kind == "begin":
            self._steps.append(Step(*values))
        elif kind == "done":
            self._steps[-1].done = values[0]
        elif kind == "end":
            self._steps.pop()
        else:
            self.draw("")
            file = sys.stdout if kind == "show" else self._terminal
            file.write(f"{_writable(values[0], file)}\n")
            file.flush()

    def move(self) -> None:
        """Draw the next frame."""
        self.draw(_writable(f"{next(self._frames)} {self._steps[-1]}", self._terminal))

    def draw(self, text: str) -> None:
        """Draw a text instead of the line; none leaves nothing of it."""
        columns = os.get_terminal_size(self._terminal.fileno()).columns or _USUAL_COLUMNS
        text = text[: columns - 1]  # a full line would wrap
        self._terminal.write(f"\r{text:<{min(self._width, columns - 1)}}" + "\r" * (not text))
        self._terminal.flush()
        self._width = len(text)


def main(encoding: str) -> None:
    """Draw until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends the line when it ends
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding, errors="surrogateescape")  # type: ignore[union-attr]
    messages: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for message in sys.stdin:
            messages.put(message)
        messages.put("")

    threading.Thread(target=read, daemon=True).start()
    line, next_move = Line(sys.stderr), 0.0
    while True:
        if (now := time.monotonic()) >= next_move:
            line.move()
            next_move = now + _MOVE_EVERY_S
        try:
            message = messages.get(timeout=max(0.0, next_move - now))
        except queue.Empty:
            continue
        if not message:
            line.draw("")
            return
        kind, *values = json.loads(message)
        line.take(kind, *values)
        if kind == "begin":  # shown however short it is
            next_move = 0.0


if __name__ == "__main__":
    main(sys.argv[1])
