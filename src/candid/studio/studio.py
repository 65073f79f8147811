"""The studio: the project that is open, and the parts that work on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from candid.server.schemas import Problem
from candid.studio.project import Project
from candid.studio.recent import remember


class Part(Protocol):
    """What works on one project, made when it is first asked for."""

    def __init__(self, project: Project) -> None:
        """Begin with what the project's state folder holds."""


_Part = TypeVar("_Part", bound=Part)


class Studio:
    """What all routes share."""

    def __init__(self, draw_sample: Callable[[Path], object] | None = None) -> None:
        """Begin with no project.

        Args:
            draw_sample: Draws the sample set into a folder; None if there is none to offer.
        """
        self.draw_sample = draw_sample
        self._project: Project | None = None
        self._parts: dict[tuple[Project, type[Part]], Part] = {}
        self._described: list[Callable[[], dict[str, Any]]] = []

    @property
    def project(self) -> Project:
        """The open project.

        Raises:
            Problem: None is open.
        """
        if self._project is None:
            raise Problem(409, "no_project", "open a folder first.")
        return self._project

    @property
    def is_open(self) -> bool:
        """Whether a project is open."""
        return self._project is not None

    def part(self, kind: type[_Part]) -> _Part:
        """The part of a kind that works on the open project."""
        project = self.project  # another one may be opened meanwhile
        with project.lock:
            if (project, kind) not in self._parts:
                self._parts[project, kind] = kind(project)
            return cast(_Part, self._parts[project, kind])

    def open(self, folder: Path) -> Project:
        """Open a folder, in place of the project that is open."""
        before, self._project = self._project, Project(folder)
        project = self._project
        self._close(before)
        project.start()
        if project.folder.is_dir():
            remember(project.folder)
        return project

    def close(self) -> None:
        """Close the project and its parts: those with a method ``close``."""
        before, self._project = self._project, None
        self._close(before)

    def _close(self, project: Project | None) -> None:
        if project is None:
            return
        with project.lock:
            kinds = [kind for of, kind in list(self._parts) if of is project]
            parts = [self._parts.pop((project, kind)) for kind in kinds]
        for part in parts:
            getattr(part, "close", lambda: None)()
        project.close()

    def adds_to_state(self, describe: Callable[[], dict[str, Any]]) -> None:
        """Let ``/api/state`` hold more while a project is open: JSON values by name."""
        self._described.append(describe)

    def describe(self) -> dict[str, Any]:
        """What the parts add to the state."""
        return {name: value for one in self._described for name, value in one().items()}
