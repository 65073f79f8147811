"""From an app to a process that listens, reloads on SIGHUP and stops gracefully on SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from uvicorn import Config
from uvicorn import Server as UvicornServer

from candid.errors import UsageError
from candid.server.app import App
from candid.server.connection import limited_protocol
from candid.server.memory import give_memory_back
from candid.server.settings import Settings

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
