"""The options of a training and its result, before it is written as a run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from candid.core.stored_rows import ManyRows
from candid.data.images import Reading, ResizeMode
from candid.engines import LOCAL, require_engine
from candid.errors import UsageError
from candid.evaluation.assess import EvalResult, FittedState
from candid.evaluation.evaluation import Evaluation
from candid.features.backbones import DEFAULT
from candid.models.decision_rule import DecisionRule
from candid.models.recipes import Trained
from candid.runs.class_names import note_misread
from candid.splits.prepare import Prepared, SplitOptions
from candid.splits.split import Split

Recipe = Literal["transfer", "finetune", "cnn", "auto"]
Quality = Literal["fast", "good", "best"]


#: Seconds that a quality may take in all; ``fast`` takes what the recipe ``transfer`` takes.
BUDGETS: Final = {"good": 60.0, "best": 600.0}


@dataclass(frozen=True)
class TrainOptions:
    """Options of `train`.

    Attributes:
        recipe: ``transfer``; ``finetune``, which trains the last blocks too; ``cnn``; or ``auto``,
            which tries several and keeps the best.
        quality: ``fast``, or ``good`` and ``best``, which try ``finetune`` within one minute and
            ten minutes.
        budget_s: Seconds that the training may take, instead of those of the quality.
        split: How the photos are split into train, val and test.
        backbone: Name or ONNX path of the embedding network; it also finds the copies.
        fit: How photos are made square; ``cnn`` always squashes, as the tutorial does.
        epochs: Passes over the train part; ``cnn`` only, as the next three.
        augment: Whether each pass shows new views of the photos: crop, mirror image, light.
        early_stop: Whether to stop once the validation loss was not lowest for five passes.
        best_epoch: Whether to keep the weights of the pass with the lowest validation loss.
        rule: How a class is chosen: a threshold, or the costs of mistakes.
        decisions: A completed ``decisions.csv`` of `candid audit`: photos to drop and corrected
            labels.
        leak_tax: Whether ``cnn`` is trained a second time, on a random split, to measure the leak
            tax; ``transfer`` always measures it.
        rehash: Whether to read all photos, even those whose size and times have not changed.
        reading: What of a file becomes a picture: page, bands, range of deep samples.
        figures: Whether the model is measured; if not, it is trained on all photos, ``transfer``
            only.
        engine: Where photos are decoded and embedded: ``local``, ``ray`` or ``ray://host:port``.

    Raises:
        UsageError: There is no such recipe or engine, or it is always measured.
        DependencyError: Ray is not installed.
    """

    recipe: Recipe = "transfer"
    quality: Quality = "fast"
    budget_s: float | None = None
    split: SplitOptions = field(default_factory=SplitOptions)
    backbone: str = DEFAULT
    fit: ResizeMode = "squash"
    epochs: int = 20
    augment: bool = False
    early_stop: bool = False
    best_epoch: bool = False
    rule: DecisionRule = field(default_factory=DecisionRule)
    decisions: Path | None = None
    leak_tax: bool = False
    rehash: bool = False
    reading: Reading = field(default_factory=Reading)
    figures: bool = True
    engine: str = LOCAL

    def __post_init__(self) -> None:
        require_engine(self.engine)
        if self.recipe not in get_args(Recipe):
            choices = ", ".join(get_args(Recipe))
            raise UsageError(f"the recipe must be one of {choices}. Received: {self.recipe!r}")
        if self.quality not in get_args(Quality):
            choices = ", ".join(get_args(Quality))
            raise UsageError(f"the quality must be one of {choices}. Received: {self.quality!r}")
        if self.recipe == "cnn" and self.seconds is not None:
            raise UsageError(
                "the recipe cnn trains for its epochs, so it takes neither --quality nor --budget. "
                "Use --epochs."
            )
        if self.recipe != "transfer" and not self.figures and self.recipe != "cnn":
            raise UsageError(
                f"the recipe {self.recipe} keeps what is better on held-out photos, so it takes no "
                "--no-figures. Train with --recipe transfer."
            )
        if self.recipe == "cnn" and not self.figures:
            raise UsageError(
                "the recipe cnn needs a val part to be calibrated on, so it takes no --no-figures. "
                "Train with --recipe transfer."
            )

    @property
    def seconds(self) -> float | None:
        """Seconds for all that is tried; None if the recipe alone decides."""
        if self.budget_s is not None:
            return self.budget_s
        improves = self.recipe in ("finetune", "auto")
        return BUDGETS.get("best" if improves and self.quality == "fast" else self.quality)


def choose(options: TrainOptions, seed: int | None, recipe: Recipe | None) -> TrainOptions:
    """The options with another seed and recipe, where these are given."""
    if seed is not None:
        options = replace(options, split=replace(options.split, seed=seed))
    return options if recipe is None else replace(options, recipe=recipe)


@dataclass(frozen=True)
class Result:
    """A trained and evaluated model, and what it was made from.

    Attributes:
        prepared: The photos, their features and their groups.
        split: The part of each photo.
        options: The options of the training; ``recipe`` is that of the model.
        trained: The model.
        fitted: Temperature, abstention and strength.
        assessed: The figures and the predictions that they are computed from.
        fitted_on: int64 ``(m,)``, places in the catalog of the photos that the model was fitted on.
        embeddings: float32 ``(m, d)``, the embeddings of those photos by the model's own graph.
        tried: A line for each model that was tried, if there were several.
    """

    prepared: Prepared
    split: Split
    options: TrainOptions
    trained: Trained
    fitted: FittedState
    assessed: EvalResult
    fitted_on: NDArray[np.int64]
    embeddings: ManyRows
    tried: tuple[str, ...] = ()

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.assessed.evaluation

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the data."""
        names = note_misread(self.prepared.catalog.classes)
        return (*self.tried, *self.prepared.notes, *names, *self.split.notes)
