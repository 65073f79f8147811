"""Applying the decisions to the folder: what would be moved, moving it, and moving it back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from candid.studio.applying import Applying, to_json
from candid.studio.decided import Decided
from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:
    """``/api/apply``."""
    router = APIRouter(prefix="/api")

    def state() -> dict[str, Any]:
        last = studio.part(Applying).last(studio.part(Decided))
        moved = None if last is None else {"num": len(last.moved), "time_s": last.time_s}
        return {"applied": moved}

    studio.adds_to_state(state)

    @router.get("/apply")
    def plan() -> dict[str, Any]:
        """What would be moved, and where to."""
        found = studio.part(Applying).plan(studio.part(Decided))
        return to_json(found, studio.project)

    @router.post("/apply")
    def apply(key: Annotated[str, Body(embed=True)]) -> dict[str, Any]:
        """Move what the plan of this key says."""
        done = studio.part(Applying).apply(studio.part(Decided), key)
        return {"num": len(done.moved), "num_left": len(done.moves) - len(done.moved)}

    @router.post("/apply/back")
    def back() -> dict[str, Any]:
        """Move back what was moved last."""
        decided = studio.part(Decided)
        last = studio.part(Applying).last(decided)
        found = studio.part(Applying).move_back(decided)
        return {"num": len(found), "num_left": (len(last.moved) if last else 0) - len(found)}

    return router
