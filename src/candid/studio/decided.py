"""What a person decided about the photos, step by step, and the ``decisions.csv`` that follows."""

from __future__ import annotations

from collections.abc import Sequence

from candid.studio.project import Project


class Decided:
    """Decisions about the photos of a project.

    Attributes:
        current: The decision by the number of the photo, as in ``decisions.csv``: ``keep``,
            ``drop``, or a class; photos without one are missing.
    """

    def __init__(self, project: Project) -> None:
        """Begin with those that the state folder holds."""
        self._project = project
        self.current: dict[int, str] = {}

    def decide(self, numbers: Sequence[int], word: str) -> None:
        """Decide about photos; an empty word takes a decision back."""
        for number in numbers:
            if word:
                self.current[number] = word
            else:
                self.current.pop(number, None)
        self._project.changed()
