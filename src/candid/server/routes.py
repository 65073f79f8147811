"""The routes of the API and of the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, Response

from candid.errors import UsageError
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

Explain = Annotated[bool, Query(description="Explain each prediction.")]
ModelName = Annotated[str | None, Query(description="Name of the model; by default the first.")]
Coverage = Annotated[
    float | None,
    Query(gt=0, lt=1, description="Share of photos whose possible classes include the true one."),
]


def add_routes(app: FastAPI, state: State) -> frozenset[str]:
    """Add all routes to an app; returns their paths."""
    routers = (
        _predict_routes(state),
        _model_routes(state),
        _operation_routes(state),
        _page_routes(app),
    )
    for router in routers:
        app.include_router(router)
    routes = (route for router in routers for route in router.routes)
    return frozenset(route.path for route in routes if isinstance(route, APIRoute))


def _predict_routes(state: State) -> APIRouter:
    router = APIRouter(responses=ERRORS)
    body = request_body(state.settings.max_images)

    @router.post("/v1/predict", response_model=PredictionsOut, openapi_extra={"requestBody": body})
    async def predict(
        request: Request,
        explain: Explain = False,
        model: ModelName = None,
        coverage: Coverage = None,
    ) -> Response:
        """Classify images, sent as multipart files, as one image's bytes, or as base64 in JSON."""
        chosen = _get_model(state, model)
        with state.admission.enter() as ticket:
            async with _deadline(state.settings.request_s) as progress:
                uploads = await _receive(request, state, ticket)
                progress.is_read = True
                try:
                    classifier = chosen.at(coverage)
                except UsageError as error:
                    raise Problem(422, "no_coverage", str(error)) from None
                items = await state.answerer.answer(uploads, chosen, classifier, explain=explain)
        for item in items:
            outcome = item["verdict"] or "answered"
            state.metrics.images.labels(chosen.name, outcome).inc()
        return _json({"model": chosen.name, "predictions": items})

    return router


def _model_routes(state: State) -> APIRouter:
    router = APIRouter(responses=ERRORS)

    @router.get("/v1/models", response_model=ModelsOut)
    async def models() -> Response:
        """List the models, their classes and their measured performance."""
        described = [
            describe(model, is_default=index == 0) for index, model in enumerate(state.models)
        ]
        return _json({"models": described})

    png: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}

    @router.get(
        "/v1/models/{name}/samples/{number}", response_class=Response, responses=png | ERRORS
    )
    async def sample(name: str, number: int) -> Response:
        """Return an image to try a model on, in the size of the model's input."""
        samples = _get_model(state, name).samples
        if not 0 <= number < len(samples):
            message = f"{name} has {len(samples)} samples, numbered from 0."
            raise Problem(404, "unknown_sample", message)
        return Response(samples[number], media_type="image/png")

    return router


def _operation_routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", response_model=StateOut)
    async def healthz() -> Response:
        """Check that the process is alive."""
        return _json({"status": "alive"})

    @router.get("/readyz", response_model=StateOut, responses={401: ERRORS[401], 503: ERRORS[503]})
    async def readyz() -> Response:
        """Check that images can be classified."""
        if not state.answerer.is_alive:
            raise busy("the server is stopping.")
        return _json({"status": "ready"})

    text = {200: {"content": {"text/plain": {}}}, 401: ERRORS[401]}

    @router.get("/metrics", response_class=Response, responses=text)  # type: ignore[arg-type]
    async def metrics() -> Response:
        """Return metrics in the format of Prometheus."""
        return Response(state.metrics.render(), media_type=CONTENT_TYPE)

    return router


def _page_routes(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def root() -> Response:
        return _html(home())

    for path in FILES:
        router.add_api_route(path, _file_route(path))

    @router.get("/docs")
    async def docs() -> Response:
        return _html(reference(app.openapi()))

    return router


@dataclass
class _Progress:
    """Whether the body of a request has been read."""

    is_read: bool = False


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[_Progress]:
    """A time limit for reading and answering; the error names the one that was late."""
    progress = _Progress()
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield progress
    except TimeoutError:
        if not limit.expired():
            raise
        if progress.is_read:
            raise busy("the answer took too long.") from None
        message = "the body arrived too slowly."
        raise Problem(408, "too_slow", message, {"Connection": "close"}) from None


async def _receive(request: Request, state: State, ticket: Ticket) -> list[Upload]:
    body = await read_body(request, ticket, state.settings.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    # In a thread, as it may parse megabytes of JSON.
    uploads = await state.answerer.run(read_uploads, content_type, body, state.settings.max_images)
    ticket.take_images(len(uploads))
    return uploads


def _get_model(state: State, name: str | None) -> ServedModel:
    model = state.models.get(name)
    if model is None:
        names = ", ".join(state.models.names)
        raise Problem(404, "unknown_model", f"there is no such model; expected one of {names}.")
    return model


def _file_route(path: str) -> Callable[[], Awaitable[Response]]:
    async def file() -> Response:
        data, media_type = file_at(path)
        return Response(data, media_type=media_type)

    return file


def _json(value: object) -> Response:
    return Response(to_json_bytes(value), media_type="application/json")


def _html(page: Page) -> Response:
    return HTMLResponse(page.html, headers={"Content-Security-Policy": page.policy})
