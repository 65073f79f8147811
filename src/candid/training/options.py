"""What a recipe made, and how it did.

How a run is trained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from candid.data.images import ResizeMode
from candid.evaluation.assess import EvalResult, FittedState
from candid.evaluation.evaluation import Evaluation
from candid.features.backbones import DEFAULT
from candid.models.decision_rule import DecisionRule
from candid.models.recipes import Trained
from candid.splits.prepare import SplitOptions

Recipe = Literal["transfer", "cnn"]


@dataclass(frozen=True)
class TrainOptions:
    """How a run is trained.

    Attributes:
        recipe: ``transfer`` or ``cnn``.
        split: How the folder is dealt.
        backbone: Name or ONNX path of what embeds; it also finds the copies.
        fit: How photos are brought to a square; ``cnn`` always squashes, as the tutorial does.
        epochs: Passes over the training part; ``cnn`` only.
        rule: How a class is chosen: a threshold, or what mistakes cost.
        decisions: A ``decisions.csv`` of `candid audit`, filled in: which photos to drop, and the
            right labels of others.
        leak_tax: Whether a recipe without a linear head is trained a second time, on a random
            split, to say what that would have claimed; `transfer` always says.
        rehash: Whether to read all photos, those too whose size and times are as they were.
    """

    recipe: Recipe = "transfer"
    split: SplitOptions = field(default_factory=SplitOptions)
    backbone: str = DEFAULT
    fit: ResizeMode = "squash"
    epochs: int = 20
    rule: DecisionRule = field(default_factory=DecisionRule)
    decisions: Path | None = None
    leak_tax: bool = False
    rehash: bool = False


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
    learnt: FittedState
    assessed: EvalResult
    places: NDArray[np.int64]
    embeddings: NDArray[np.float32]

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.assessed.evaluation
