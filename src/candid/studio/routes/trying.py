"""Ask a run about a photo: by its web export, in the page; and what its answer comes from."""

from __future__ import annotations

import asyncio
import shlex
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from candid.core.hashing import hash_bytes
from candid.core.linalg import Rows
from candid.core.text import reason_of
from candid.errors import ImageError, UsageError
from candid.exporting.web_gate import HEADERS, type_of
from candid.server.schemas import Problem
from candid.studio.exports import Exports
from candid.studio.intake import Intake
from candid.studio.jobs import Jobs
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.receiving import Receiver
from candid.studio.studio import Studio
from candid.studio.tried import Tried
from candid.studio.trying import WEB, Trying

_NUM_SIMILAR: Final = 6
_MOST_LETTERS: Final = 200_000  # of an embedding
#: Of the web export's own headers, those that the studio's guard does not set.
_KEPT: Final = ("Content-Security-Policy", "Cross-Origin-Embedder-Policy")


class Asked(BaseModel):
    """A photo by what the run's network says of it: float32 in base64."""

    run: int
    embedding: str = Field(max_length=_MOST_LETTERS)


class AskedWhy(Asked):
    """Which photos pulled an answer to one class, from another, and what is left out.

    ``own`` is the number of the asked photo, if it is one of the project.
    """

    answered: str
    against: str
    without: list[int] = Field(default=[], max_length=1000)
    own: int | None = None


def routes(studio: Studio) -> APIRouter:
    """``/api/trying``."""
    router = APIRouter(prefix="/api/trying")
    receiver = Receiver()
    studio.adds_to_state(lambda: {"tried": len(studio.part(Tried).all())})

    def run_of(number: int) -> FoundRun:
        return studio.part(Judgements).run(number)

    @router.get("")
    def describe() -> dict[str, Any]:
        """The chosen run, where its web export is, and the corrected answers."""
        run = studio.part(Judgements).chosen
        corrected = studio.part(Tried).describe(studio.part(Judgements))
        if run is None:
            return {"run": None, "corrected": corrected}
        exports, trying = studio.part(Exports), studio.part(Trying)
        stamp, files = trying.files(exports, run)
        return {
            "run": {
                "number": run.number,
                "name": run.folder.name,
                "classes": run.values["classes"],
            },
            "web": f"/api/trying/web/{run.number}/{stamp}/" if files else "",
            "command": shlex.join(["candid", *trying.words(exports, run)]),
            "job": _job_of(studio, run),
            "corrected": corrected,
        }

    @router.post("/web")
    def make() -> dict[str, Any]:
        """Export the chosen run to the web, by the command that is shown."""
        run = studio.part(Judgements).chosen
        if run is None:
            raise Problem(409, "no_run", "train a classifier first.")
        words = studio.part(Trying).words(studio.part(Exports), run)
        return {"job": studio.part(Jobs).start("export", words).to_json()}

    @router.get("/web/{number}/{stamp}/{name:path}")
    def file(number: int, stamp: str, name: str) -> Response:
        """A file of the export; its stamp is in the address, so that a new one is loaded anew."""
        found, files = studio.part(Trying).files(studio.part(Exports), run_of(number))
        if found != stamp or name not in files:
            raise Problem(404, "not_found", "the export has no such file.")
        headers = {key: HEADERS[key] for key in _KEPT}
        return Response(files[name].read_bytes(), media_type=type_of(name), headers=headers)

    @router.get("/photo/{number}")
    def photo(number: int) -> Response:
        """A photo's file as it is, to be asked about."""
        project = studio.project
        try:
            data = project.read(project.photo(number))
        except OSError as error:
            raise ImageError(reason_of(error)) from error
        return Response(data, media_type="application/octet-stream")

    @router.post("/similar")
    def similar(asked: Asked) -> dict[str, Any]:
        """The training photos that are most like it."""
        judgements, run = studio.part(Judgements), run_of(asked.run)
        embedding = _read(asked.embedding)
        found = studio.part(Trying).similar(judgements, run, embedding, _NUM_SIMILAR)
        return {"similar": found}

    @router.post("/culprits")
    def culprits(asked: AskedWhy) -> dict[str, Any]:
        """The training photos that pulled the answer most, and the answer without some of them."""
        return studio.part(Trying).pulls(
            studio.part(Judgements),
            run_of(asked.run),
            _read(asked.embedding),
            asked.answered,
            asked.against,
            without=asked.without,
            own=asked.own,
        )

    @router.post("/wrong")
    async def wrong(
        request: Request,
        run: int,
        label: str,
        answered: str,
        probability: Annotated[float, Query(ge=0, le=1)],
    ) -> dict[str, Any]:
        """Put a photo, in a form, into the class that would have been right; and remember it."""
        name = (await asyncio.to_thread(run_of, run)).folder.name
        if not label.strip():
            raise UsageError("the right class is missing.")
        intake = await asyncio.to_thread(studio.part, Intake)
        async with receiver.receive(request) as photos:
            (photo,) = photos[:1]
            (added,) = await asyncio.to_thread(intake.add, label, [photo])
            content = hash_bytes(photo.data)
        if added.outcome == "refused":
            raise Problem(422, "refused", f"the photo can't be added: {added.reason}")
        await asyncio.to_thread(
            studio.part(Tried).add, content, added.path, label, answered, probability, name
        )
        studio.project.rescan()
        return {"outcome": added.outcome, "path": added.path}

    return router


def _read(text: str) -> Rows:
    """An embedding, float32 ``(d,)``, from base64."""
    try:
        return np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)
    except (Base64Error, ValueError):
        raise Problem(422, "invalid_embedding", "an embedding in base64 is expected.") from None


def _job_of(studio: Studio, run: FoundRun) -> dict[str, Any] | None:
    """The last job, if it is or was the export of a run to the web."""
    job = studio.part(Jobs).last
    if job is None or job.words[:4] != ["export", str(run.folder), "--to", WEB]:
        return None
    return job.to_json()
