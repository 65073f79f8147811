"""The routes of the API and of the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, params
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from candid.errors import UsageError
from candid.reporting.app import index_html
from candid.server.admission import Ticket, read_body
from candid.server.models import ServedModel, describe
from candid.server.page import FILES, POLICY, documentation, file_at
from candid.server.schemas import (
    ERRORS,
    MODELS_EXAMPLE,
    PREDICTIONS_EXAMPLES,
    ModelsOut,
    Parameters,
    PredictionsOut,
    Problem,
    StateOut,
    answers,
    busy,
    request_body,
    require_known,
    to_json_bytes,
)
from candid.server.state import CONTENT_TYPE, State
from candid.server.uploads import Uploads, read_uploads


def add_routes(app: FastAPI, state: State) -> list[Route]:
    """Add all routes to an app; returns them, with that of the OpenAPI document."""
    routers = (
        _predict_routes(state),
        _model_routes(state),
        _operation_routes(state),
        _page_routes(app),
    )
    for router in routers:
        app.include_router(router)
    routes = (route for router in (app, *routers) for route in router.routes)
    return [route for route in routes if isinstance(route, Route)]


def _predict_routes(state: State) -> APIRouter:
    router = APIRouter(responses=ERRORS, dependencies=_taking(*Parameters.model_fields))
    body = request_body(state.settings.max_images)

    @router.post(
        "/v1/predict",
        response_model=PredictionsOut,
        responses=answers(*PREDICTIONS_EXAMPLES),
        openapi_extra={"requestBody": body},
    )
    async def predict(request: Request, query: Annotated[Parameters, Query()]) -> Response:
        """Classify images, sent as multipart files, as one image's bytes, or as base64 in JSON.

        The parameters may be fields of the form or of the JSON too; one in the query counts.
        """
        models = list(state.models)  # the versions that answer, whatever is reloaded meanwhile
        _get_model(models, query.model)
        deadline = asyncio.get_running_loop().time() + state.settings.request_s
        with state.admission.enter() as ticket:
            slow = Problem(408, "too_slow", "the body arrived too slowly.", {"Connection": "close"})
            async with _until(deadline, slow):
                uploads = await _receive(request, state, ticket)
            asked = _join(query, uploads.fields)
            chosen = _get_model(models, asked.model)
            try:
                classifier = chosen.at(asked.coverage)
            except UsageError as error:
                raise Problem(422, "no_coverage", str(error)) from None
            async with _until(deadline, busy("the answer took too long.")):
                items = await state.answerer.answer(
                    uploads.images, chosen, classifier, explain=asked.explain
                )
        for item in items:
            outcome = item["verdict"] or "answered"
            state.metrics.images.labels(chosen.name, outcome).inc()
        return _json({"model": chosen.name, "predictions": items})

    return router


def _model_routes(state: State) -> APIRouter:
    router = APIRouter(responses=ERRORS, dependencies=_taking())

    @router.get("/v1/models", response_model=ModelsOut, responses=answers(MODELS_EXAMPLE))
    async def models() -> Response:
        """List the models, their classes and their measured performance."""
        described = [
            describe(model, is_default=index == 0) for index, model in enumerate(state.models)
        ]
        return _json({"models": described})

    @router.get(
        "/v1/models/{name}/samples/{number}",
        response_class=Response,
        responses=answers(kind="image/png"),
    )
    async def sample(
        name: Annotated[str, Path(description="Name of the model.")],
        number: Annotated[int, Path(description="From 0, below its num_samples.")],
    ) -> Response:
        """Return an image to try a model on, in the size of the model's input."""
        samples = _get_model(list(state.models), name).samples
        if not 0 <= number < len(samples):
            message = f"{name} has {len(samples)} samples, numbered from 0."
            raise Problem(404, "unknown_sample", message)
        return Response(samples[number], media_type="image/png")

    return router


def _operation_routes(state: State) -> APIRouter:
    router = APIRouter()

    alive, ready = {"status": "alive"}, {"status": "ready"}
    closed: dict[int | str, dict[str, Any]] = {401: ERRORS[401]}

    @router.get("/healthz", response_model=StateOut, responses=answers(alive))
    async def healthz() -> Response:
        """Check that the process is alive."""
        return _json(alive)

    @router.get("/readyz", response_model=StateOut, responses=answers(ready) | closed)
    async def readyz() -> Response:
        """Check that images can be classified: the runs are loaded before the server listens."""
        return _json(ready)

    line = 'candid_requests_total{route="/v1/predict",status="200"} 3.0'
    text = answers(line, kind="text/plain") | closed

    @router.get("/metrics", response_class=Response, responses=text)
    async def metrics() -> Response:
        """Return metrics in the format of Prometheus."""
        return Response(state.metrics.render(), media_type=CONTENT_TYPE)

    return router


def _page_routes(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def root() -> Response:
        return _html(index_html())

    @router.get("/app/{name}")
    async def file(name: str) -> Response:
        if f"/app/{name}" not in FILES:
            raise HTTPException(404)
        data, media_type = file_at(f"/app/{name}")
        return Response(data, media_type=media_type)

    @router.get("/docs")
    async def docs() -> Response:
        return _html(documentation(app.openapi()))

    return router


@asynccontextmanager
async def _until(deadline: float, late: Problem) -> AsyncIterator[None]:
    """Raise a problem at a time of the event loop."""
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise late from None
        raise


async def _receive(request: Request, state: State, ticket: Ticket) -> Uploads:
    body = await read_body(request, ticket, state.settings.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    max_images = state.settings.max_images
    # Megabytes of JSON may keep the event loop from other requests.
    uploads = await asyncio.to_thread(read_uploads, content_type, body, max_images)
    ticket.take_images(len(uploads.images))
    return uploads


def _taking(*names: str) -> list[params.Depends]:
    """Refuse other parameters in the query of a router's routes."""

    async def check(request: Request) -> None:
        given = (name for name, _ in request.query_params.multi_items())
        require_known(given, names, "parameter")

    return [Depends(check)]


def _join(query: Parameters, fields: dict[str, Any]) -> Parameters:
    """The parameters of a request; one in the query counts."""
    # A browser sends the empty fields of a form too.
    given = {name: value for name, value in fields.items() if value != ""}
    try:
        return Parameters.model_validate(given | query.model_dump(exclude_unset=True))
    except ValidationError as error:
        problems = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(problems) from None


def _get_model(models: Sequence[ServedModel], name: str | None) -> ServedModel:
    for model in models:
        if name in (None, model.name):
            return model
    names = ", ".join(model.name for model in models)
    raise Problem(404, "unknown_model", f"there is no such model; expected one of {names}.")


def _json(value: object) -> Response:
    return Response(to_json_bytes(value), media_type="application/json")


def _html(page: str | bytes) -> Response:
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
