"""The state that all screens show, and opening a project."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from candid.studio.project import Project
from candid.studio.studio import Studio


def routes(studio: Studio) -> APIRouter:
    """``/api/state``."""
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

    return router


def _describe(project: Project) -> dict[str, Any]:
    with project.lock:
        num_by_class = dict.fromkeys(project.classes, 0)
        for number in project.present:
            label = project.photos[number].label
            num_by_class[label] = num_by_class.get(label, 0) + 1
        return {
            "name": project.folder.name,
            "folder": str(project.folder),
            "state_folder": str(project.state),
            "is_read_only": project.keeps_state_elsewhere,
            "classes": [{"name": name, "num": num} for name, num in num_by_class.items()],
            "num_photos": len(project.present),
            "is_listed": project.catalog is not None,
            "is_embedded": project.features is not None,
            "activity": [one.to_json() for one in project.activities[-1:]],
            "problem": project.problem,
            "notes": list(project.notes),
        }
