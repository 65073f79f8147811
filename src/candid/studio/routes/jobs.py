"""Commands that run beside the studio: the one that runs, and stopping it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from candid.studio.jobs import Jobs
from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:
    """``/api/jobs``; other routes start them."""
    router = APIRouter(prefix="/api")

    def describe() -> dict[str, Any]:
        last = studio.part(Jobs).last
        return {"job": None if last is None else last.to_json()}

    studio.adds_to_state(describe)

    @router.delete("/jobs")
    def stop() -> dict[str, Any]:
        """Stop the command that runs, as Ctrl-C would."""
        last = studio.part(Jobs).last
        if last is not None:
            last.cancel()
        return describe()

    return router
