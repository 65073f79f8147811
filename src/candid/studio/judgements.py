"""What a run says of the photos of the project, each by a model that did not see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.studio.project import Project


@dataclass(frozen=True)
class Columns:
    """A run's held-out predictions, by the number of the photo.

    Attributes:
        run: The run's folder.
        classes: Its classes.
        guess: int64 ``(n,)``, places in ``classes``; -1 for photos that it has no prediction of.
        probability: float32 ``(n,)``, of the guess.
        verdict: ``(n,)``, ``sure``, ``uncertain``, ``unknown`` or empty.
        part: ``(n,)``, ``train``, ``val``, ``test`` or empty.
    """

    run: str
    classes: tuple[str, ...]
    guess: NDArray[np.int64]
    probability: NDArray[np.float32]
    verdict: NDArray[np.str_]
    part: NDArray[np.str_]


class Judgements:
    """Runs on the project's photos."""

    def __init__(self, project: Project) -> None:
        """Look for runs on the project's folder."""
        self._project = project

    def columns(self) -> Columns | None:
        """Those of the run that is chosen, by default the newest; None without a run."""
        return None
