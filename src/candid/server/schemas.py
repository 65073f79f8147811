"""The shapes of requests and answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


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
