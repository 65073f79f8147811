"""The studio: the project that is open, and the parts that work on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass
class _Opened:
    """A project with its parts, so that no part is ever of another project."""

    project: Project
    parts: dict[type[Part], Part] = field(default_factory=dict)

    def close(self) -> None:
        with self.project.lock:
            parts, self.parts = list(self.parts.values()), {}
        for part in parts:
            getattr(part, "close", lambda: None)()
        self.project.close()


class Studio:
    """What all routes share."""

    def __init__(self, draw_sample: Callable[[Path], object] | None = None) -> None:
        """Begin with no project.

        Args:
            draw_sample: Draws the sample set into a folder; None if there is none to offer.
        """
        self.draw_sample = draw_sample
        self._opened: _Opened | None = None
        self._described: list[Callable[[], dict[str, Any]]] = []

    @property
    def project(self) -> Project:
        """The open project.

        Raises:
            Problem: None is open.
        """
        return self._require().project

    @property
    def is_open(self) -> bool:
        """Whether a project is open."""
        return self._opened is not None

    def part(self, kind: type[_Part]) -> _Part:
        """The part of a kind that works on the open project."""
        opened = self._require()
        with opened.project.lock:
            if kind not in opened.parts:
                opened.parts[kind] = kind(opened.project)
            return cast(_Part, opened.parts[kind])

    def open(self, folder: Path) -> Project:
        """Open a folder, in place of the project that is open."""
        before, self._opened = self._opened, _Opened(Project(folder))
        project = self._opened.project
        if before is not None:
            before.close()
        project.start()
        if project.folder.is_dir():
            remember(project.folder)
        return project

    def close(self) -> None:
        """Close the project and its parts: those with a method ``close``."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def adds_to_state(self, describe: Callable[[], dict[str, Any]]) -> None:
        """Let ``/api/state`` hold more while a project is open: JSON values by name."""
        self._described.append(describe)

    def describe(self) -> dict[str, Any]:
        """What the parts add to the state."""
        return {name: value for one in self._described for name, value in one().items()}

    def _require(self) -> _Opened:
        if self._opened is None:
            raise Problem(409, "no_project", "open a folder first.")
        return self._opened
