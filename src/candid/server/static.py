"""`candid serve --static`: serves an export to the web, without FastAPI.

Only the files named in the export's manifest are served, unchanged; folders are not listed, and
request paths are never looked up on the disk. There is no token; on a loopback address the request
must name this machine, as with the full server.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from candid.core.hashing import hash_file
from candid.core.text import reason_of
from candid.errors import ArtifactError
from candid.exporting.source import MANIFEST, read_manifest
from candid.exporting.web_gate import HEADERS, type_of
from candid.server.addresses import (
    OTHER_HOST,
    OTHER_HOST_REMEDY,
    address_of,
    is_named_as_it_is,
    listen,
)

_INDEX: Final = "index.html"
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
#: In the form of all errors, see candid.server.schemas.
_REFUSAL: Final = json.dumps(
    {"error": {"code": OTHER_HOST, "message": f"{OTHER_HOST_REMEDY}."}}
).encode()
_REMEDY: Final = "Export again with `candid export RUN --to web`."

#: Files by URL path without its leading slash.
Served = dict[str, Path]


def find_served(folder: Path) -> Served:
    """List the files of an export.

    Args:
        folder: Written by ``candid export --to web``.

    Raises:
        ArtifactError: It is no such export, or a file is missing or not as it was written.
    """
    folder = folder.expanduser()
    manifest = read_manifest(folder) if _is_file(folder / MANIFEST) else {}
    hashes = manifest.get("files")
    if manifest.get("format") != "web" or not isinstance(hashes, dict) or _INDEX not in hashes:
        raise ArtifactError(f"{folder} is no export to the web. {_REMEDY}")
    served = {name: _checked(folder, str(name), expected) for name, expected in hashes.items()}
    return served | {MANIFEST: folder / MANIFEST, "": served[_INDEX]}


def _checked(folder: Path, name: str, expected: object) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise ArtifactError(f"the manifest of {folder} names {name!r}, outside of it. {_REMEDY}")
    file = folder / path
    try:
        is_unchanged = _is_file(file) and hash_file(file) == expected
    except OSError as error:
        why = reason_of(error)
        raise ArtifactError(
            f"{file} can't be read: {why}. Make it readable, or export again."
        ) from error
    if not is_unchanged:
        raise ArtifactError(f"{file} is missing or not as it was written. {_REMEDY}")
    return file


def _is_file(path: Path) -> bool:
    """`Path.is_file`, but False for impossible names."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a null character, half a surrogate pair
        return False


def serve_static(served: Served, host: str, port: int, *, started: Callable[[str], None]) -> None:
    """Serve files until SIGINT or SIGTERM.

    Args:
        served: From `find_served`.
        host: A name or an address.
        port: 0 for any free port.
        started: Called with the URL once it listens.

    Raises:
        UsageError: The address can't be bound.
    """
    with StaticServer(served, host, port) as server, suppress(KeyboardInterrupt):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        started(server.address)
        server.serve_forever()


class StaticServer(ThreadingHTTPServer):
    """Serves the files of one export.

    Attributes:
        address: URL of the page: ``http://127.0.0.1:8000/``.
    """

    daemon_threads = True

    def __init__(self, served: Served, host: str, port: int) -> None:
        """Listen.

        Raises:
            UsageError: The address can't be bound.
        """
        super().__init__((host, port), _handler(served), bind_and_activate=False)
        self.socket.close()  # HTTPServer's own binding would look up this machine's name
        self.socket = listen(host, port)
        self.server_activate()
        self.address = f"{address_of(self.socket)}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect during a response."""


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30.0

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def version_string(self) -> str:
            """The header ``Server``, without the version of Python."""
            return "candid"

        def _answer(self, *, with_body: bool) -> None:
            asked = str(self.connection.getsockname()[0])
            if not is_named_as_it_is(asked, self.headers.get("Host", "")):
                self._send(403, _JSON, _REFUSAL, with_body=with_body)
                return
            try:
                name = unquote(urlsplit(self.path).path).removeprefix("/")
                body = served[name].read_bytes()
            except (KeyError, OSError, ValueError):  # unknown, deleted since, or such as http://[
                self._send(404, _TEXT, b"", with_body=with_body)
                return
            self._send(200, type_of(name or _INDEX), body, with_body=with_body)

        def _send(self, status: int, kind: str, body: bytes, *, with_body: bool) -> None:
            self.send_response(status)
            for header, value in (HEADERS | {"Content-Type": kind}).items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's)
            """Log nothing."""

    return Handler
