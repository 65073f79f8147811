"""The line of a terminal moves until all is done, and results stand above it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from candid.core.progress import MovingSteps, ResultsOnly, for_terminal

pty = pytest.importorskip("pty", reason="there are pseudo-terminals on Unix only")


@contextmanager
def terminal(encoding: str = "utf-8") -> Iterator[list[str]]:
    """Stdout and stderr are a terminal of 40 columns; afterwards the list has what was written."""
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    written: list[str] = []
    with (
        open(theirs, "w", encoding=encoding) as screen,  # noqa: PTH123
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdout", screen)
        patch.setattr(sys, "stderr", screen)
        yield written
    data = b""
    with suppress(OSError):  # nobody writes any more
        while part := os.read(ours, 100_000):
            data += part
    os.close(ours)
    written.append(data.decode(encoding).replace("\r\n", "\n"))


def on_screen(written: str) -> list[str]:
    """What stands on the screen in the end: a carriage return writes over a line."""
    lines = []
    for line in written.split("\n"):
        cells = ""
        for text in line.split("\r"):
            cells = text + cells[len(text) :]
        lines.append(cells.rstrip())
    return lines


def test_the_line_moves_within_a_step_and_between_steps() -> None:
    with terminal() as seen, for_terminal() as progress:
        time.sleep(0.25)
        with progress.step("Reading photos", 1200) as advance:
            advance(300)
            time.sleep(0.35)
    [written] = seen
    assert len(re.findall(r"Working: 0:00", written)) >= 2
    assert len(re.findall(r"Reading photos: 300 of 1,200, 0:0\d l", written)) >= 2
    assert on_screen(written) == [""]


def test_results_and_notes_stand_above_the_line() -> None:
    title = "A step with too long a name " * 3
    with terminal() as seen, for_terminal() as progress, progress.step(title, 0):
        time.sleep(0.15)
        progress.show("a result")
        progress.say("a note")
        time.sleep(0.15)
    [written] = seen
    assert on_screen(written) == ["a result", "a note", ""]
    assert all(len(text) < 40 for text in re.split(r"[\r\n]", written))


def test_an_error_leaves_no_line_behind() -> None:
    with terminal() as seen, pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with for_terminal() as progress, progress.step("Fitting", 0):
            raise KeyboardInterrupt
    assert on_screen(seen[0]) == [""]


def test_what_the_encoding_of_a_terminal_lacks_is_written_as_codes() -> None:
    with terminal("latin-1") as seen, for_terminal() as progress, progress.step("Fitting", 0):
        progress.say("Gefühle/信.jpg")
        progress.show("ä \ud800")
    assert on_screen(seen[0]) == ["Gefühle/\\u4fe1.jpg", "ä \\ud800", ""]


def test_at_a_prompt_steps_within_a_step_share_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    start = subprocess.Popen

    def count(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        started.append(arguments)
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", count)
    with terminal() as seen:
        steps = MovingSteps()
        with steps.step("Outer", 0), steps.step("Inner", 9):
            steps.say("a note")
        assert len(started) == 1
        steps.say("between")
        with pytest.raises(KeyboardInterrupt), steps.step("Next", 0):
            raise KeyboardInterrupt
        assert len(started) == 2
        steps.say("after all")
    [written] = seen
    assert re.search(r"Outer.*Inner: 0 of 9.*a note", written, re.DOTALL)
    assert on_screen(written) == ["a note", "between", "after all", ""]


def test_without_a_terminal_a_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with for_terminal() as progress, progress.step("Reading", 2) as advance:
        advance(2)
    assert re.fullmatch(r"Reading: 2 in \d\.\d s\n", capsys.readouterr().err)
    with for_terminal(elsewhere=ResultsOnly) as progress, progress.step("Reading", 1) as advance:
        advance(1)
        progress.show("a result")
    assert capsys.readouterr() == ("a result\n", "")
