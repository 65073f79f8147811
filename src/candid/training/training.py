"""From a folder to a run: prepare, split, train by a recipe, measure, write the artifact.

A run of the recipe ``transfer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from candid.core.progress import Progress, Silent
from candid.data.images import PixelContract
from candid.errors import SplitError
from candid.evaluation.assess import EvalContext, FittedState, assess
from candid.evaluation.evaluation import Evaluation, write_text
from candid.features.backbones import get
from candid.models.recipes import transfer as recipe
from candid.models.recipes import transfer as transfer_recipe
from candid.runs.artifact import point_latest, require_free, write_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Manifest
from candid.runs.paths import RUNS, next_folder, require_outside, require_writable
from candid.splits.prepare import Prepared, prepare, split_prepared
from candid.splits.split import Split
from candid.training.files import write_files
from candid.training.options import Result, TrainOptions


def train_transfer(
    prepared: Prepared, dealt: Split, options: TrainOptions, progress: Progress
) -> Result:
    """Fit a head on the train and val parts, and measure it on what it has not seen."""
    seed = options.split.seed
    ground = EvalContext(prepared.features, dealt, options.rule, seed)
    learn_from = dealt.places("train", "val")
    data = ground.data.take(learn_from)
    backbone = get(options.backbone)
    trained, head = recipe.train(
        backbone,
        data,
        classes=prepared.catalog.classes,
        contract=PixelContract(backbone.size_px, options.fit),
        seed=seed,
    )
    learnt = FittedState(head.temperature, head.abstention, head.raw.strength)
    tested = head.answer(prepared.features.embeddings[dealt.places("test")])
    assessed = assess(ground, tested, learnt, progress=progress)
    return Result(trained, learnt, assessed, learn_from, data.embeddings)


@dataclass(frozen=True)
class Run:
    """A run that was written.

    Attributes:
        folder: Where it is.
        evaluation: How good it is.
        notes: What a person should know of the data.
        complete: False when it was interrupted and holds what there was by then.
    """

    folder: Path
    evaluation: Evaluation
    notes: tuple[str, ...]
    complete: bool

    def to_text(self) -> str:
        """How good it is, for a terminal."""
        return write_text(self.evaluation)

    @cached_property
    def classifier(self) -> Classifier:
        """Ready to predict; loaded on first use."""
        return load(self.folder)


def train(
    data: str | Path,
    *,
    run: str | Path | None = None,
    options: TrainOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a classifier on a folder of photos, one sub-folder a class, and measure it.

    Args:
        data: The folder; it is read, never changed.
        run: Where the run is written; by default ``runs/<folder>-<recipe>-<number>``.
        options: Recipe, seed and the rest.
        overwrite: Whether an earlier run at ``run`` is replaced.
        progress: Told how far it is.

    Returns:
        The run.

    Raises:
        CandidError: Something about the folder, the options or the disk is not as it must be.

    Example:
        >>> run = candid.train("data")  # doctest: +SKIP
        >>> print(run.to_text())  # doctest: +SKIP
    """
    options = options or TrainOptions()
    progress = progress or Silent()
    folder = Path(run) if run else next_folder(Path(data), options.recipe)
    require_free(folder.expanduser().absolute(), overwrite=overwrite)
    require_outside(folder, Path(data))
    require_writable(folder)
    transfer_recipe.require()
    prepared = prepare(
        data,
        backbone=options.backbone,
        fit=options.fit,
        decisions=options.decisions,
        rehash=options.rehash,
        progress=progress,
    )
    options.rule.require_fits(prepared.catalog.classes)
    dealt = split_prepared(prepared, options.split)
    _require_parts(dealt, prepared.catalog.classes)
    notes = (*prepared.notes, *dealt.notes)
    results: list[Result] = []

    def fill(partial: Path) -> Manifest:
        result = _train(prepared, dealt, options, partial, progress)
        results.append(result)
        return write_files(partial, folder, prepared, dealt, options, result, notes)

    written = write_run(folder, fill, overwrite=overwrite)
    if written.parent.name == RUNS.name:
        point_latest(written)
    result = results[0]
    return Run(written, result.evaluation, notes, result.trained.complete)


def _train(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    if options.recipe == "transfer":
        return train_transfer(prepared, dealt, options, progress)
    from candid.training.cnn import train_cnn

    return train_cnn(prepared, dealt, options, folder, progress)


def _require_parts(dealt: Split, classes: Sequence[str]) -> None:
    if not len(dealt.places("test")) or not len(dealt.places("train")):
        raise SplitError(
            "there are too few different pictures for a train and a test part. Add photos: 10 "
            "different ones a class would suffice for one test image each."
        )
    learnt = {dealt.rows[place].label for place in dealt.places("train", "val")}
    missing = [name for name in classes if name not in learnt]
    if missing:
        raise SplitError(
            f"there is no image of {', '.join(missing)} to learn from: too few different pictures. "
            "Add photos, 10 different ones a class at the least, or remove the class."
        )
