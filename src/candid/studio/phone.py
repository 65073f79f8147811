"""A phone in the same network, let in by a person: a second listener, which only takes photos.

It listens on this machine's address in the network, for as long as the person allows it, and at
most 15 minutes after the phone was last heard of. Whoever has its address, which holds a secret of
128 bits, sees the names of the classes and can add photos; all other requests are refused. Nothing
of the studio itself can be asked for there.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import io
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from candid.errors import CandidError, UsageError
from candid.exporting.web_gate import type_of
from candid.server.addresses import address_of, listen
from candid.server.app import base_api
from candid.server.running import Server
from candid.server.schemas import Problem, respond
from candid.server.security import Guard
from candid.server.settings import Settings
from candid.studio.intake import Intake
from candid.studio.project import Project
from candid.studio.receiving import Receiver

IDLE_S: Final = 15 * 60.0
_LOOK_EVERY_S: Final = 1.0
_START_S: Final = 10.0
_SLOW_S: Final = 180.0  # for one photo, through a weak Wi-Fi
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'"
)
_STALE: Final = "scan the code on the computer's screen again."
#: Not routed by any network (RFC 5737); nothing is sent to it.
_ELSEWHERE: Final = ("192.0.2.1", 9)


def network_address() -> str:
    """This machine's address in the network.

    Raises:
        UsageError: It is in none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        asking.connect(_ELSEWHERE)  # chooses the address that packets would be sent from
        address = str(asking.getsockname()[0])
        if not address.startswith(("127.", "0.")):
            return address
    raise UsageError(
        "this computer is in no network. Connect it to the Wi-Fi that the phone is in, and try "
        "again."
    )


class Phone:
    """The listener of a project; closed at first."""

    def __init__(self, project: Project) -> None:
        """Of a project."""
        self._project = project
        self._lock = threading.Lock()
        self._listener: _Listener | None = None

    @property
    def address(self) -> str:
        """What the phone opens; empty if no phone is let in."""
        listener = self._listener
        return listener.address if listener is not None and listener.is_open else ""

    def open(self, intake: Intake, *, host: str = "", idle_s: float = IDLE_S) -> Phone:
        """Let a phone in; does nothing if one is let in already.

        Args:
            intake: Takes the photos.
            host: The address to listen on; by default that in the network.
            idle_s: Closed when nothing was heard for as long.

        Raises:
            UsageError: Photos can't be added, or there is no network.
        """
        if refusal := intake.refusal:
            raise UsageError(refusal)
        with self._lock:
            if not self.address:
                self._listener = _Listener(intake, self._project, host, idle_s)
        self._project.changed()
        return self

    def close(self) -> None:
        """Let no phone in any longer."""
        with self._lock:
            if self._listener is not None:
                self._listener.close()
        self._project.changed()

    def code(self) -> bytes:
        """The address as a QR code, SVG.

        Raises:
            UsageError: No phone is let in.
        """
        import segno

        if not self.address:
            raise UsageError("no phone is let in now.")
        svg = io.BytesIO()
        made = segno.make(self.address, error="m")
        made.save(svg, kind="svg", scale=6, dark="#000", light="#fff", xmldecl=False)
        return svg.getvalue()

    def to_json(self) -> dict[str, Any]:
        """JSON values, for the screens."""
        listener = self._listener
        return {
            "address": self.address,
            "num": 0 if listener is None else listener.num_photos,
            "was_idle": listener is not None and listener.was_idle,
        }


class _Listener:
    """A server in a thread, for the phone alone."""

    def __init__(self, intake: Intake, project: Project, host: str, idle_s: float) -> None:
        self._intake, self._project, self._idle_s = intake, project, idle_s
        self._secret = secrets.token_urlsafe(16)
        self._heard = time.monotonic()
        self.num_photos = 0
        self.was_idle = False
        self._receiver = Receiver(Settings(request_s=_SLOW_S))
        bound = listen(host or network_address(), 0)
        self.address = f"{address_of(bound)}/{self._secret}/"
        ready = threading.Event()
        settings = Settings(stop_s=2)
        app = Guard(self._make_app(), settings, lambda *_: None)
        self._server = Server(app, settings, started=ready.set)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [bound]}, daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_S):
            self.close()
            raise UsageError("the page for the phone could not be started; try again.")

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive() and not self._server.should_exit

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(_START_S)

    async def _watch(self) -> None:
        """Close when nothing was heard for long."""
        while time.monotonic() - self._heard < self._idle_s:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._idle_s / 4))
        self.was_idle = self._server.should_exit = True
        self._project.changed()

    def _make_app(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            watching = asyncio.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()

        api = base_api("Photos from a phone.", lifespan, openapi_url=None)

        async def on_error(_request: Request, error: Exception) -> Response:
            return respond(Problem(422, "refused", str(error)))

        api.add_exception_handler(CandidError, on_error)
        self._add_routes(api)
        return api

    def _add_routes(self, api: FastAPI) -> None:
        @api.get("/{secret}/{name:path}")
        def page(secret: str, name: str) -> Response:
            self._require(secret)
            data = self._file(name)
            headers = {"Content-Security-Policy": _POLICY}
            return Response(data, media_type=type_of(name or "index.html"), headers=headers)

        @api.post("/{secret}/photos")
        async def add(secret: str, request: Request, label: str = "") -> dict[str, Any]:
            self._require(secret)
            if label and label not in self._project.classes:
                raise Problem(422, "unknown_class", "this class is no more; reload the page.")
            async with self._receiver.receive(request) as photos:
                added = await asyncio.to_thread(self._intake.add, label, photos)
            self._heard = time.monotonic()
            self.num_photos += sum(one.outcome == "saved" for one in added)
            self._project.rescan()
            # Photos go in; of those that are there, not even a name comes out.
            return {"added": [{"outcome": one.outcome, "reason": one.reason} for one in added]}

    def _require(self, secret: str) -> None:
        if not hmac.compare_digest(secret.encode(), self._secret.encode()):
            raise Problem(404, "not_found", _STALE)
        self._heard = time.monotonic()

    def _file(self, name: str) -> bytes:
        folder = files("candid.studio") / "page" / "phone"
        if name == "":
            options = "".join(
                f"<option>{html.escape(label)}</option>" for label in self._project.classes
            )
            page = (folder / "index.html").read_text(encoding="utf-8")
            return page.replace("<!--classes-->", options).encode()
        if name == "base.css":
            return (files("candid.reporting.pages") / name).read_bytes()
        if name in ("phone.js", "phone.css"):
            return (folder / name).read_bytes()
        raise Problem(404, "not_found", "there is no such page.")
