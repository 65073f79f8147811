"""The shapes of requests and answers, for the OpenAPI document.

Whatever goes wrong has one shape: ``{"error": {"code": "…", "message": "…"}}``.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from candid.core.text import sanitize


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
    received = sanitize(str(first.get("input", "")))[:80]
    return f"{where}: {first['msg']}. Received: {received!r}."


class SimilarPhoto(BaseModel):
    """A training photo that looks alike to the network."""

    label: str
    similarity: float = Field(ge=0, le=1)
    thumbnail: str | None = Field(description="A data: address of a JPEG; null without the photo.")


class ExplanationOut(BaseModel):
    """What one answer rests on."""

    heat: list[list[float]] = Field(description="Nats that each place adds to the log odds.")
    where: str
    similar: list[SimilarPhoto]


class PredictionOut(BaseModel):
    """What is said of one image; the same values as `candid predict --json`."""

    path: str = Field(description="The client's name of the file, without folders.")
    answer: str
    label: str | None
    probability: float | None = Field(description="Two classes: of the second one.")
    probabilities: dict[str, float]
    verdict: Literal["sure", "uncertain", "unknown"] | None
    possible: list[str]
    familiarity: float | None
    reason: str | None = Field(description="Why there is no label; null where there is one.")
    explanation: ExplanationOut | None = None


class PredictionsOut(BaseModel):
    """The answer of /v1/predict, an item an image, in their order."""

    model: str
    predictions: list[PredictionOut]


class FigureOut(BaseModel):
    """A figure with its 95 % interval, from n images."""

    value: float
    low: float
    high: float
    n: int


class CostOut(BaseModel):
    """What it costs to answer ``predicted`` where ``true`` is true."""

    true: str
    predicted: str
    cost: float


class MeasuredOut(BaseModel):
    """How good a run is."""

    believe: str | None = Field(description="Which of the figures to believe.")
    figures: dict[str, dict[str, FigureOut]] = Field(description="By estimate: test, kfold.")


class ModelOut(MeasuredOut):
    """A run."""

    name: str
    run: str = Field(description="The name of the folder that answers now.")
    is_default: bool
    title: str = Field(description="The question that it answers.")
    sentence: str = Field(description="How good it is; empty where that was not measured.")
    recipe: str
    classes: list[str]
    threshold: float
    costs: list[CostOut]
    fit: Literal["squash", "crop", "pad"] = Field(description="How an image becomes a square.")
    num_samples: int = Field(description="Images to try it on, numbered from 0.")
    coverage: float | None = Field(description="null where it can't abstain.")


class ModelsOut(BaseModel):
    """The answer of /v1/models."""

    models: list[ModelOut]


class StateOut(BaseModel):
    """Whether the server is there."""

    status: str


class ErrorDetail(BaseModel):
    """What went wrong, for programs and for people."""

    code: str
    message: str


class ErrorOut(BaseModel):
    """Every answer that is an error."""

    error: ErrorDetail


def request_body(max_images: int) -> dict[str, Any]:
    """The forms that /v1/predict takes, as OpenAPI says it."""
    binary = {"type": "string", "format": "binary"}
    several = {"type": "array", "minItems": 1, "maxItems": max_images}
    encoded = {"type": "string", "format": "byte", "contentEncoding": "base64"}

    def images(item: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema": {
                "type": "object",
                "properties": {"images": several | {"items": item}},
                "required": ["images"],
                "additionalProperties": False,
            }
        }

    return {
        "required": True,
        "content": {
            "multipart/form-data": images(binary),
            "application/json": images(encoded),
            "application/octet-stream": {"schema": binary},
            "image/*": {"schema": binary},
        },
    }


#: What every route may answer besides.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The body is broken.",
        401: "The token is missing or wrong.",
        403: "A page of another site asks.",
        404: "There is no such model or sample.",
        408: "The body came too slowly.",
        413: "The body is too large.",
        415: "The body has another type.",
        422: "What is asked makes no sense.",
        503: "Too much is waiting; see Retry-After.",
    }.items()
}
