"""Photos: those of a query, facts of some, the map, the check for problems, and pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Body, Depends
from starlette.responses import Response

from candid.data.images import inspect
from candid.errors import ImageError
from candid.server.schemas import Problem
from candid.studio.decided import Decided
from candid.studio.jobs import Jobs
from candid.studio.judgements import Judgements
from candid.studio.known import Known, Query, describe, facets
from candid.studio.pictures import SIZES, Pictures
from candid.studio.studio import Studio
from candid.studio.view import View

_MOST_ROWS: Final = 500
_NUM_SIMILAR: Final = 12
_NUMBERS: Final = "application/octet-stream"


def routes(studio: Studio) -> APIRouter:
    """``/api/photos``, ``/api/audit`` and ``/api/picture``."""
    router = APIRouter(prefix="/api")

    def known() -> Known:
        columns = studio.part(Judgements).columns()
        return studio.part(View).look(studio.part(Decided).current, columns)

    def state() -> dict[str, Any]:
        known()
        return {"look": studio.part(View).stamp}

    studio.adds_to_state(state)

    @router.get("/photos/ids")
    def ids(query: Annotated[Query, Depends()]) -> Response:
        """All numbers of a query in its order, int32 in little-endian order."""
        numbers = studio.part(View).find(query, known())
        return Response(numbers.astype("<i4").tobytes(), media_type=_NUMBERS)

    @router.get("/photos/rows")
    def rows(ids: str) -> dict[str, Any]:
        """What is known of some photos, given by numbers with commas between them."""
        return {"rows": describe(studio.project, known(), _parse(ids))}

    @router.get("/photos/facets")
    def counts() -> dict[str, Any]:
        """What can be filtered by, and how many photos there are of each."""
        return facets(known())

    @router.get("/photos/map")
    def places() -> Response:
        """Number, place across, place down and class of each photo, float32 of little-endian."""
        numbers, at = studio.part(View).places()
        rows = np.column_stack([numbers, at, known().labels[numbers]])
        return Response(rows.astype("<f4").tobytes(), media_type=_NUMBERS)

    @router.post("/photos/unfold")
    def unfold(ids: Annotated[list[int], Body(embed=True)]) -> dict[str, Any]:
        """The photos, and all copies of the pictures that they show."""
        _require(studio, ids)
        return {"ids": studio.part(View).unfold(ids, known())}

    @router.get("/photos/{number}/alike")
    def alike(number: int) -> Response:
        """Number and similarity of all photos, the most similar first, float32 of little-endian."""
        _require(studio, [number])
        rows = np.column_stack(studio.part(View).alike(number, known()))
        return Response(rows.astype("<f4").tobytes(), media_type=_NUMBERS)

    @router.get("/photos/{number}")
    def one(number: int) -> dict[str, Any]:
        """All facts of one photo."""
        _require(studio, [number])
        now = known()
        return describe(studio.project, now, [number])[0] | _facts(studio, number, now)

    @router.post("/audit")
    def audit() -> dict[str, Any]:
        """Look for problems: the command ``candid audit``, whose findings the view then has."""
        project = studio.project
        free = (project.state / "audits" / str(i) for i in count(1))
        run = next(folder for folder in free if not folder.exists())
        decisions = project.state / "decisions.csv"
        given = ["--decisions", str(decisions)] if decisions.is_file() else []
        words = ["audit", str(project.folder), *given, "--run", str(run)]
        return studio.part(Jobs).start("audit", words).to_json()

    @router.get("/picture/{number}")
    def picture(number: int, size: int = SIZES[0]) -> Response:
        """A photo as JPEG."""
        if size not in SIZES:
            raise Problem(422, "invalid_parameter", f"size: one of {SIZES} is expected.")
        jpeg = studio.part(Pictures).jpeg(number, size)
        return Response(jpeg, media_type="image/jpeg")

    return router


def _facts(studio: Studio, number: int, known: Known) -> dict[str, Any]:
    """What is read when one photo is enlarged."""
    project, view = studio.project, studio.part(View)
    facts: dict[str, Any] = {
        "notes": [
            {"code": code, "title": by.title, "note": by.notes[number]}
            for code, by in known.findings.items()
            if number in by.notes
        ],
        "copies": [n for n in view.unfold([number], known) if n != number],
        "similar": [],
        "problem": "",
    }
    try:
        data = project.read(project.photo(number))
        found = inspect(data)
        facts |= {"width": found.width_px, "height": found.height_px, "format": found.format}
        facts["num_bytes"] = len(data)
        changed = (project.folder / project.photo(number).path).stat().st_mtime
        facts["changed"] = datetime.fromtimestamp(changed, UTC).isoformat(timespec="minutes")
    except (ImageError, OSError) as error:
        facts["problem"] = str(error)
    if number in project.embedded:
        facts["similar"] = view.nearest(number, known, _NUM_SIMILAR)
    return facts


def _parse(ids: str) -> list[int]:
    try:
        numbers = [int(word) for word in ids.split(",") if word]
    except ValueError:
        numbers = [-1]
    if not 0 < len(numbers) <= _MOST_ROWS or min(numbers) < 0:
        message = f"ids: up to {_MOST_ROWS} numbers with commas between them are expected."
        raise Problem(422, "invalid_parameter", message)
    return numbers


def _require(studio: Studio, numbers: list[int]) -> None:
    for number in numbers:
        studio.project.photo(number)
