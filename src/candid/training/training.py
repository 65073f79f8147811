"""Trains a classifier on a folder of photos: prepare, split, fit, evaluate, write the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from candid.core.extras import require_packages
from candid.core.notebook import card
from candid.core.progress import Progress, for_python
from candid.core.text import brief, join_names
from candid.data.source import DataSource
from candid.engines import Engine, open_engine
from candid.errors import SplitError
from candid.evaluation.assess import EvalContext, FittedState, assess
from candid.evaluation.evaluation import Evaluation
from candid.features.backbones import get
from candid.features.backbones.spec import LITE0_INT8, LITE2_INT8
from candid.models.recipes import cnn, transfer
from candid.reporting.report.contents import Contents
from candid.reporting.terminal import write_details, write_summary
from candid.runs.artifact import PREDICTIONS, point_latest, require_free, write_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Manifest
from candid.runs.paths import RUNS, output_folder
from candid.splits.prepare import Prepared, extract_catalog, prepare, split_prepared
from candid.splits.split import Split
from candid.training.files import PredictionsFile, write_files
from candid.training.options import Recipe, Result, TrainOptions, choose
from candid.training.quality import Candidate, Clock, frozen_candidate, to_lines


@dataclass(frozen=True)
class Run:
    """A written run.

    Attributes:
        folder: The run's folder.
        contents: What its report shows.
        complete: False if the training was interrupted; the model is then that of the last epoch.
    """

    folder: Path
    contents: Contents
    complete: bool

    @property
    def evaluation(self) -> Evaluation:
        """Its figures."""
        return self.contents.evaluation

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the data."""
        return self.contents.notes

    @property
    def predictions(self) -> PredictionsFile:
        """The predictions that its figures are computed from."""
        return PredictionsFile(self.folder / PREDICTIONS)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        state = "" if self.complete else "interrupted"
        return brief("Run", repr(str(self.folder)), repr(self.evaluation), state)

    def _repr_html_(self) -> str:
        """What `to_text` says, for a notebook."""
        return card(self.folder.name, text=self.to_text())

    def to_text(self) -> str:
        """The figure to believe, what it means and where to go on, for a terminal."""
        return write_summary(self.contents)

    def details(self) -> str:
        """What `to_text` leaves out, and tables of all figures."""
        return write_details(self.contents)

    @cached_property
    def classifier(self) -> Classifier:
        """The run's classifier, loaded on first use."""
        return load(self.folder)


def train(
    data: str | Path | DataSource,
    *,
    run: str | Path | None = None,
    seed: int | None = None,
    recipe: Recipe | None = None,
    options: TrainOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Train a classifier on a folder of photos, one sub-folder per class, and evaluate it.

    Args:
        data: The folder; it is never written to. Folders ``train``, ``val`` and ``test`` of its own
            are kept, and so are the parts of a NumPy archive in MedMNIST's layout, whose images
            are unpacked beside the cache.
        run: Where the run is written; by default ``runs/<folder>-<recipe>-<number>``.
        seed: Random seed of the split and the training; replaces that of the options.
        recipe: ``transfer`` or ``cnn``; replaces that of the options.
        options: All options.
        overwrite: Whether an existing run at ``run`` is replaced.
        progress: Progress callback; by default a bar in a notebook or at a prompt.

    Raises:
        CandidError: The folder, the options or the disk can't be used.

    Example:
        >>> run = candid.train("data", seed=1)  # doctest: +SKIP
        >>> print(run.to_text())  # doctest: +SKIP
    """
    options = choose(options or TrainOptions(), seed, recipe)
    progress = progress or for_python()
    source = DataSource.of(data)
    with output_folder(run, source, options.recipe) as folder:
        require_free(folder.expanduser().absolute(), overwrite=overwrite)
        return _train_into(folder, source, options, overwrite=overwrite, progress=progress)


def _train_into(
    folder: Path, data: DataSource, options: TrainOptions, *, overwrite: bool, progress: Progress
) -> Run:
    transfer.require()
    clock = None if options.seconds is None else Clock(options.seconds)
    if clock is not None:
        require_packages(["tensorflow"], needed_by="the recipe finetune", extra="train")
    made: list[tuple[Contents, bool]] = []
    with open_engine(options.engine, progress) as engine:
        prepared, split = _prepare(data, options, engine, progress)

        def fill(partial: Path) -> Manifest:
            if options.recipe == "cnn":
                from candid.training.cnn import train_cnn  # which the other recipes do not need

                num_nodes = engine.num_nodes()
                result = train_cnn(
                    prepared, split, options, partial, progress, on_workers=num_nodes > 1
                )
            else:
                result = _train_transfer(prepared, split, options, progress)
            if clock is not None:
                result = _improve(result, options, clock, partial, progress, engine)
            with progress.step("Writing the run", 0):
                manifest, contents = write_files(partial, folder, result)
            made.append((contents, result.trained.complete))
            return manifest

        written = write_run(folder, fill, overwrite=overwrite)
    if written.parent.name == RUNS.name:
        point_latest(written)
    [(contents, complete)] = made
    return Run(written, contents, complete)


def _prepare(
    data: DataSource, options: TrainOptions, engine: Engine, progress: Progress
) -> tuple[Prepared, Split]:
    """The photos with their features, and their parts; raises if they can't be trained on."""
    prepared = prepare(
        data,
        backbone=options.backbone,
        fit=options.fit,
        reading=options.reading,
        decisions=options.decisions,
        rehash=options.rehash,
        on_found=cnn.start_import if options.recipe == "cnn" else None,
        engine=engine,
        progress=progress,
    )
    engine.release()
    options.rule.require_fits(prepared.catalog.classes)
    split = split_prepared(prepared, options.split, keep_own=options.figures)
    split = split if options.figures else train_on_all(split)
    require_trainable(split, prepared.catalog.classes, is_tested=options.figures)
    return prepared, split


def _train_transfer(
    prepared: Prepared, split: Split, options: TrainOptions, progress: Progress
) -> Result:
    """Fit a head on the train and val parts and evaluate it."""
    seed = options.split.seed
    context = EvalContext(prepared.features, split, options.rule, seed)
    fitted_on = split.places("train", "val")
    data = context.data.take(fitted_on)
    backbone = get(options.backbone)
    with progress.step("Fitting the classifier", 0):
        trained, head = transfer.train(
            backbone,
            data,
            classes=prepared.catalog.classes,
            contract=prepared.features.contract,
            seed=seed,
        )
    if origin := trained.settings.get("origin"):
        progress.say(f"The backbone's weights: {origin}")
    fitted = FittedState(head.temperature, head.abstention, head.raw.strength)
    answers = head.answer(prepared.features.embeddings.take(split.places("test"), axis=0))
    assessed = assess(context, answers, fitted, progress=progress)
    options = replace(options, recipe="transfer")
    return Result(prepared, split, options, trained, fitted, assessed, fitted_on, data.embeddings)


def _improve(
    first: Result,
    options: TrainOptions,
    clock: Clock,
    folder: Path,
    progress: Progress,
    engine: Engine,
) -> Result:
    """Try what may be better than a frozen backbone; keep the best, with a line for each tried.

    The order is that of the gain expected per second.
    """
    frozen = frozen_candidate(first, clock.spent())
    if frozen is None:
        line = "finetune was not tried: a class has too few different pictures to hold some out"
        return replace(first, tried=(line,))
    candidates = [frozen]
    if options.recipe == "auto":
        candidates += _with_other_backbones(first, clock, progress, engine)
    best = max(candidates, key=lambda one: one.hits.sum())
    from candid.training.finetune import tune

    tuned, line = tune(best, clock, folder, progress)
    if tuned is not None:
        candidates.append(tuned)
        best = tuned if tuned.is_kept else best
    result = best.result
    if best is not frozen and best is not tuned:
        result = _train_transfer(result.prepared, result.split, result.options, progress)
    lines = to_lines(candidates, best) if len(candidates) > 1 else ()
    return replace(result, tried=(*lines, *([line] if line else [])))


def _with_other_backbones(
    first: Result, clock: Clock, progress: Progress, engine: Engine
) -> Iterator[Candidate]:
    """The recipe ``transfer`` with the other backbones in 8 bits, while there is time."""
    prepared, options = first.prepared, first.options
    for name in (LITE0_INT8.name, LITE2_INT8.name):
        start = clock.spent()
        if name == options.backbone or clock.left() < start:
            continue
        features = extract_catalog(
            prepared.catalog,
            backbone=name,
            fit=options.fit,
            reading=prepared.features.contract,
            engine=engine,
            progress=progress,
        )
        engine.release()
        other = replace(
            first,
            prepared=replace(prepared, features=features),
            options=replace(options, backbone=name),
        )
        candidate = frozen_candidate(other, clock.spent() - start)
        if candidate is not None:
            yield candidate


def train_on_all(split: Split) -> Split:
    """The same photos, all in the train part, for a model that is not measured."""
    rows = tuple(replace(row, part="train") if row.part else row for row in split.rows)
    note = (
        f"nothing was measured (--no-figures): {split.name_units()}. All were trained on, so it is "
        "not known how often the labels are right; measure on other photos with `candid evaluate`."
    )
    return replace(split, rows=rows, notes=(*split.notes, note), own=None)


def require_trainable(split: Split, classes: Sequence[str], *, is_tested: bool = True) -> None:
    """Raise `SplitError` if a part or a class has no photo to train or test on."""
    needed = ("train", "test") if is_tested else ("train",)
    empty = [part for part in needed if not len(split.places(part))]
    if empty and split.own is not None:
        raise SplitError(
            f"no photo is left in the folder's own {' and '.join(empty)} part: each is in two "
            "classes, or has a copy in an earlier part. Use other photos, or --own-parts as-is."
        )
    remedy = (
        f"Add photos of other scenes: with 10 {split.unit}s, a class has one in the test part. "
        "Photos of a burst or a film are nearly the same and count as one."
    )
    if empty:
        raise SplitError(
            f"there are too few {split.unit}s for a train and a test part. {split.name_units()}. "
            f"{remedy} Or pass --no-figures to train on all, without measuring how good it is."
        )
    present = {split.rows[place].label for place in split.places("train", "val")}
    missing = [name for name in classes if name not in present]
    if missing and split.own is not None:
        raise SplitError(
            f"the folder's own train and val parts have no photo of {', '.join(missing)} (or only "
            "some that are in two classes). Add photos there, or remove the class everywhere."
        )
    if missing:
        raise SplitError(
            f"the train and val parts have no photo of {join_names(missing, most=5)}: too few "
            f"{split.unit}s. {remedy} Or remove the class."
        )
