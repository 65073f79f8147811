"""Batches of photos to label, and what was said of them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from candid.studio.decided import Decided
from candid.studio.judgements import Judgements
from candid.studio.known import Known
from candid.studio.labels import Labels, Mode, progress
from candid.studio.studio import Studio
from candid.studio.view import View


class LabelsIn(BaseModel):
    """What was said of a batch.

    Attributes:
        mode: Of the batch.
        guess: The class that was guessed; empty for none.
        labels: The class by the number of the photo.
        refused: Photos that are not of that class.
    """

    mode: Mode = "unlabelled"
    guess: str = ""
    labels: dict[int, str] = Field(max_length=100_000)
    refused: list[int] = Field(default=[], max_length=100_000)


def routes(studio: Studio) -> APIRouter:
    """``/api/labels``."""
    router = APIRouter(prefix="/api")

    def known() -> Known:
        columns = studio.part(Judgements).columns()
        return studio.part(View).look(studio.part(Decided).current, columns)

    def describe(mode: Mode) -> dict[str, Any]:
        return {**studio.part(Labels).batch(mode, known()), **progress(known())}

    studio.adds_to_state(lambda: {"labels": progress(known())})

    @router.get("/labels")
    def batch(mode: Mode = "unlabelled") -> dict[str, Any]:
        """The batch of photos that it pays most to label, or to check."""
        return describe(mode)

    @router.post("/labels")
    def give(said: LabelsIn) -> dict[str, Any]:
        """Give the photos of a batch their classes; answers with the next one."""
        decided, labels = studio.part(Decided), studio.part(Labels)
        labels.accept(decided, said.mode, said.labels, said.refused, said.guess)
        return describe(said.mode)

    return router
