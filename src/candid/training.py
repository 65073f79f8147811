"""From a folder to a run: prepare, split, train by a recipe, measure, write the artifact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.artifact import point_latest, require_free, write_run
from candid.backbones import get
from candid.classifier import Classifier, load
from candid.data import Prepared, labelled, prepare, split_prepared
from candid.errors import SplitError, UsageError
from candid.evaluation import Evaluation, Figure, evaluate
from candid.evaluation.figures import proportion
from candid.images import PixelContract
from candid.progress import Progress, Silent
from candid.recipes import Trained
from candid.recipes import transfer as transfer_recipe
from candid.recipes.linear_head import Labelled, cross_validate
from candid.run_files import DEFAULT_THRESHOLD, Result, TrainOptions, write_files
from candid.run_folder import RUNS, next_folder, require_outside, require_writable
from candid.split import PARTS, Split


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
        >>> print(run.evaluation.to_text())  # doctest: +SKIP
    """
    options = options or TrainOptions()
    progress = progress or Silent()
    folder = Path(run) if run else next_folder(Path(data), options.recipe)
    require_free(folder.expanduser().absolute(), overwrite=overwrite)
    require_outside(folder, Path(data))
    require_writable(folder)
    if options.recipe == "transfer":
        transfer_recipe.require()
    prepared = prepare(
        data,
        backbone=options.backbone,
        fit=options.fit,
        decisions=options.decisions,
        progress=progress,
    )
    _require_two_classes_for(options.threshold, prepared)
    dealt = split_prepared(prepared, options.split)
    notes = (*prepared.notes, *dealt.notes)
    results: list[Result] = []

    def fill(partial: Path) -> dict[str, Any]:
        result = _train(prepared, dealt, options, partial, progress)
        results.append(result)
        return write_files(partial, folder.name, prepared, dealt, options, result, notes)

    written = write_run(folder, fill, overwrite=overwrite)
    if written.parent.name == RUNS.name:
        point_latest(written)
    result = results[0]
    return Run(written, result.evaluation, notes, result.trained.complete)


def _require_two_classes_for(threshold: float, prepared: Prepared) -> None:
    classes = prepared.catalog.classes
    if threshold != DEFAULT_THRESHOLD and len(classes) != 2:
        raise UsageError(
            f"a threshold is for two classes; {prepared.catalog.folder} has {len(classes)}: "
            f"{', '.join(classes)}."
        )


def _train(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    _require_test(dealt)
    if options.recipe == "transfer":
        return _train_transfer(prepared, dealt, options, folder, progress)
    return _train_cnn(prepared, dealt, options, folder, progress)


def _train_transfer(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    classes, seed = prepared.catalog.classes, options.split.seed
    everything = labelled(prepared.features, dealt.rows)
    fitted_on = everything.take(dealt.places("train", "val"))
    backbone = get(options.backbone)
    contract = PixelContract(backbone.size_px, options.fit)
    trained, head = transfer_recipe.train(
        backbone, fitted_on, classes=classes, contract=contract, seed=seed
    )
    placed = everything.take(dealt.places(*PARTS))
    with progress.step("Grouped cross-validation", 1) as advance:
        kfold = cross_validate(placed, seed=seed)
        advance(1)
    tested = head.probabilities(prepared.features.embeddings[dealt.places("test")])
    evaluation = _evaluate(prepared, dealt, tested, options.threshold)
    evaluation = evaluation.with_kfold(kfold_figure(kfold, placed))
    _track(folder, trained, evaluation)
    return Result(trained, tested, evaluation, kfold)


def kfold_figure(kfold: NDArray[np.float32] | None, data: Labelled) -> Figure | None:
    """The accuracy of cross-validated probabilities ``(n, k)``, with its interval."""
    return None if kfold is None else proportion(kfold.argmax(axis=1) == data.labels, data.units)


def _train_cnn(
    prepared: Prepared, dealt: Split, options: TrainOptions, folder: Path, progress: Progress
) -> Result:
    from candid.recipes import cnn

    trained = cnn.train(
        prepared.catalog,
        dealt,
        folder=folder,
        epochs=options.epochs,
        seed=options.split.seed,
        progress=progress,
    )
    classifier = Classifier(trained.model, prepared.catalog.classes, trained.contract)
    files = [prepared.catalog.file(prepared.catalog.photos[p]) for p in dealt.places("test")]
    rows = [list(row.probabilities.values()) for row in classifier.stream(files)]
    tested = np.array(rows, np.float32)
    evaluation = _evaluate(prepared, dealt, tested, options.threshold)
    _track(folder, replace(trained, history=()), evaluation)
    return Result(trained, tested, evaluation)


def _evaluate(
    prepared: Prepared, dealt: Split, tested: NDArray[np.float32], threshold: float
) -> Evaluation:
    places = dealt.places("test")
    data = labelled(prepared.features, dealt.rows)
    return evaluate(
        prepared.catalog.classes,
        data.labels[places],
        tested,
        data.units[places],
        threshold=threshold,
    )


def _track(folder: Path, trained: Trained, evaluation: Evaluation) -> None:
    """Write what TensorBoard shows; Keras has written its own curves beside it."""
    from candid import tracking

    where = folder / "tensorboard" / "candid"
    if trained.history:
        tracking.write_scalars(where, [(i, row) for i, row in enumerate(trained.history)])
    figures = {f"figures/{title}": f.value for title, f in evaluation.titled() if f is not None}
    tracking.write_scalars(where, [(0, figures)])
    tracking.write_text(where, "settings", trained.settings)


def _require_test(dealt: Split) -> None:
    if not len(dealt.places("test")) or not len(dealt.places("train")):
        raise SplitError(
            "there are too few different pictures for a train and a test part. Add photos: 10 "
            "different ones a class would suffice for one test image each."
        )
