"""Exports of a run: made by the command, downloaded as an archive; and the model card."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from candid.core.text import sanitize
from candid.errors import DataError
from candid.exporting import FORMATS
from candid.studio.exports import (
    Exports,
    FoundExport,
    Variant,
    find_variant,
    variants_of,
    zip_export,
)
from candid.studio.jobs import Job, Jobs
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.studio import Studio

_CARD: Final = "MODEL_CARD.md"


class ExportWish(BaseModel):
    """What is to be exported: a run by its number, to a variant by its name: ``onnx-int8``."""

    run: int
    variant: str


def routes(studio: Studio) -> APIRouter:
    """``/api/exports``."""
    router = APIRouter(prefix="/api/exports")

    def describe() -> dict[str, Any]:
        found = studio.part(Exports).all()
        stamp = f"{len(found)}-{max((one.stamp for one in found), default=0)}"
        return {"exports": {"stamp": stamp, "job": _running(studio.part(Jobs).last)}}

    studio.adds_to_state(describe)

    def find(number: int, name: str) -> FoundExport:
        return studio.part(Exports).find(studio.part(Judgements).run(number), find_variant(name))

    @router.get("")
    def exports() -> dict[str, Any]:
        """The formats, with what there is of the chosen run."""
        run = studio.part(Judgements).chosen
        if run is None:
            return {"run": None, "formats": []}
        made, part = studio.part(Exports).of(run), studio.part(Exports)
        serving = ["candid", "serve", str(run.folder)]
        return {
            "run": {
                "number": run.number,
                "name": run.folder.name,
                "folder": str(run.folder),
                "has_card": (run.folder / _CARD).is_file(),
                "serve": shlex.join(serving),
            },
            "formats": [
                _describe(list(of_form), made, part, run)
                for _, of_form in groupby(variants_of(run), lambda variant: variant.form.name)
            ],
        }

    @router.post("")
    def start(wish: ExportWish) -> dict[str, Any]:
        """Export a run, by the command that is shown."""
        run, variant = studio.part(Judgements).run(wish.run), find_variant(wish.variant)
        words = studio.part(Exports).words(run, variant)
        return {"job": studio.part(Jobs).start("export", words).to_json()}

    @router.get("/{number}/card")
    def card(number: int) -> dict[str, Any]:
        """The model card, Markdown after YAML metadata."""
        return {"text": _read(studio.part(Judgements).run(number).folder / _CARD)}

    @router.get("/{number}/MODEL_CARD.md")
    def card_file(number: int) -> Response:
        """The model card, to be saved."""
        text = _read(studio.part(Judgements).run(number).folder / _CARD)
        return Response(text, media_type="text/markdown", headers=_saved_as(_CARD))

    @router.get("/{number}/{name}/readme")
    def readme(number: int, name: str) -> dict[str, Any]:
        """How an export is used, Markdown."""
        return {"text": _read(find(number, name).folder / "README.md")}

    @router.get("/{number}/{name}/zip")
    def archive(number: int, name: str) -> Response:
        """An export, to be saved."""
        export = find(number, name)
        headers = _saved_as(f"{export.folder.name}.zip")
        return StreamingResponse(zip_export(export), media_type="application/zip", headers=headers)

    return router


def _describe(
    of_form: Sequence[Variant], made: dict[str, FoundExport], exports: Exports, run: FoundRun
) -> dict[str, Any]:
    """A format: its variants, and what there is of each."""
    form = of_form[0].form
    return {
        "name": form.name,
        "title": form.title,
        "purpose": form.purpose,
        "lacks": of_form[0].lacks,
        "variants": [
            {
                "name": variant.name,
                "is_int8": variant.is_int8,
                "command": shlex.join(["candid", *exports.words(run, variant)]),
                "made": made[variant.name].to_json() if variant.name in made else None,
            }
            for variant in of_form
        ],
    }


def _running(job: Job | None) -> dict[str, Any] | None:
    """Which export the job that runs, or ran last, is of; None if it is another command."""
    if job is None or job.kind != "export" or "--to" not in job.words:
        return None
    form = job.words[job.words.index("--to") + 1]
    if form not in FORMATS:
        return None
    variant = Variant(FORMATS[form], "--int8" in job.words)
    return {"number": job.number, "run": Path(job.words[1]).name, "variant": variant.name}


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError as error:
        raise DataError(f"{file.name} can't be read: {error.strerror}.") from error


def _saved_as(name: str) -> dict[str, str]:
    """Headers that make the browser save the answer."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(sanitize(name))}"}
