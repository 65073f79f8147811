"""What a recipe made, and how it did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.assessing import Assessed, Learnt
from candid.evaluation.evaluation import Evaluation
from candid.recipes import Trained


@dataclass(frozen=True)
class Result:
    """What a recipe made, and how it did.

    Attributes:
        trained: The model.
        learnt: What it learnt beside its weights.
        assessed: The figures, and what they rest on.
        places: int64 ``(m,)``, which photos of the catalog it learnt from.
        embeddings: float32 ``(m, d)``, what the model's own graph gives for them.
    """

    trained: Trained
    learnt: Learnt
    assessed: Assessed
    places: NDArray[np.int64]
    embeddings: NDArray[np.float32]

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.assessed.evaluation
