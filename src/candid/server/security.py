"""Around the whole app: who may ask, what every answer carries, and what is counted.

Whether who asks this very machine calls it so; needs neither FastAPI nor a network.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from candid.server.page import FILES
from candid.server.schemas import Problem, respond

#: What the error is called, and what a person is told, where `is_named_as_it_is` says no.
OTHER_HOST: Final = "other_host"
OTHER_HOST_REMEDY: Final = "ask as localhost or 127.0.0.1"


def is_named_as_it_is(asked: str, host: str) -> bool:
    """Whether a request to a loopback address calls it by a name that only this machine has.

    The page of another site can have its own name mean 127.0.0.1 (DNS rebinding), and is then of
    the same origin to a browser; but the name stays in the header.

    Args:
        asked: The address of this machine that the request came to.
        host: The request's header ``Host``, empty where it has none.

    >>> is_named_as_it_is("127.0.0.1", "localhost:8000")
    True
    >>> is_named_as_it_is("127.0.0.1", "evil.example:8000")
    False
    >>> is_named_as_it_is("192.168.0.7", "photos.example")
    True
    """
    if not is_loopback(asked):
        return True
    name = host.strip().lower()
    name = name[: name.find("]") + 1] if name.startswith("[") else name.partition(":")[0]
    # 0.0.0.0 is what is printed where all networks are listened to. No site has a number's name.
    return name in ("localhost", "0.0.0.0", "[::]") or is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    """Whether an address, IPv4 or IPv6, is one of this machine alone; a name is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # What came by IPv4 to a socket for both is ::ffff:127.0.0.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


_LOG: Final = logging.getLogger("candid.server")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
#: Answered without a token: whether the process is alive, and the page, which holds no figures and
#: asks the person for the token.
OPEN: Final = frozenset({"/", "/healthz", *FILES})
_CLOSED_POLICY: Final = "default-src 'none'"
_EVERYWHERE: Final = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

#: Told method, path, status and seconds of each request.
Count = Callable[[Scope, int, float], None]


class Guard:
    """An ASGI app around another one.

    What it does not do is allow other sites to read answers (CORS): no header says so, and a
    browser that tells that another site is asking is refused.
    """

    def __init__(self, app: ASGIApp, token: str | None, count: Count) -> None:
        """Guard an app.

        Args:
            app: What answers.
            token: What clients have to send, or None.
            count: Told of each request.
        """
        self._app = app
        self._token = None if token is None else _digest(token.encode("ascii"))
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
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
                _add_headers(MutableHeaders(scope=message), request_id)
            await send(message)

        try:
            problem = self._refusal(scope, headers)
            app = self._app if problem is None else respond(problem)
            await app(scope, receive, send_with_headers)
        except Exception:  # it has been answered with 500; nobody else logs it with its number
            _LOG.exception("request %s failed", request_id)
        finally:
            self._count(scope, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        asked = (scope.get("server") or ("",))[0]
        if self._token is None and not is_named_as_it_is(asked, headers.get("host", "")):
            message = f"{OTHER_HOST_REMEDY}, or have the server ask for a token."
            return Problem(403, OTHER_HOST, message)
        from_elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if from_elsewhere and scope["method"] not in ("GET", "HEAD"):
            return Problem(403, "cross_site", "pages of other sites can't ask this server.")
        if self._token is None or scope["path"] in OPEN:
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        # Digests, as the time that a comparison takes tells the length of what is compared.
        is_right = hmac.compare_digest(_digest(token.strip().encode("latin-1")), self._token)
        if is_right and kind.lower() == "bearer":
            return None
        message = "a token is expected: Authorization: Bearer <token>."
        return Problem(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    for name, value in _HEADERS.items():
        headers[name] = value
    policy = headers.get("Content-Security-Policy", _CLOSED_POLICY)
    headers["Content-Security-Policy"] = f"{policy}; {_EVERYWHERE}"
    headers["X-Request-ID"] = request_id
