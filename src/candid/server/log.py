"""The log: a line per request on stdout, problems on stderr, as text or as JSON.

A request is logged by its route, not by its path or query, so that no names of photos get into the
log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from queue import Full, Queue
from threading import Thread
from typing import Final

_STDOUT: Final = logging.getLogger("candid.server.stdout")
_MOST_WAITING: Final = 10_000  # lines
_FLUSH_S: Final = 1.0


def configure(*, as_json: bool) -> None:
    """Log to stdout and stderr of this process."""
    problems = logging.StreamHandler()
    if as_json:
        problems.setFormatter(_JsonFormatter())
    logging.getLogger().addHandler(problems)
    if sys.stdout is None:  # closed before the start, so its number may be that of a socket
        return
    requests = _Background(sys.stdout.fileno(), sys.stdout.encoding)
    requests.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    _STDOUT.addHandler(requests)
    _STDOUT.setLevel(logging.INFO)
    _STDOUT.propagate = False


def tell(line: str) -> None:
    """Write a line to stdout."""
    _STDOUT.info(line)


def warn(line: str) -> None:
    """Write a line to stderr."""
    logging.getLogger("candid.server").warning(line)


def log_request(values: Mapping[str, str | float]) -> None:
    """Log an answered request: its client, method, route, status, ms and request_id."""
    line = "%(client)s %(method)s %(route)s %(status)d %(ms).1f ms %(request_id)s"
    _STDOUT.info(line, values, extra={"values": values})


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return f"{_time_of(record)} {line}" if hasattr(record, "values") else line


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, object] = {"time": _time_of(record), "level": record.levelname.lower()}
        values |= getattr(record, "values", None) or {"message": record.getMessage()}
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return json.dumps(values)


class _Background(logging.Handler):
    """Writes in a thread: if a reader of the log stalls, lines are dropped, and answers go on."""

    def __init__(self, descriptor: int, encoding: str) -> None:
        super().__init__()
        self._descriptor, self._encoding = descriptor, encoding
        self._waiting: Queue[bytes] = Queue(_MOST_WAITING)
        Thread(target=self._write, name="candid-log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Full):
            line = f"{self.format(record)}\n"
            self._waiting.put_nowait(line.encode(self._encoding, "backslashreplace"))

    def flush(self) -> None:
        """Wait a moment for what is not written yet; called at the end of the process."""
        end = time.monotonic() + _FLUSH_S
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _write(self) -> None:
        while True:
            line = self._waiting.get()
            with suppress(OSError):  # nobody reads any more
                # Without sys.stdout, whose lock would be held at the end of the process.
                os.write(self._descriptor, line)
            self._waiting.task_done()
