"""The server process: connections with time limits, signals, and memory returned to the system."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import h11
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn import Server as UvicornServer
from uvicorn.protocols.http.h11_impl import H11Protocol

from candid.core.freed_memory import keep_for_next_photo
from candid.server.schemas import error_body
from candid.server.settings import Settings


def serve(
    app: ASGIApp,
    settings: Settings,
    bound: socket.socket,
    *,
    started: Callable[[], None],
    on_hangup: Callable[[], None] | None = None,
) -> None:
    """Serve an app until SIGINT or SIGTERM.

    Args:
        app: The app.
        settings: Its limits.
        bound: From `candid.server.addresses.listen`.
        started: Called once it accepts connections.
        on_hangup: Called in the event loop on SIGHUP.
    """
    server = Server(app, settings, started=started, on_hangup=on_hangup)
    give_back = keep_for_next_photo()

    async def notify() -> None:
        await asyncio.to_thread(give_back)  # tens of milliseconds, of a large heap

    server.config.callback_notify = notify
    server.run(sockets=[bound])


class Server(UvicornServer):
    """A uvicorn server that reports when it listens, reloads on SIGHUP, and exits with 0."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        started: Callable[[], None],
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        """Configure it; for the arguments see `serve`."""
        limits = {"headers_s": settings.headers_s, "max_connections": settings.max_connections}
        protocol: Any = type("LimitedProtocol", (LimitedProtocol,), limits)
        config = Config(
            app,
            http=protocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=256,
            timeout_notify=2,
            timeout_keep_alive=round(settings.idle_s),
            timeout_graceful_shutdown=round(settings.stop_s),
            h11_max_incomplete_event_size=32 * 2**10,
        )
        super().__init__(config)
        self._on_hangup = on_hangup
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self.started:
            self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, in the main thread only, and tell of SIGHUP."""
        is_main = threading.current_thread() is threading.main_thread()
        number = getattr(signal, "SIGHUP", None) if is_main else None  # not on Windows
        with super().capture_signals():
            if number is not None and self._on_hangup is not None:
                asyncio.get_running_loop().add_signal_handler(number, self._on_hangup)
            yield

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Stop, and unlike uvicorn's do not end by the signal; at a second SIGINT stop at once."""
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class LimitedProtocol(H11Protocol):
    """An HTTP/1.1 connection with the time limits that uvicorn lacks.

    uvicorn limits how long a connection may idle after a response, but waits forever for the first
    byte, for the rest of the headers, and for the rest of a body that was answered already.
    """

    headers_s: float = 10.0
    max_connections: int = 512

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Called by uvicorn."""
        super().__init__(*arguments, **options)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time limit for headers, or close a connection beyond the maximum."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.close()
        else:
            self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; the time limit for headers runs from their first byte to their last."""
        super().data_received(data)
        if self.transport.is_closing() or not self._is_owed():
            self._cancel_timer()
        elif self._timer is None:
            self._start_timer()

    def on_response_complete(self) -> None:
        """Go on with the next request, or limit the time for the rest of this one's body."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.SEND_BODY:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP with the same error format as all routes."""
        body = error_body("invalid_http", msg)
        headers = [
            (b"content-type", b"application/json"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_owed(self) -> bool:
        """Whether headers are incomplete, or the body of an answered request is."""
        if self.conn.their_state is h11.SEND_BODY:
            return self.conn.our_state is h11.DONE
        return self.conn.their_state is h11.IDLE

    def _start_timer(self) -> None:
        self._cancel_timer()
        # Closing twice has no effect.
        self._timer = self.loop.call_later(self.headers_s, self.transport.close)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
