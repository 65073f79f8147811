"""New photos: dropped, chosen, pasted, from a webcam or a phone."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from candid.data.decisions.moving import REMOVED
from candid.errors import CandidError
from candid.studio.intake import Intake
from candid.studio.phone import Phone
from candid.studio.receiving import Receiver
from candid.studio.studio import Studio

#: Reading waits for as long after frames of a burst, as the next ones are on their way.
_RECORDING_S: Final = 1.5


class BurstIn(BaseModel):
    """The name of a burst."""

    burst: str = Field(max_length=64)


class ClassIn(BaseModel):
    """A class to make."""

    name: str = Field(max_length=200)


def routes(studio: Studio) -> APIRouter:
    """``/api/intake``, ``/api/classes`` and ``/api/phone``."""
    router = APIRouter(prefix="/api")
    receiver = Receiver()
    studio.adds_to_state(lambda: {"phone": studio.part(Phone).to_json()})

    @router.get("/intake")
    def describe() -> dict[str, Any]:
        """Whether photos can be added, within which limits, and what is there of each class."""
        intake, limits = studio.part(Intake), receiver.settings
        try:
            counts, problem = intake.bursts.describe(), ""
        except CandidError as error:
            counts, problem = [], str(error)
        return {
            "refusal": intake.refusal,
            "max_images": limits.max_images,
            "max_bytes": limits.max_body_bytes,
            "counts": counts,
            "problem": problem,
        }

    @router.post("/intake")
    async def add(
        request: Request, label: str = "", burst: Annotated[str, Query(max_length=64)] = ""
    ) -> dict[str, Any]:
        """Add the photos of a form to a class; those of one burst stay in one part."""
        intake = await asyncio.to_thread(studio.part, Intake)
        if burst:
            studio.project.hold(_RECORDING_S)
        async with receiver.receive(request) as photos:
            added = await asyncio.to_thread(intake.add, label, photos, burst=burst)
        if any(one.outcome == "saved" for one in added):
            studio.project.rescan()
        return {"added": [asdict(one) for one in added]}

    @router.delete("/intake")
    def take_back(given: BurstIn) -> dict[str, Any]:
        """Move the frames of a burst out of their class again."""
        num = studio.part(Intake).take_back(given.burst)
        studio.project.rescan()
        return {"num": num, "folder": str(studio.project.state / REMOVED)}

    @router.post("/classes")
    def name_class(given: ClassIn) -> dict[str, Any]:
        """Make a class without photos."""
        name = studio.part(Intake).name_class(given.name)
        studio.project.note_class(name)
        studio.project.rescan()
        return {"name": name}

    @router.post("/phone")
    def let_phone_in() -> dict[str, Any]:
        """Listen for a phone in the same network."""
        return studio.part(Phone).open(studio.part(Intake)).to_json()

    @router.delete("/phone")
    def let_no_phone_in() -> dict[str, Any]:
        """Listen no longer."""
        studio.part(Phone).close()
        return studio.part(Phone).to_json()

    @router.get("/phone/code.svg")
    def code() -> Response:
        """The address for the phone, as a QR code."""
        return Response(studio.part(Phone).code(), media_type="image/svg+xml")

    return router
