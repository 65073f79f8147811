"""Photos in the body of a request, within the limits of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from candid.server.admission import Admission, read_body
from candid.server.schemas import Problem
from candid.server.settings import Settings
from candid.server.uploads import Upload, read_uploads


class Receiver:
    """Reads the photos of requests; in the event loop alone."""

    def __init__(self, settings: Settings | None = None) -> None:
        """With limits, by default those of the server."""
        self.settings = settings or Settings()
        self._admission = Admission(self.settings)

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[list[Upload]]:
        """The photos of a request; they count as long as they are worked on.

        Raises:
            Problem: There are too many, they are too large or arrive too slowly, or none is there.
        """
        limits = self.settings
        with self._admission.enter() as ticket:
            try:
                async with asyncio.timeout(limits.request_s):
                    body = await read_body(request, ticket, limits.max_body_bytes)
            except TimeoutError:
                raise Problem(408, "too_slow", "the photos arrived too slowly.") from None
            kind = request.headers.get("content-type", "")
            uploads = await asyncio.to_thread(read_uploads, kind, body, limits.max_images)
            ticket.take_images(len(uploads.images))
            yield uploads.images
