"""Photos: pages of a view of them, and their pictures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from candid.server.schemas import Problem
from candid.studio.pictures import SIZES, Pictures
from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:
    """``/api/photos`` and ``/api/picture``."""
    router = APIRouter(prefix="/api")

    @router.get("/photos")
    def photos(start: int = 0, count: int = 200) -> dict[str, Any]:
        """A page of the photos."""
        project = studio.project
        with project.lock:
            numbers = project.present[max(0, start) : max(0, start) + min(count, 1000)]
            rows = [
                {"id": number, "path": photo.path, "label": photo.label}
                for number, photo in ((number, project.photos[number]) for number in numbers)
            ]
            return {"total": len(project.present), "start": start, "rows": rows}

    @router.get("/picture/{number}")
    def picture(number: int, size: int = SIZES[0]) -> Response:
        """A photo as JPEG; the page adds its content to the address, so that it can be kept."""
        if size not in SIZES:
            raise Problem(422, "invalid_parameter", f"size: one of {SIZES} is expected.")
        jpeg = studio.part(Pictures).jpeg(number, size)
        return Response(jpeg, media_type="image/jpeg")

    return router
