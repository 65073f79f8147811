"""The JSON of requests and responses, for the OpenAPI document.

Every error has the form ``{"error": {"code": "…", "message": "…"}}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from candid.core.text import sanitize
from candid.runs.prediction import Prediction


class Problem(Exception):  # noqa: N818 - it is a response
    """An error response.

    Attributes:
        status: The HTTP status.
        code: For programs: lower case, words joined by ``_``.
        message: For people, one sentence or more; without paths of this machine.
        headers: Further headers of the response.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        """Hold the response."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


def busy(message: str) -> Problem:
    """Overload: 503, to be retried after a second."""
    return Problem(503, "busy", f"{message} Try again in a second.", {"Retry-After": "1"})


def require_known(given: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Refuse names that don't exist, and those given twice.

    Args:
        given: Names in a request.
        known: Names that exist.
        kind: What they are the names of, in the singular.

    Raises:
        Problem: 422, with the names that exist.
    """
    seen: set[str] = set()
    for name in given:
        shown = repr(sanitize(name)[:80])
        if name not in known:
            exist = ", ".join(known) or "none"
            message = f"there is no {kind} {shown}. Those that exist: {exist}."
            raise Problem(422, "unknown_parameter", message)
        if name in seen:
            raise Problem(422, "invalid_parameter", f"the {kind} {shown} is given twice.")
        seen.add(name)


def to_json_bytes(value: Any) -> bytes:
    """A value as JSON in UTF-8; bytes of file names that are not UTF-8 are escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")


def error_body(code: str, message: str) -> bytes:
    """An error as JSON."""
    return to_json_bytes({"error": {"code": code, "message": message}})


def respond(problem: Problem) -> Response:
    """The response for a problem."""
    return Response(
        error_body(problem.code, problem.message),
        status_code=problem.status,
        media_type="application/json",
        headers=problem.headers,
    )


def add_handlers(app: FastAPI) -> None:
    """Make an app return all errors in the common form."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return respond(error)

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "_").replace("-", "_")
        message = f"{status.phrase}; /docs lists all routes."
        return respond(Problem(status, code, message, dict(error.headers or {})))

    async def on_invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        received = sanitize(str(first.get("input", "")))[:80]
        message = f"{first['loc'][1]}: {first['msg']}. Received: {received!r}."
        return respond(Problem(422, "invalid_parameter", message))

    async def on_unexpected(_request: Request, _error: Exception) -> Response:
        message = "internal error; the server logs it with the X-Request-ID."
        return respond(Problem(500, "internal", message))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_unexpected)


class Parameters(BaseModel):
    """Parameters of /v1/predict, in the query or as fields of the body."""

    explain: bool = Field(False, description="Explain each prediction.")
    model: str | SkipJsonSchema[None] = Field(
        None, description="Name of the model; by default the first."
    )
    coverage: Annotated[float, Field(gt=0, lt=1)] | SkipJsonSchema[None] = Field(
        None, description="Share of photos whose possible classes include the true one."
    )


class SimilarPhoto(BaseModel):
    """A training photo with a similar embedding."""

    label: str
    similarity: float = Field(ge=0, le=1)
    thumbnail: str | None = Field(description="A data: URL of a JPEG; null without the photo.")


class ExplanationOut(BaseModel):
    """Explanation of one prediction."""

    heat: list[list[float]] = Field(description="Nats that each location adds to the log odds.")
    where: str
    similar: list[SimilarPhoto]


class PredictionOut(BaseModel):
    """Prediction for one image; the same values as `candid predict --json`."""

    path: str = Field(description="The file name sent by the client, without folders.")
    answer: str = Field(description="For people. Programs read the verdict and the label.")
    label: str | None = Field(description="The class that the decision rule chose.")
    probability: float | None = Field(ge=0, le=1, description="Of the label.")
    positive_probability: float | None = Field(
        ge=0,
        le=1,
        description="With two classes: of the alphabetically second one, which is chosen if this "
        "is above the threshold. null with more classes.",
    )
    probabilities: dict[str, float] = Field(description="Of each class.")
    verdict: Literal["sure", "uncertain", "unknown", "unreadable"] | None = Field(
        description="null if the model can't abstain, for images that are neither blank nor "
        "unreadable."
    )
    possible: list[str] = Field(description="The classes that can't be ruled out.")
    familiarity: float | None = Field(
        ge=0, le=1, description="Share of known photos that are at least as unusual."
    )
    reason: str | None = Field(
        description="Why there is no label, or that the image is blank and unknown; else null."
    )
    explanation: ExplanationOut | None = None


class PredictionsOut(BaseModel):
    """Response of /v1/predict, one prediction per image, in their order."""

    model: str
    predictions: list[PredictionOut]


class FigureOut(BaseModel):
    """A measure with its 95 % interval, from n images."""

    value: float
    low: float
    high: float
    n: int


class CostOut(BaseModel):
    """Cost of predicting ``predicted`` if the class is ``true``."""

    true: str
    predicted: str
    cost: float


class MeasuredOut(BaseModel):
    """Measured performance of a run."""

    believe: str | None = Field(description="The estimate to believe.")
    figures: dict[str, dict[str, FigureOut]] = Field(description="By estimate: test, kfold.")


class ModelOut(MeasuredOut):
    """A run."""

    name: str
    run: str = Field(description="Folder name of the current version.")
    is_default: bool
    title: str = Field(description="The question that it answers.")
    sentence: str = Field(description="How good it is; empty if it was not measured.")
    recipe: str
    classes: list[str]
    threshold: float = Field(description="Compared with positive_probability.")
    costs: list[CostOut]
    fit: Literal["squash", "crop", "pad"] = Field(description="How images are made square.")
    num_samples: int = Field(description="Number of sample images, numbered from 0.")
    coverage: float | None = Field(description="null if it can't abstain.")


class ModelsOut(BaseModel):
    """Response of /v1/models."""

    models: list[ModelOut]


class StateOut(BaseModel):
    """State of the server."""

    status: str


class ErrorDetail(BaseModel):
    """Code for programs, message for people."""

    code: str
    message: str


class ErrorOut(BaseModel):
    """Response of every error."""

    error: ErrorDetail


def request_body(max_images: int) -> dict[str, Any]:
    """OpenAPI description of the bodies that /v1/predict accepts."""
    binary = {"type": "string", "format": "binary"}
    several = {"type": "array", "minItems": 1, "maxItems": max_images}
    encoded = {"type": "string", "format": "byte", "contentEncoding": "base64"}

    parameters = Parameters.model_json_schema()["properties"]

    def images(item: dict[str, Any]) -> dict[str, Any]:
        return {
            "schema": {
                "type": "object",
                "properties": {"images": several | {"items": item}, **parameters},
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


#: Error responses of every route.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The body is malformed.",
        401: "The token is missing or wrong.",
        403: "The request comes from another site.",
        404: "There is no such model or sample.",
        408: "The body arrived too slowly.",
        413: "The body is too large.",
        415: "The body has an unsupported type.",
        422: "A parameter or the body is invalid.",
        503: "The server is overloaded; see Retry-After.",
    }.items()
}


def answers(*values: Any, kind: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """OpenAPI description of a response, with an example and one for explain=true."""
    summaries = ("Example answer", "With explain=true")
    examples = {
        summary: {"summary": summary, "value": value}
        for summary, value in zip(summaries, values, strict=False)
    }
    return {200: {"content": {kind: {"examples": examples} if values else {}}}}


_EXAMPLE_PREDICTION: Final = Prediction(
    "photo.jpg", "happy", 0.863, {"happy": 0.863, "sad": 0.137}, None, "sure", ("happy",), 0.93
).to_json()
_EXAMPLE_EXPLANATION: Final = {
    "heat": [[-0.21, 0.04], [0.35, 1.62]],
    "where": "the lower right",
    "similar": [
        {"label": "happy", "similarity": 0.87, "thumbnail": "data:image/jpeg;base64,/9j/4AAQ…"}
    ],
}
#: Responses of /v1/predict.
PREDICTIONS_EXAMPLES: Final = tuple(
    {"model": "latest", "predictions": [prediction]}
    for prediction in (
        _EXAMPLE_PREDICTION,
        _EXAMPLE_PREDICTION | {"explanation": _EXAMPLE_EXPLANATION},
    )
)
#: Response of /v1/models.
MODELS_EXAMPLE: Final = {
    "models": [
        {
            "name": "latest",
            "run": "2026-01-31-faces",
            "is_default": True,
            "title": "happy or sad?",
            "sentence": "Accuracy on 30 photos held out from training: 93 % (95 % interval "
            "79 % to 98 %).",
            "recipe": "transfer",
            "classes": ["happy", "sad"],
            "threshold": 0.5,
            "costs": [],
            "fit": "squash",
            "num_samples": 3,
            "coverage": 0.9,
            "believe": "test",
            "figures": {
                "test": {"accuracy": {"value": 0.933, "low": 0.787, "high": 0.982, "n": 30}}
            },
        }
    ]
}
