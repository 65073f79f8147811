"""Decisions about photos, and their undoing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from candid.data.decisions import class_as_decision
from candid.studio.decided import Decided
from candid.studio.studio import Studio


class DecideIn(BaseModel):
    """A decision about photos; ``label``, the name of a class, in place of a word."""

    ids: list[int] = Field(max_length=1_000_000)
    decision: str = ""
    label: str | None = None


def routes(studio: Studio) -> APIRouter:
    """``/api/decisions`` and ``/api/undo``."""
    router = APIRouter(prefix="/api")
    studio.adds_to_state(lambda: {"decisions": studio.part(Decided).to_json()})

    @router.post("/decisions")
    def decide(given: DecideIn) -> dict[str, Any]:
        """Keep, drop or relabel photos, or take decisions about them back."""
        decided = studio.part(Decided)
        word = given.decision if given.label is None else class_as_decision(given.label)
        decided.decide(given.ids, word)
        return decided.to_json()

    @router.post("/undo")
    def undo() -> dict[str, Any]:
        """Take the last decision back, however long ago it was."""
        decided = studio.part(Decided)
        return {"is_undone": decided.undo(), **decided.to_json()}

    return router
