"""Who may ask the studio: one browser, which opened the address with the one-time token."""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Scope

from candid.server.schemas import Problem
from candid.server.security import Guard, Record
from candid.server.settings import Settings

_STRANGER: Final = (
    "This is Candid's studio, open in another browser. Open the address that `candid studio` "
    "printed; it works once, so start the command again for another browser.\n"
)


class StudioGuard(Guard):
    """Besides the checks of the server: a cookie, given for the one-time token."""

    def __init__(self, app: ASGIApp, settings: Settings, record: Record, port: int) -> None:
        """Wrap an app that listens on a port of this machine."""
        super().__init__(app, settings, record)
        self.token = secrets.token_urlsafe(24)
        self._is_spent = False
        self._session = secrets.token_urlsafe(24)
        self._cookie = f"candid-studio-{port}"  # cookies are shared by the ports of a host

    def answer_for(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """A refusal or the exchange of the token; None for what is passed to the app."""
        answer = super().answer_for(scope, headers)
        if answer is not None:
            return answer
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if scope["path"] == "/" and given:
            return self._exchange(given[0], headers)
        if self._is_known(headers):
            return None
        return PlainTextResponse(_STRANGER, 403)

    def check_site(self, scope: Scope, headers: Headers) -> None:
        """Refuse names that are not this machine's, and writes from any other page."""
        super().check_site(scope, headers)
        origin = headers.get("origin", "").partition("://")[2]
        is_writing = scope["method"] not in ("GET", "HEAD")
        if is_writing and "origin" in headers and origin != headers.get("host", ""):
            raise Problem(403, "cross_site", "requests from pages of other sites are refused.")

    def _exchange(self, token: str, headers: Headers) -> ASGIApp:
        is_right = not self._is_spent and hmac.compare_digest(token.encode(), self.token.encode())
        if not is_right and not self._is_known(headers):
            return PlainTextResponse(_STRANGER, 403)
        self._is_spent = True
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
        return answer

    def _is_known(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        given = "" if cookie is None else cookie.value
        return hmac.compare_digest(given.encode(), self._session.encode())
