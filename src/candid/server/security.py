"""The guard around the app: access, and headers of every response."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candid.server.addresses import (
    OTHER_HOST,
    OTHER_HOST_REMEDY,
    is_loopback,
    is_named_as_it_is,
)
from candid.server.cors import CrossOrigin, is_preflight
from candid.server.page import FILES
from candid.server.schemas import Problem, respond
from candid.server.settings import Settings

_LOG: Final = logging.getLogger("candid.server")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Paths that need no token: the health check, the page, which holds no figures and asks for the
#: token, and the documentation, which is the same for all models.
OPEN: Final = frozenset({"/", "/healthz", "/docs", "/openapi.json", *FILES})
_CLOSED_POLICY: Final = "default-src 'none'"
_COMMON_POLICY: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: Called with scope, status, seconds and ID of each request.
Record = Callable[[Scope, int, float, str], None]


class Guard:
    """ASGI middleware. It refuses writes from pages of other sites, except of allowed origins."""

    def __init__(self, app: ASGIApp, settings: Settings, record: Record) -> None:
        """Wrap an app.

        Args:
            app: The app.
            settings: The token and the allowed origins.
            record: Called after each request.
        """
        token = settings.token
        self._app = app
        self._token = None if token is None else _digest(token.encode("ascii"))
        self._cross_origin = CrossOrigin(settings.cors_origins)
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it to the app."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                _add_headers(answered, request_id)
                self._cross_origin.add_headers(headers, answered)
            await send(message)

        try:
            app = self.answer_for(scope, headers) or self._app
            # The server leaves out the body of an answer to HEAD itself.
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            await app({**scope, "method": method}, receive, send_with_headers)
        except Exception:  # answered with 500 already; logged here with its ID
            _LOG.exception("request %s failed", request_id)
        finally:
            self._record(scope, status, time.perf_counter() - began, request_id)

    def answer_for(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """The answer to a request that is not passed to the app."""
        try:
            self.check_site(scope, headers)
            if is_preflight(scope["method"], headers):  # without a token
                return self._cross_origin.preflight(headers)
            self._check_token(scope, headers)
        except Problem as problem:
            return respond(problem)
        return None

    def check_site(self, scope: Scope, headers: Headers) -> None:
        """Refuse other names of this machine, and writes from pages of other sites."""
        asked = (scope.get("server") or ("",))[0]
        if self._token is None and not is_named_as_it_is(asked, headers.get("host", "")):
            message = f"{OTHER_HOST_REMEDY}, or set a token on the server."
            raise Problem(403, OTHER_HOST, message)
        is_writing = scope["method"] not in ("GET", "HEAD")
        from_elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        from_elsewhere |= is_preflight(scope["method"], headers)
        # Browsers leave it out over plain HTTP, except to this machine; Origin they always send.
        if self._token is None and "sec-fetch-site" not in headers and not is_loopback(asked):
            host = headers.get("origin", "").partition("://")[2]
            from_elsewhere |= "origin" in headers and host != headers.get("host", "")
        if from_elsewhere and is_writing and not self._cross_origin.allows(headers):
            message = "requests from pages of other sites are refused; see --cors-origin."
            raise Problem(403, "cross_site", message)

    def _check_token(self, scope: Scope, headers: Headers) -> None:
        if self._token is None or scope["path"] in OPEN:
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        # Digests, as the duration of a comparison reveals the length of its input.
        is_valid = hmac.compare_digest(_digest(token.strip().encode("latin-1")), self._token)
        if not is_valid or kind.lower() != "bearer":
            message = "a token is expected: Authorization: Bearer <token>."
            raise Problem(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    policy = headers.get("Content-Security-Policy", _CLOSED_POLICY)
    headers["Content-Security-Policy"] = f"{policy}; {_COMMON_POLICY}"
    headers["X-Request-ID"] = request_id
