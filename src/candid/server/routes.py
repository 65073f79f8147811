"""What there is to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, Response

from candid.errors import UsageError
from candid.runs.classifier import Classifier
from candid.server.admission import Ticket, read_body
from candid.server.models import ServedModel, describe
from candid.server.page import FILES, Page, file_at, home, reference
from candid.server.schemas import (
    ERRORS,
    ModelsOut,
    PredictionsOut,
    Problem,
    StateOut,
    busy,
    request_body,
    to_json_bytes,
)
from candid.server.state import CONTENT_TYPE, State
from candid.server.uploads import Upload, read_uploads

Explain = Annotated[bool, Query(description="Say what each answer rests on.")]
ModelName = Annotated[str | None, Query(description="Which model; by default the first.")]
Coverage = Annotated[
    float | None,
    Query(gt=0, lt=1, description="How often the possible classes hold the true one."),
]


def add_routes(app: FastAPI, state: State) -> frozenset[str]:
    """Let an app answer.

    Returns:
        The paths that it answers.
    """
    routers = (_predicting(state), _operating(state), _pages(app))
    for router in routers:
        app.include_router(router)
    known = (route for router in routers for route in router.routes)
    return frozenset(route.path for route in known if isinstance(route, APIRoute))


def _predicting(state: State) -> APIRouter:
    router = APIRouter(responses=ERRORS)
    body = request_body(state.settings.max_images)

    @router.post("/v1/predict", response_model=PredictionsOut, openapi_extra={"requestBody": body})
    async def predict(
        request: Request,
        explain: Explain = False,
        model: ModelName = None,
        coverage: Coverage = None,
    ) -> Response:
        """Say what is in images: multipart files, one image's bytes, or base64 in JSON."""
        chosen = _choose(state, model)
        with state.admission.enter() as ticket:
            async with _Deadline(state.settings.request_s) as deadline:
                uploads = await _receive(request, state, ticket)
                deadline.is_read = True
                classifier = _at(chosen, coverage)
                items = await state.answerer.answer(uploads, chosen, classifier, explain=explain)
        for item in items:
            found = "unreadable" if item["label"] is None else item["verdict"] or "answered"
            state.metrics.images.labels(chosen.name, found).inc()
        return _json({"model": chosen.name, "predictions": items})

    @router.get("/v1/models", response_model=ModelsOut)
    async def models() -> Response:
        """Say which models there are, what they tell apart and how good they are."""
        described = [
            describe(model, is_default=place == 0) for place, model in enumerate(state.models)
        ]
        return _json({"models": described})

    png: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}

    @router.get(
        "/v1/models/{name}/samples/{number}", response_class=Response, responses=png | ERRORS
    )
    async def sample(name: str, number: int) -> Response:
        """Give an image to try a model on, in the shape that it sees."""
        samples = _choose(state, name).samples
        if not 0 <= number < len(samples):
            raise Problem(404, "unknown_sample", f"{name} has {len(samples)} samples, from 0.")
        return Response(samples[number], media_type="image/png")

    return router


def _operating(state: State) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", response_model=StateOut)
    async def healthz() -> Response:
        """Say that the process is alive."""
        return _json({"status": "alive"})

    @router.get("/readyz", response_model=StateOut, responses={401: ERRORS[401], 503: ERRORS[503]})
    async def readyz() -> Response:
        """Say whether images would be answered."""
        if not state.answerer.is_alive:
            raise busy("the server is stopping.")
        return _json({"status": "ready"})

    text = {200: {"content": {"text/plain": {}}}, 401: ERRORS[401]}

    @router.get("/metrics", response_class=Response, responses=text)  # type: ignore[arg-type]
    async def metrics() -> Response:
        """Give counters to Prometheus."""
        return Response(state.metrics.render(), media_type=CONTENT_TYPE)

    return router


def _pages(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def root() -> Response:
        return _html(home())

    for path in FILES:
        router.add_api_route(path, _file_at(path))

    @router.get("/docs")
    async def docs() -> Response:
        return _html(reference(app.openapi()))

    return router


class _Deadline:
    """A time limit for reading and answering; which of them was late decides what is said.

    Attributes:
        is_read: Whether the body has come.
    """

    def __init__(self, seconds: float) -> None:
        self._timeout = asyncio.timeout(seconds)
        self.is_read = False

    async def __aenter__(self) -> _Deadline:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            await self._timeout.__aexit__(kind, error, traceback)  # type: ignore[arg-type]
        except TimeoutError:
            if self.is_read:
                raise busy("the answer took too long.") from None
            message = "the body came too slowly."
            raise Problem(408, "too_slow", message, {"Connection": "close"}) from None


async def _receive(request: Request, state: State, ticket: Ticket) -> list[Upload]:
    body = await read_body(request, ticket, state.settings.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    # In a thread, as it may be megabytes of JSON.
    uploads = await state.answerer.do(read_uploads, content_type, body, state.settings.max_images)
    ticket.take_images(len(uploads))
    return uploads


def _choose(state: State, name: str | None) -> ServedModel:
    model = state.models.get(name)
    if model is None:
        names = ", ".join(state.models.names)
        raise Problem(404, "unknown_model", f"there is no such model; expected one of {names}.")
    return model


def _at(model: ServedModel, coverage: float | None) -> Classifier:
    try:
        return model.at(coverage)
    except UsageError as error:
        raise Problem(422, "no_coverage", str(error)) from None


def _file_at(path: str) -> Callable[[], Awaitable[Response]]:
    async def file() -> Response:
        data, media_type = file_at(path)
        return Response(data, media_type=media_type)

    return file


def _json(value: object) -> Response:
    return Response(to_json_bytes(value), media_type="application/json")


def _html(page: Page) -> Response:
    return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy})
