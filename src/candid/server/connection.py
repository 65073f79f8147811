"""HTTP/1.1 connections with a time limit on what uvicorn waits for without one."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from candid.server.problems import error_body


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
