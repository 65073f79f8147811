"""CORS: which pages of other sites may send requests and read the responses.

As in https://fetch.spec.whatwg.org/#http-cors-protocol, and never with credentials: there are no
cookies, and a page sends the token itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from candid.errors import UsageError

#: Stands for every origin.
ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Also of apps and extensions: capacitor://localhost, chrome-extension://…
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*,\s]+", re.IGNORECASE)


def read_origin(text: str) -> str:
    """An origin as browsers send it.

    Raises:
        UsageError: It is none.

    >>> read_origin("HTTPS://Example.org:443/"), read_origin("http://localhost:3000")
    ('https://example.org', 'http://localhost:3000')
    """
    if text == ANY:
        return ANY
    try:
        origin = text.strip().removesuffix("/")
        if not _ORIGIN.fullmatch(origin):
            raise ValueError
        url = urlsplit(origin)
        host = url.netloc.rpartition(":")[0] if url.port is not None else url.netloc.rstrip(":")
        name = host.lower() if host.isascii() else host.encode("idna").decode()
        port = "" if url.port in (None, _DEFAULT_PORTS.get(url.scheme)) else f":{url.port}"
    except ValueError as error:
        raise UsageError(
            "expected an origin such as https://example.org or http://localhost:3000, or * for "
            f"all. Received: {text!r}."
        ) from error
    return f"{url.scheme}://{name}{port}"


class CrossOrigin:
    """The origins whose pages may use a server."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Allow origins, from `read_origin`."""
        self._origins = frozenset(origins)

    def allows(self, headers: Headers) -> bool:
        """Whether a request comes from an allowed origin."""
        return "origin" in headers and not self._origins.isdisjoint((ANY, headers["origin"]))

    def preflight(self, headers: Headers) -> Response:
        """The answer to `is_preflight` of an allowed origin."""
        permitted = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
            "Access-Control-Max-Age": "600",
        }
        # Asked for by a public page of a server on this machine or in its network.
        if headers.get("access-control-request-private-network") == "true":
            permitted["Access-Control-Allow-Private-Network"] = "true"
        return Response(status_code=204, headers=permitted)

    def add_headers(self, request: Headers, response: MutableHeaders) -> None:
        """Tell the browser whether the page may read a response, errors included."""
        if self._origins:
            response.add_vary_header("Origin")
        if self.allows(request):
            origin = ANY if ANY in self._origins else request["origin"]
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks if a page of another origin may send a request."""
    return method == "OPTIONS" and {"origin", "access-control-request-method"} <= set(headers)
