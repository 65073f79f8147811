"""Admission control: limits on the work accepted at a time, and reading bodies within them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from candid.server.schemas import Problem, busy
from candid.server.settings import Settings


class Admission:
    """Counts accepted and unanswered work. Not thread-safe: used in the event loop alone.

    Attributes:
        num_requests: Requests that are being read or answered.
        num_images: Their images.
        num_bytes: Bytes of their bodies.
    """

    def __init__(self, settings: Settings) -> None:
        """Start at zero."""
        self.settings = settings
        self.num_requests = self.num_images = self.num_bytes = 0

    @contextmanager
    def enter(self) -> Iterator[Ticket]:
        """Count a request, and release at its end what its ticket took."""
        ticket = Ticket(self)
        self.num_requests += 1
        try:
            yield ticket
        finally:
            self.num_requests -= 1
            self.num_images -= ticket.num_images
            self.num_bytes -= ticket.num_bytes


class Ticket:
    """One request's share of the limits.

    Attributes:
        num_images: Images counted so far.
        num_bytes: Bytes counted so far.
    """

    def __init__(self, admission: Admission) -> None:
        """Start at zero."""
        self._admission = admission
        self.num_images = self.num_bytes = 0

    def take_bytes(self, count: int) -> None:
        """Count received bytes.

        Raises:
            Problem: 503, the limit for all bodies is reached.
        """
        if self._admission.num_bytes + count > self._admission.settings.max_waiting_bytes:
            raise busy("the memory limit for the bodies of all requests is reached.")
        self._admission.num_bytes += count
        self.num_bytes += count

    def take_images(self, count: int) -> None:
        """Count images.

        Raises:
            Problem: 503, the queue is full.
        """
        waiting = self._admission.num_images
        # A request larger than the whole queue is accepted when nothing else waits.
        if waiting and waiting + count > self._admission.settings.max_waiting_images:
            raise busy(f"{waiting} images are waiting already.")
        self._admission.num_images += count
        self.num_images += count


async def read_body(request: Request, ticket: Ticket, max_bytes: int) -> bytes:
    """Read a body, and stop as soon as it is known to be too large.

    Args:
        request: The request.
        ticket: Counts the bytes.
        max_bytes: Limit, checked by the header before reading and again while reading.

    Raises:
        Problem: 415 if it is compressed, 413 if it is too large, 503 if the memory limit is
            reached, 400 if the client disconnected.
    """
    # Compressed bodies are refused: a kilobyte can expand to a gigabyte.
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        message = "expected a body without Content-Encoding; images are compressed already."
        raise Problem(415, "unsupported_encoding", message)
    declared = request.headers.get("content-length")
    if declared is not None and int(declared) > max_bytes:  # the HTTP parser allows only digits
        raise _too_large(max_bytes)
    body = bytearray()  # grows in place, whereas a list of chunks fragments the heap
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > max_bytes:
                raise _too_large(max_bytes)
            ticket.take_bytes(len(chunk))
            body += chunk
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the connection ended before the body did.") from None
    return bytes(body)


def _too_large(max_bytes: int) -> Problem:
    message = f"a request has at most {max_bytes} bytes; send fewer images at once."
    return Problem(413, "body_too_large", message)
