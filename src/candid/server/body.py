"""A request → the bytes of its body, or a refusal as soon as it is known to be too large."""

from __future__ import annotations

from fastapi import Request
from starlette.requests import ClientDisconnect

from candid.server.admission import Ticket
from candid.server.problems import Problem


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
