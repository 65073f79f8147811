"""An export to the web in a browser: a local server that hands it work and gets answers back.

run(pixels) ─▶ Desk ─ GET check/work ──▶ web_check.js ─▶ engine.js ─▶ ONNX Runtime Web
                ◀──── POST check/answer ──────┘
"""

from __future__ import annotations

import json
import queue
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import ParityError
from candid.exporting.format import Answers
from candid.exporting.web_browser import BrowserError, browsing
from candid.exporting.web_files import HEADERS, type_of

_START_S: Final = 90.0
_WORK_S: Final = 180.0
_POLL_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 256 * 2**20
_ANSWERED: Final = ("check/ready", "check/answer", "check/failed")
_SCRIPT: Final = "check.js"
_PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><title>Candid</title>'
    f'<script type="module" src="{_SCRIPT}"></script>'
)


@dataclass(frozen=True)
class Work:
    """What a browser is asked.

    Attributes:
        told: What it is, as JSON values.
        body: A photo's file, or pixels.
    """

    told: dict[str, Any]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What a browser answered: ``ready``, ``answer`` or ``failed``."""

    kind: str
    told: dict[str, Any]
    body: bytes


@dataclass
class Desk:
    """Where work lies until the browser fetches it, and its answers until they are read."""

    work: queue.Queue[Work] = field(default_factory=queue.Queue)
    replies: queue.Queue[Reply] = field(default_factory=queue.Queue)


class WebExport:
    """An export that a browser runs.

    Attributes:
        runtime: What the browser runs it by, with its version.
    """

    def __init__(self, desk: Desk, browser: subprocess.Popen[bytes]) -> None:
        """Wait for the engine.

        Raises:
            BrowserError: The browser ended, or said nothing for too long.
            ParityError: The engine failed.
        """
        self._desk = desk
        self._browser = browser
        ready = json.loads(self._receive(_START_S).body)
        self.runtime = f"{ready['runtime']}, in a browser"

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """Ask about pixels, uint8 ``(n, s, s, 3)``."""
        reply = self._ask(Work({"kind": "pixels", "shape": pixels.shape}, pixels.tobytes()))
        values = np.frombuffer(reply.body, "<f4")
        shapes = {name: tuple(map(int, shape[1:])) for name, shape in reply.told.items()}
        rows = values.reshape(len(pixels), -1)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
        columns = np.split(rows, ends[:-1], axis=1)
        return {
            name: column.reshape(len(pixels), *shape)
            for (name, shape), column in zip(shapes.items(), columns, strict=True)
        }

    def predict(self, data: bytes) -> dict[str, Any]:
        """Ask about a photo's file, which the browser decodes: the JSON of a prediction."""
        reply = self._ask(Work({"kind": "photo", "name": "photo"}, data))
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def _ask(self, work: Work) -> Reply:
        self._desk.work.put(work)
        try:
            return self._receive(_WORK_S)
        except BrowserError as error:
            raise ParityError(
                f"the browser was lost while it ran the export: {error.reason}. It was removed; "
                "try again."
            ) from error

    def _receive(self, patience_s: float) -> Reply:
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            try:
                reply = self._desk.replies.get(timeout=0.5)
            except queue.Empty:
                if self._browser.poll() is not None:
                    raise BrowserError("it ended by itself") from None
                continue
            if reply.kind == "failed":
                said = reply.body.decode("utf-8", "replace").splitlines() or ["no word"]
                raise ParityError(
                    f"the export to the web does not run in a browser: {said[0]}. It was removed."
                )
            return reply
        raise BrowserError(f"it did not answer within {patience_s:.0f} seconds")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that was ended in the middle of a request."""


@contextmanager
def open_in_browser(folder: Path, browser: str) -> Iterator[WebExport]:
    """Serve an export on this machine alone, and open it in a browser without a window.

    Args:
        folder: The export's, with its preliminary manifest.
        browser: The browser's program.

    Raises:
        BrowserError: The browser does not run.
        ParityError: The export does not run in it.
    """
    desk = Desk()
    # Nobody else on this machine can guess the address, and so read the photos.
    root = f"/{secrets.token_urlsafe(16)}/"
    server = _Server(("127.0.0.1", 0), _handler(folder, root, desk))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}{root}check.html"
        with browsing(browser, address) as process:
            yield WebExport(desk, process)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(folder: Path, root: str, desk: Desk) -> type[BaseHTTPRequestHandler]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    served = {path.relative_to(folder).as_posix(): path for path in paths}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _WORK_S

        def do_GET(self) -> None:
            name = self._name()
            if name == "check/work":
                self._hand_out()
            elif name == "check.html":
                self._send(_PAGE.encode(), type_of(name))
            elif name == _SCRIPT:
                self._send((files(__package__) / "web_check.js").read_bytes(), type_of(name))
            elif name in served:
                self._send(served[name].read_bytes(), type_of(name))
            else:
                self._send(b"", "text/plain", status=404)

        def do_POST(self) -> None:
            kind = self._name().removeprefix("check/")
            length = int(self.headers.get("Content-Length") or 0)
            if self._name() not in _ANSWERED or length > _MAX_ANSWER_BYTES:
                self.close_connection = True
                self._send(b"", "text/plain", status=404)
                return
            body = self.rfile.read(length)
            desk.replies.put(Reply(kind, json.loads(self.headers.get("X-Candid") or "{}"), body))
            self._send(b"", "text/plain")

        def _name(self) -> str:
            """What is asked for; empty, which is nothing, of who does not know the secret."""
            return self.path.removeprefix(root) if self.path.startswith(root) else ""

        def _hand_out(self) -> None:
            try:
                work = desk.work.get(timeout=_POLL_S)
            except queue.Empty:
                self._send(b"", "text/plain", status=204)
                return
            told = {"X-Candid": json.dumps(work.told)}
            self._send(work.body, "application/octet-stream", headers=told)

        def _send(
            self,
            body: bytes,
            kind: str,
            *,
            status: int = 200,
            headers: dict[str, str] | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in (HEADERS | {"Content-Type": kind} | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's)
            """Say nothing."""

    return Handler
