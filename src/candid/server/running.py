"""From an app to a process that listens, reloads on SIGHUP and stops gracefully on SIGTERM.

Lets the C library give memory back that large bodies and photos took.

HTTP/1.1 connections with a time limit on what uvicorn waits for without one.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import h11
from uvicorn import Config
from uvicorn import Server as UvicornServer
from uvicorn.protocols.http.h11_impl import H11Protocol

from candid.errors import UsageError
from candid.server.app import App
from candid.server.schemas import error_body
from candid.server.settings import Settings

# Parameters of mallopt(3), by the names that they have in malloc.h.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_MMAP_FROM_BYTES: Final = 256 * 2**10
_MOST_ARENAS: Final = 2


def give_memory_back() -> None:
    """Let what is large be given back to the system once it is freed; of glibc only.

    By default glibc keeps blocks of up to 32 MiB once some of that size were freed, in an arena for
    each of many threads: after a burst of large bodies a server would hold on to a third more.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM_BYTES)
        mallopt(_M_ARENA_MAX, _MOST_ARENAS)


class LimitedProtocol(H11Protocol):
    """A connection that is closed if its peer sends no whole headers, or no end of a refused body.

    uvicorn limits how long a connection may idle after an answer, but waits for ever for the first
    byte, for the rest of the headers, and for the rest of a body that was answered already.
    """

    headers_s: float = 10.0
    max_connections: int = 512

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As uvicorn calls it."""
        super().__init__(*arguments, **options)
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers, or close at once what is one too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.close()
            return
        self._set_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._unset_limit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the time for headers runs from their first byte to their last."""
        super().data_received(data)
        if self.transport.is_closing() or not self._is_owed():
            self._unset_limit()
        elif self._limit is None:
            self._set_limit()

    def on_response_complete(self) -> None:
        """Go on with the next request, or give the rest of this one's body a time."""
        super().on_response_complete()
        if not self.transport.is_closing() and self.conn.their_state is h11.SEND_BODY:
            self._set_limit()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the shape that all errors have."""
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
        """Whether headers have begun and not ended, or a body that was answered goes on."""
        if self.conn.their_state is h11.SEND_BODY:
            return self.conn.our_state is h11.DONE
        return self.conn.their_state is h11.IDLE

    def _set_limit(self) -> None:
        self._unset_limit()
        self._limit = self.loop.call_later(self.headers_s, self._close)

    def _unset_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def limited_protocol(headers_s: float, max_connections: int) -> type[LimitedProtocol]:
    """The protocol with these limits, as uvicorn wants it: a class.

    Args:
        headers_s: Seconds within which headers have come.
        max_connections: Open at the same time.
    """
    limits = {"headers_s": headers_s, "max_connections": max_connections}
    return type("LimitedProtocol", (LimitedProtocol,), limits)


_BACKLOG = 256


class Server(UvicornServer):
    """A uvicorn server that says where it listens, and whose end by a signal is no failure."""

    def __init__(self, app: App, settings: Settings, *, started: Callable[[], None]) -> None:
        """Set it up.

        Args:
            app: What answers.
            settings: Its limits.
            started: Called once it listens.
        """
        super().__init__(_config(app, settings))
        self._app = app
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop, SIGHUP loads again; in the main thread, as Python wants it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        handlers: dict[str, Callable[[], None]] = {
            "SIGTERM": lambda: self.handle_exit(signal.SIGTERM, None),
            "SIGINT": lambda: self.handle_exit(signal.SIGINT, None),
            "SIGBREAK": lambda: self.handle_exit(signal.SIGTERM, None),  # Windows: Ctrl-Break
            "SIGHUP": self._app.reloader.ask,  # not on Windows
        }
        with ExitStack() as stack:
            for name, handle in handlers.items():
                if hasattr(signal, name):
                    stack.enter_context(_handled(loop, getattr(signal, name), handle))
            yield


@contextmanager
def _handled(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, handle: Callable[[], None]
) -> Iterator[None]:
    """Call back in the loop at a signal; Windows' loops know none, so Python's own are asked."""
    try:
        loop.add_signal_handler(number, handle)
    except NotImplementedError:
        before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(handle))
        try:
            yield
        finally:
            signal.signal(number, before)
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(number)


def listen(host: str, port: int) -> socket.socket:
    """Take a port, before anything slow is done.

    Args:
        host: A name or an address.
        port: 0 for any that is free.

    Returns:
        A socket that is bound.

    Raises:
        UsageError: It can't be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _bind(family, address)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"can't listen on {host}, port {port}: {why}. Choose another --port, or 0 for any."
        ) from error


def address_of(bound: socket.socket) -> str:
    """Where a socket is to be asked: ``http://127.0.0.1:8000``."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    app: App, settings: Settings, bound: socket.socket, *, started: Callable[[], None]
) -> None:
    """Answer until a signal comes.

    Args:
        app: What answers.
        settings: Its limits.
        bound: From `listen`.
        started: Called once it listens.
    """
    give_memory_back()
    Server(app, settings, started=started).run(sockets=[bound])


def _bind(family: int, address: Any) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _config(app: App, settings: Settings) -> Config:
    protocol: Any = limited_protocol(settings.headers_s, settings.max_connections)
    return Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=round(settings.idle_s),
        timeout_graceful_shutdown=round(settings.stop_s),
        h11_max_incomplete_event_size=32 * 2**10,
    )
