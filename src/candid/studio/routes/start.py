"""The state that all screens show, and opening or making a project."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from candid.errors import DataError, UsageError
from candid.server.schemas import Problem
from candid.studio import recent
from candid.studio.folders import (
    as_folder,
    free_sample_folder,
    list_folder,
    make_folder,
    refusal_of,
    start_folder,
)
from candid.studio.jobs import Jobs
from candid.studio.project import Project
from candid.studio.studio import Studio


class OpenIn(BaseModel):
    """A folder to open; ``stop`` ends a command that runs on the one that is open."""

    folder: str = Field(max_length=4096)
    stop: bool = False


class MakeIn(BaseModel):
    """A folder to make, with its classes."""

    parent: str = Field(max_length=4096)
    name: str = Field(max_length=200)
    classes: list[str] = Field(max_length=1000)
    stop: bool = False


class SampleIn(BaseModel):
    """The sample set."""

    stop: bool = False


class FolderIn(BaseModel):
    """A folder of the list."""

    folder: str = Field(max_length=4096)


def routes(studio: Studio) -> APIRouter:
    """``/api/state``, ``/api/start`` and what opens a project."""
    router = APIRouter(prefix="/api")

    @router.get("/state")
    def state() -> dict[str, Any]:
        """What every screen shows; asked for every second."""
        if not studio.is_open:
            return {"version": 0, "project": None}
        project = studio.project
        return {
            "version": project.version,
            "project": _describe(project),
            **studio.describe(),
        }

    @router.get("/start")
    def start() -> dict[str, Any]:
        """What can be opened."""
        return {
            "recent": [one.to_json() for one in recent.recent()],
            "parent": str(start_folder()),
            "home": str(Path.home()),
            "sample": None if studio.draw_sample is None else str(free_sample_folder()),
        }

    @router.get("/folders")
    def folders(at: str = "") -> dict[str, Any]:
        """The names of a folder's sub-folders."""
        return vars(list_folder(at))

    @router.post("/open")
    def open_folder(given: OpenIn) -> dict[str, Any]:
        """Open a folder."""
        folder = as_folder(given.folder)
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; check how it is written.")
        if refusal := refusal_of(folder):
            raise UsageError(refusal)
        return open_in_place(folder, stop=given.stop)

    @router.post("/make")
    def make(given: MakeIn) -> dict[str, Any]:
        """Make an empty folder with classes, and open it."""
        require_idle(stop=given.stop)
        folder = make_folder(given.parent, given.name, given.classes)
        return open_in_place(folder, stop=given.stop)

    @router.post("/sample")
    def sample(given: SampleIn) -> dict[str, Any]:
        """Draw the sample set, if it is not drawn yet, and open it."""
        if studio.draw_sample is None:
            raise UsageError("there is no sample set here.")
        require_idle(stop=given.stop)
        folder = free_sample_folder()
        studio.draw_sample(folder)
        return open_in_place(folder, stop=given.stop)

    @router.post("/forget")
    def forget(given: FolderIn) -> dict[str, Any]:
        """Take a folder off the list of recent ones."""
        recent.forget(given.folder)
        return start()

    def require_idle(*, stop: bool) -> None:
        if not studio.is_open or stop:
            return
        last = studio.part(Jobs).last
        if last is not None and last.is_running:
            message = f"`candid {last.kind}` runs, and would be stopped by opening another folder."
            raise Problem(409, "busy", message)

    def open_in_place(folder: Path, *, stop: bool) -> dict[str, Any]:
        require_idle(stop=stop)
        project = studio.open(folder)
        command = shlex.join(["candid", "studio", str(project.folder)])
        return {"folder": str(project.folder), "command": command}

    return router


def _describe(project: Project) -> dict[str, Any]:
    with project.lock:
        return {
            "name": project.folder.name,
            "folder": str(project.folder),
            "state_folder": str(project.state),
            "is_read_only": project.keeps_state_elsewhere,
            "classes": [{"name": name, "num": num} for name, num in project.num_by_class.items()],
            "num_photos": len(project.present),
            "is_listed": project.catalog is not None,
            "is_embedded": project.features is not None,
            "activity": [one.to_json() for one in project.activities[-1:]],
            "problem": project.problem,
            "notes": list(project.notes),
        }
