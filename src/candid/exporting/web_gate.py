"""Serve a web export's files, and run it in a browser through a local server.

run(pixels) ─▶ tasks ─── GET check/work ───▶ web_check.js ─▶ engine.js ─▶ ONNX Runtime Web
               results ◀─ POST check/answer ──────┘
"""

from __future__ import annotations

import json
import queue
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.errors import ParityError
from candid.exporting.format import Answers
from candid.exporting.web_browser import BrowserError, running_browser

#: Content security policy: the page and its engine load only from their own origin.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)

#: Headers that a host should send with each file. The two cross-origin policies let threads share
#: memory, which makes the model faster.
HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}

_START_TIMEOUT_S: Final = 90.0
_TASK_TIMEOUT_S: Final = 180.0
_POLL_S: Final = 10.0
_MAX_RESULT_BYTES: Final = 256 * 2**20
_RESULT_PATHS: Final = ("check/ready", "check/answer", "check/failed")
_SCRIPT: Final = "check.js"
_PAGE: Final = (
    '<!doctype html><meta charset="utf-8"><title>Candid</title>'
    f'<script type="module" src="{_SCRIPT}"></script>'
)


def type_of(name: str) -> str:
    """The media type of a file, by its suffix.

    >>> type_of("app/vendor/ort.mjs"), type_of("model.onnx")
    ('text/javascript; charset=utf-8', 'application/octet-stream')
    """
    suffix = PurePosixPath(name).suffix
    if not suffix and name.split("/")[-1].startswith("LICENSE"):
        return "text/plain; charset=utf-8"
    return _MEDIA_TYPES.get(suffix, "application/octet-stream")


@dataclass(frozen=True)
class _Message:
    """A task (``pixels`` or ``photo``) or a result (``ready``, ``answer`` or ``failed``)."""

    kind: str
    header: dict[str, Any]  # JSON values
    body: bytes


_Queue = queue.Queue[_Message]


class WebExport:
    """An export that runs in a browser; created once its engine is ready.

    Attributes:
        runtime: The browser's runtime and its version.

    Raises:
        BrowserError: The browser exited, or did not answer in time.
        ParityError: The engine failed.
    """

    def __init__(self, tasks: _Queue, results: _Queue, browser: subprocess.Popen[bytes]) -> None:
        self._tasks = tasks
        self._results = results
        self._browser = browser
        ready = json.loads(self._receive(_START_TIMEOUT_S).body)
        self.runtime = f"{ready['runtime']}, in a browser"

    def run(self, pixels: NDArray[np.uint8]) -> Answers:
        """Outputs for pixels, uint8 ``(n, s, s, 3)``."""
        result = self._call(_Message("pixels", {"shape": pixels.shape}, pixels.tobytes()))
        values = np.frombuffer(result.body, "<f4")
        shapes = {name: tuple(map(int, shape[1:])) for name, shape in result.header.items()}
        rows = values.reshape(len(pixels), -1)
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
        columns = np.split(rows, ends[:-1], axis=1)
        return {
            name: column.reshape(len(pixels), *shape)
            for (name, shape), column in zip(shapes.items(), columns, strict=True)
        }

    def predict(self, data: bytes) -> dict[str, Any]:
        """Prediction, as JSON values, for a photo's file, which the browser decodes."""
        result = self._call(_Message("photo", {"name": "photo"}, data))
        prediction: dict[str, Any] = json.loads(result.body)
        return prediction

    def _call(self, task: _Message) -> _Message:
        self._tasks.put(task)
        try:
            return self._receive(_TASK_TIMEOUT_S)
        except BrowserError as error:
            raise ParityError(
                f"the browser failed while it ran the export: {error.reason}. The export was "
                "removed; try again."
            ) from error

    def _receive(self, timeout_s: float) -> _Message:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                result = self._results.get(timeout=0.5)
            except queue.Empty:
                if self._browser.poll() is not None:
                    raise BrowserError("it exited") from None
                continue
            if result.kind == "failed":
                lines = result.body.decode("utf-8", "replace").splitlines() or ["no reason given"]
                raise ParityError(
                    f"the export to the web does not run in a browser: {lines[0]}. It was removed."
                )
            return result
        raise BrowserError(f"it did not answer within {timeout_s:.0f} seconds")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _TASK_TIMEOUT_S

    def do_GET(self) -> None:
        name = self._name()
        if name == "check/work":
            self._send_task()
        elif name == "check.html":
            self._send(_PAGE.encode(), type_of(name))
        elif name == _SCRIPT:
            self._send((files(__package__) / "web_check.js").read_bytes(), type_of(name))
        elif name in self.server.files:
            self._send(self.server.files[name].read_bytes(), type_of(name))
        else:
            self._send(b"", "text/plain", status=404)

    def do_POST(self) -> None:
        kind = self._name().removeprefix("check/")
        length = int(self.headers.get("Content-Length") or 0)
        if self._name() not in _RESULT_PATHS or length > _MAX_RESULT_BYTES:
            self.close_connection = True
            self._send(b"", "text/plain", status=404)
            return
        body = self.rfile.read(length)
        header = json.loads(self.headers.get("X-Candid") or "{}")
        self.server.results.put(_Message(kind, header, body))
        self._send(b"", "text/plain")

    def _name(self) -> str:
        """The requested name; empty, which matches nothing, without the secret."""
        root = self.server.root
        return self.path.removeprefix(root) if self.path.startswith(root) else ""

    def _send_task(self) -> None:
        try:
            task = self.server.tasks.get(timeout=_POLL_S)
        except queue.Empty:
            self._send(b"", "text/plain", status=204)
            return
        headers = {"X-Candid": json.dumps({"kind": task.kind} | task.header)}
        self._send(task.body, "application/octet-stream", headers=headers)

    def _send(
        self, body: bytes, kind: str, *, status: int = 200, headers: Mapping[str, str] = {}
    ) -> None:
        self.send_response(status)
        for name, value in (HEADERS | {"Content-Type": kind} | dict(headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's)
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, tasks: _Queue, results: _Queue) -> None:
        paths = (path for path in folder.rglob("*") if path.is_file())
        self.files = {path.relative_to(folder).as_posix(): path for path in paths}
        # A secret in the address keeps other users of this machine from reading the photos.
        self.root = f"/{secrets.token_urlsafe(16)}/"
        self.tasks, self.results = tasks, results
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: the browser may be stopped in the middle of a request."""


@contextmanager
def open_in_browser(folder: Path, browser: str) -> Iterator[WebExport]:
    """Serve an export on the loopback interface, and open it in a headless browser.

    Raises:
        BrowserError: The browser does not run.
        ParityError: The export does not run in it.
    """
    tasks, results = _Queue(), _Queue()
    server = _Server(folder, tasks, results)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}{server.root}check.html"
        with running_browser(browser, address) as process:
            yield WebExport(tasks, results, process)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
