"""Whatever goes wrong has one shape: ``{"error": {"code": "…", "message": "…"}}``."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from candid.showable import show_text


class Problem(Exception):  # noqa: N818 - it is an answer
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status.
        code: What programs read: lower case, words joined by ``_``.
        message: What people read, one sentence or more; without a path of this machine.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        """Remember what to answer."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


def busy(message: str) -> Problem:
    """More is asked than can be done now: 503, to be tried again in a second."""
    return Problem(503, "busy", f"{message} Try again in a second.", {"Retry-After": "1"})


def to_json_bytes(value: Any) -> bytes:
    """A value as JSON in UTF-8; what is not UTF-8 in a name becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def error_body(code: str, message: str) -> bytes:
    """The one shape, as JSON."""
    return to_json_bytes({"error": {"code": code, "message": message}})


def respond(problem: Problem) -> Response:
    """The answer that a problem is."""
    return Response(
        error_body(problem.code, problem.message),
        status_code=problem.status,
        media_type="application/json",
        headers=problem.headers,
    )


def add_handlers(app: FastAPI) -> None:
    """Let an app answer with the one shape, whoever found the mistake."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return respond(error)

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "_").replace("-", "_")
        message = f"{status.phrase}; what there is to ask is listed at /docs."
        return respond(Problem(status, code, message, dict(error.headers or {})))

    async def on_invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(Problem(422, "invalid_parameter", _describe(error)))

    async def on_unexpected(_request: Request, _error: Exception) -> Response:
        message = "the server made a mistake; its log says more, under the X-Request-ID."
        return respond(Problem(500, "internal", message))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_unexpected)


def _describe(error: RequestValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"][1:])
    received = show_text(str(first.get("input", "")))[:80]
    return f"{where}: {first['msg']}. Received: {received!r}."
