"""Commands of Candid that run beside the studio, one at a time, with their progress.

A job is the very command that a person would type, in a process of its own: it can be stopped, and
the screens stay quick. Progress comes as JSON, see `candid.core.progress`.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from candid.core.progress import VARIABLE
from candid.core.text import sanitize
from candid.server.schemas import Problem
from candid.studio.project import Activity, Project

_MOST_LINES: Final = 200


class Job:
    """A command that runs, or ran."""

    def __init__(self, number: int, kind: str, words: Sequence[str], project: Project) -> None:
        """Start it.

        Args:
            number: Of the job.
            kind: The command: ``train``.
            words: What is typed after ``candid``.
            project: Told of changes.
        """
        self.number, self.kind, self.words = number, kind, list(words)
        self.lines: list[str] = []
        self.result = ""
        self.code: int | None = None
        self.is_cancelled = False
        self.began = time.monotonic()
        self.seconds = 0.0
        self._steps: list[Activity] = []
        self._project = project
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from candid.cli.main import main; main()", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {VARIABLE: "json", "PYTHONIOENCODING": "utf-8"},
        )
        self._reader = threading.Thread(target=self._read_out, daemon=True)
        self._reader.start()
        threading.Thread(target=self._follow, daemon=True).start()

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self.code is None

    @property
    def command(self) -> str:
        """What a person would type."""
        return shlex.join(["candid", *self.words])

    def cancel(self) -> None:
        """Stop it as Ctrl-C would."""
        if self.is_running:
            self.is_cancelled = True
            self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float | None = None) -> None:
        """Wait for its end; kill it after the seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens."""
        step = self._steps[-1] if self._steps else None
        return {
            "number": self.number,
            "kind": self.kind,
            "command": self.command,
            "is_running": self.is_running,
            "is_cancelled": self.is_cancelled,
            "code": self.code,
            "seconds": self.seconds or time.monotonic() - self.began,
            "step": None if step is None else step.to_json(),
            "lines": self.lines[-_MOST_LINES:],
            "result": self.result,
        }

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        self.result = self._process.stdout.read()

    def _follow(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._take(line.rstrip("\n"))
        self._process.wait()
        self._reader.join()
        self.seconds = time.monotonic() - self.began
        self.code = self._process.returncode
        self._project.changed()

    def _take(self, line: str) -> None:
        try:
            kind, *values = json.loads(line)
        except (ValueError, TypeError):
            self.lines.append(sanitize(line))
        else:
            if kind == "begin":
                self._steps.append(Activity(values[0], values[1], since=time.monotonic()))
            elif kind == "done" and self._steps:
                self._steps[-1].done = values[0]
            elif kind == "end" and self._steps:
                self._steps.pop()
            elif kind in ("say", "show"):
                self.lines.append(values[0])
        self._project.changed()


class Jobs:
    """The jobs of a project, one at a time."""

    def __init__(self, project: Project) -> None:
        """Begin with none."""
        self._project = project
        self.all: list[Job] = []

    @property
    def last(self) -> Job | None:
        """The job that runs, or the last that ran."""
        return self.all[-1] if self.all else None

    def start(self, kind: str, words: Sequence[str]) -> Job:
        """Start a command; see `Job`.

        Raises:
            Problem: 409, another one runs.
        """
        with self._project.lock:
            if self.last is not None and self.last.is_running:
                raise Problem(409, "busy", f"`{self.last.command}` runs; wait or stop it.")
            self.all.append(Job(len(self.all), kind, words, self._project))
            return self.all[-1]

    def close(self) -> None:
        """Stop what runs."""
        if self.last is not None and self.last.is_running:
            self.last.cancel()
            self.last.wait(10)
