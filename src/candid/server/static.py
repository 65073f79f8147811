"""`candid serve --static`: an export to the web on a port of this machine, without FastAPI.

Only what the export's manifest names is served, each file as it was written; no folder is listed,
and no path is looked up on the disk. There is no token; who asks on this machine has to call it by
its own name, as the full server wants it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from candid.core.hashing import hash_file
from candid.errors import ArtifactError, UsageError
from candid.exporting.source import MANIFEST, read_manifest
from candid.exporting.web_gate import HEADERS, type_of
from candid.server.security import OTHER_HOST, OTHER_HOST_REMEDY, is_named_as_it_is

_INDEX: Final = "index.html"
_IDLE_S: Final = 30.0
_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
#: In the one shape that errors have, see candid.server.schemas.
_REFUSAL: Final = json.dumps(
    {"error": {"code": OTHER_HOST, "message": f"{OTHER_HOST_REMEDY}."}}
).encode()
_REMEDY: Final = "Export again with `candid export RUN --to web`."

#: Where each file lies, by its path below the address.
Served = dict[str, Path]


def find_served(folder: Path) -> Served:
    """List what is to be served of an export.

    Args:
        folder: What ``candid export --to web`` wrote.

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
    if not _is_file(file) or _hash(file) != expected:
        raise ArtifactError(f"{file} is missing or not as it was written. {_REMEDY}")
    return file


def _is_file(path: Path) -> bool:
    """Whether it is one; what can't be any file's name is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a null character, half a surrogate pair
        return False


def _hash(file: Path) -> str:
    try:
        return hash_file(file)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ArtifactError(
            f"{file} can't be read: {why}. Let yourself read it, or export again."
        ) from error


def serve_static(served: Served, host: str, port: int, *, started: Callable[[str], None]) -> None:
    """Serve files until a signal comes.

    Args:
        served: From `find_served`.
        host: A name or an IPv4 address.
        port: 0 for any that is free.
        started: Called with the address once it listens.

    Raises:
        UsageError: The port can't be had.
    """
    with StaticServer(served, host, port) as server, _stopped_by_signals():
        started(server.address)
        server.serve_forever()


class StaticServer(ThreadingHTTPServer):
    """Serves the files of one export.

    Attributes:
        address: Where the page is: ``http://127.0.0.1:8000/``.
    """

    daemon_threads = True

    def __init__(self, served: Served, host: str, port: int) -> None:
        """Listen.

        Raises:
            UsageError: The port can't be had.
        """
        try:
            super().__init__((host, port), _handler(served))
        except (OSError, OverflowError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(
                f"can't listen on {host}, port {port}: {why}. Choose another --port, or 0 for any."
            ) from error
        bound_host, bound_port = self.socket.getsockname()[:2]
        self.address = f"http://{bound_host}:{bound_port}/"

    def server_bind(self) -> None:
        """Bind, without asking the network what this machine is called."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away in the middle of an answer."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_S

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def version_string(self) -> str:
            """Not which Python this is."""
            return "candid"

        def _answer(self, *, with_body: bool) -> None:
            asked = str(self.connection.getsockname()[0])
            if not is_named_as_it_is(asked, self.headers.get("Host", "")):
                self._send(403, _JSON, _REFUSAL, with_body=with_body)
                return
            name = _name_of(self.path)
            file = None if name is None else served.get(name)
            try:
                body = b"" if file is None else file.read_bytes()
            except OSError:  # gone since it was looked at
                file, body = None, b""
            kind = type_of(name or _INDEX) if file else _TEXT
            self._send(404 if file is None else 200, kind, body, with_body=with_body)

        def _send(self, status: int, kind: str, body: bytes, *, with_body: bool) -> None:
            self.send_response(status)
            for header, value in (HEADERS | {"Content-Type": kind}).items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's)
            """Say nothing."""

    return Handler


def _name_of(target: str) -> str | None:
    """What a request asks for, below the address; None where that is no address at all."""
    try:
        return unquote(urlsplit(target).path).removeprefix("/")
    except ValueError:  # such as http://[
        return None
