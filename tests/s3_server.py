"""An S3 server on this machine: moto's, with reads that fail or are slow where a test asks so."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any

BUCKET = "photos"
_CODES = {503: "SlowDown", 403: "AccessDenied", 404: "NoSuchKey"}
_ACCOUNT = "123456789012"


@dataclass
class S3:
    """What the server has and was asked.

    Attributes:
        url: Where it listens.
        asked: Requests in order, such as ``GET /photos/cat/a.png``.
        fault: Called with each request; may wait, or return the status of an error.
    """

    url: str = ""
    asked: list[str] = field(default_factory=list)
    fault: Callable[[str], int | None] = lambda _: None
    most_at_once: int = 0
    _at_once: int = 0
    _lock: Any = field(default_factory=Lock)

    @property
    def variables(self) -> dict[str, str]:
        """Of the environment, for those who are to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "S3CR3T-KEY",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def reads(self) -> list[str]:
        """Names of the objects that were read, in order."""
        start = f"GET /{BUCKET}/"
        return [line.removeprefix(start) for line in self.asked if line.startswith(start)]

    def put(self, name: str, data: bytes) -> None:
        """Put an object into the bucket, without a request."""
        self._backend.put_object(BUCKET, name, data)

    def put_folder(self, folder: Path, prefix: str) -> str:
        """Put all files of a folder into the bucket; returns their address."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    def remove(self, name: str) -> None:
        self._backend.delete_object(BUCKET, name)

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[_ACCOUNT]["aws"]

    def wrap(self, app: Any) -> Any:
        """The server's application, with faults."""

        def answer(environment: dict[str, Any], start_response: Any) -> Any:
            query = environment["QUERY_STRING"]
            line = f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}"
            line += f"?{query}" if query else ""
            with self._lock:
                self.asked.append(line)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
            try:
                status = self.fault(line)
                if status is None:
                    return app(environment, start_response)
            finally:
                with self._lock:
                    self._at_once -= 1
            start_response(f"{status} Fault", [("Content-Type", "application/xml")])
            code = {503: "SlowDown", 403: "AccessDenied", 404: "NoSuchKey"}.get(
                status, "InternalError"
            )
            return [f"<Error><Code>{code}</Code><Message>made</Message></Error>".encode()]

        return answer


@contextmanager
def serve() -> Iterator[S3]:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            pass

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3 = S3()
    app = s3.wrap(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    s3._backend.create_bucket(BUCKET, "us-east-1")
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def every(number: int, *, among: str = "GET /photos/", status: int = 503) -> Callable[[str], Any]:
    """A fault of one request in so many."""
    count, lock = 0, Lock()

    def fault(line: str) -> int | None:
        nonlocal count
        if not line.startswith(among):
            return None
        with lock:
            count += 1
            return status if count % number == 0 else None

    return fault


def slow(seconds: float) -> Callable[[str], None]:
    """A fault of every read: it waits."""
    return lambda line: time.sleep(seconds) if line.startswith("GET /photos/") else None
