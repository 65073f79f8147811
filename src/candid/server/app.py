"""The ASGI app: routes, error handlers, and the guard around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Scope

from candid._version import __version__
from candid.server.log import log_request
from candid.server.models import Models
from candid.server.routes import add_routes
from candid.server.schemas import add_handlers
from candid.server.security import Guard, Record
from candid.server.settings import Settings
from candid.server.state import Metrics, Reloader, State

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def base_api(description: str, lifespan: Lifespan, **options: Any) -> FastAPI:
    """The app without its routes: no page from another site, and errors in the common form."""
    api = FastAPI(
        title="Candid",
        version=__version__,
        description=description,
        docs_url=None,  # FastAPI's own pages load scripts from another site
        redoc_url=None,
        lifespan=lifespan,
        **options,
    )
    add_handlers(api)
    return api


class App(Guard):
    """A server's app.

    Attributes:
        reloader: Reloads runs, on request and when they are replaced.
    """

    def __init__(self, models: Models, settings: Settings) -> None:
        """Build it and start its threads.

        Args:
            models: The loaded runs.
            settings: Its limits and its token.
        """
        state = State.begin(models, settings)
        self.reloader = Reloader(state)

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            watching = asyncio.create_task(self.reloader.watch())
            try:
                yield
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
                await asyncio.to_thread(state.answerer.close)

        api = base_api("A photo classifier that reports its confidence.", lifespan)
        super().__init__(api, settings, _recorder(state.metrics, add_routes(api, state)))


def _recorder(metrics: Metrics, routes: Sequence[Route]) -> Record:
    """Counts and logs requests by route."""

    def record(scope: Scope, status: int, seconds: float, request_id: str) -> None:
        # Unknown paths share one name, as clients may request any path.
        found = (route.path for route in routes if route.path_regex.match(scope["path"]))
        route = next(found, "other")
        metrics.requests.labels(route, status).inc()
        metrics.seconds.labels(route).observe(seconds)
        values = {
            "client": (scope.get("client") or "-")[0],
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "request_id": request_id,
        }
        log_request(values)

    return record
