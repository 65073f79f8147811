"""A request → the bytes of its body, or a refusal as soon as it is known to be too large.

How much is accepted at the same time, so that memory has a bound whoever asks.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from fastapi import Request
from starlette.requests import ClientDisconnect

from candid.server.schemas import Problem, busy
from candid.server.settings import Settings


class Admission:
    """Counts what was accepted and is not yet answered. For one thread: the event loop's.

    Attributes:
        num_requests: Requests that are being read or worked on.
        num_images: Their images.
        num_bytes: Bytes of their bodies.
    """

    def __init__(self, settings: Settings) -> None:
        """Begin with nothing."""
        self._settings = settings
        self.num_requests = 0
        self.num_images = 0
        self.num_bytes = 0

    def enter(self) -> Ticket:
        """Begin a request; what its ticket takes is given back when the ticket is closed."""
        return Ticket(self, self._settings)


class Ticket:
    """What one request takes."""

    def __init__(self, admission: Admission, settings: Settings) -> None:
        """Take nothing yet."""
        self._admission = admission
        self._settings = settings
        self._num_images = 0
        self._num_bytes = 0

    def __enter__(self) -> Self:
        self._admission.num_requests += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._admission.num_requests -= 1
        self._admission.num_images -= self._num_images
        self._admission.num_bytes -= self._num_bytes

    def take_bytes(self, count: int) -> None:
        """Take room for bytes that have come.

        Raises:
            Problem: 503, there is none left.
        """
        if self._admission.num_bytes + count > self._settings.max_waiting_bytes:
            raise busy("the bodies of other requests fill the memory that is set aside for them.")
        self._admission.num_bytes += count
        self._num_bytes += count

    def take_images(self, count: int) -> None:
        """Take places in the queue.

        Raises:
            Problem: 503, there are not as many left.
        """
        waiting = self._admission.num_images
        # A request that is larger than the whole queue is taken when nothing else waits.
        if waiting and waiting + count > self._settings.max_waiting_images:
            raise busy(f"{waiting} images are waiting already.")
        self._admission.num_images += count
        self._num_images += count


async def read_body(request: Request, ticket: Ticket, max_bytes: int) -> bytes:
    """Read a body piece by piece.

    Args:
        request: The request.
        ticket: Takes room for each piece that has come.
        max_bytes: What is larger is refused: by its header before anything is read, and otherwise
            with the first piece that goes beyond.

    Returns:
        The whole body.

    Raises:
        Problem: 411 or 415 where its form is refused, 413 where it is too large, 503 where there is
            no room, 400 where the client went away.
    """
    _require_plain(request)
    declared = request.headers.get("content-length")
    if declared is not None and int(declared) > max_bytes:  # the HTTP parser let digits through
        raise _too_large(max_bytes)
    body = bytearray()  # grows in place, where a list of pieces would scatter over the heap
    try:
        async for piece in request.stream():
            if len(body) + len(piece) > max_bytes:
                raise _too_large(max_bytes)
            ticket.take_bytes(len(piece))
            body += piece
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the connection ended before the body did.") from None
    return bytes(body)


def _require_plain(request: Request) -> None:
    """Refuse compressed bodies: a kilobyte may stand for a gigabyte."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise Problem(
            415,
            "unsupported_encoding",
            "a body is expected without Content-Encoding; images are compressed already.",
        )


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        413,
        "body_too_large",
        f"a request has at most {max_bytes} bytes; send fewer images at once.",
    )
