"""The studio's app on loopback."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse, Response

from candid.core.extras import require_packages
from candid.errors import CandidError, DependencyError
from candid.exporting.web_gate import type_of
from candid.server.app import base_api
from candid.server.schemas import Problem, respond, to_json_bytes
from candid.server.settings import Settings
from candid.studio.guard import StudioGuard
from candid.studio.routes import (
    applying,
    decisions,
    intake,
    jobs,
    labels,
    photos,
    runs,
    shipping,
    start,
    trying,
)
from candid.studio.studio import Studio

#: WebAssembly is what the web export runs on; frames of the camera are blobs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'"
)
_ROUTERS: Final[tuple[Callable[[Studio], APIRouter], ...]] = (
    start.routes,
    photos.routes,
    decisions.routes,
    labels.routes,
    applying.routes,
    intake.routes,
    jobs.routes,
    runs.routes,
    trying.routes,
    shipping.routes,
)
_PACKAGES: Final = ("fastapi", "uvicorn", "segno")


class _Json(JSONResponse):
    """JSON, whatever bytes the names of files have."""

    def render(self, content: Any) -> bytes:
        return to_json_bytes(_without_nan(content))


def _without_nan(value: Any) -> Any:
    """The same, with null for numbers that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list) else value


def require() -> None:
    """Require the packages and scripts that the studio needs.

    Raises:
        DependencyError: Some are not installed.
    """
    require_packages(_PACKAGES, needed_by="`candid studio`", extra="studio")
    if not (_page() / "vendor" / "lit-html.js").is_file():
        raise DependencyError(
            "`candid studio` needs lit-html, which this installation lacks. In a clone of Candid, "
            "run: make web; if Candid was installed from that clone, install it again "
            "(pip install .)"
        )


def make_app(studio: Studio, settings: Settings, port: int) -> StudioGuard:
    """The app; its one-time token is `StudioGuard.token`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            studio.close()

    api = base_api("Candid's studio.", lifespan, openapi_url=None, default_response_class=_Json)

    async def on_error(_request: Request, error: Exception) -> Response:
        return respond(Problem(422, "refused", str(error)))

    api.add_exception_handler(CandidError, on_error)
    for router in _ROUTERS:
        api.include_router(router(studio))
    _add_page(api)
    return StudioGuard(api, settings, lambda *_: None, port)


def _page() -> Traversable:
    return files("candid.studio") / "page"


def _add_page(api: FastAPI) -> None:
    """The page's files: those that exist now, by name."""
    folder, shared = _page(), files("candid.reporting.pages")
    served = {
        "/favicon.ico": files("candid.reporting.app") / "icon.svg",
        "/base.css": shared / "base.css",
        "/": folder / "index.html",
    }
    for below in ("", "screens/", "vendor/"):
        within = folder / below if below else folder
        served |= {f"/{below}{file.name}": file for file in within.iterdir() if file.is_file()}
    # The second lets the web export's threads share memory.
    headers = {"Content-Security-Policy": _POLICY, "Cross-Origin-Embedder-Policy": "require-corp"}

    @api.get("/{path:path}")
    def page(path: str) -> Response:
        file = served.get(f"/{path}")
        if file is None:
            raise Problem(404, "not_found", "there is no such page.")
        return Response(file.read_bytes(), media_type=type_of(file.name), headers=headers)
