"""``candid train``: train on a folder, and write a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from candid.cli.arguments import (
    Backbone,
    Bands,
    Cost,
    Data,
    Decisions,
    EngineName,
    Fit,
    FitName,
    GroupBy,
    ImageColumn,
    LabelColumn,
    MaxMegapixels,
    OwnParts,
    OwnPartsMode,
    Page,
    QualityName,
    RecipeName,
    Rehash,
    SampleRange,
    Seed,
    Threshold,
    choose_reading,
    decision_rule,
    read_duration,
)
from candid.cli.console import print_notes, reject_options

#: Options of the recipe cnn only.
_CNN_OPTIONS: Final = frozenset({"epochs", "augment", "early_stop", "best_epoch", "leak_tax"})


def train(
    context: typer.Context,
    data: Data,
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the run. [runs/<folder>-<recipe>-<n>]"),
    ] = None,
    recipe: Annotated[RecipeName, typer.Option(help="Training recipe.")] = RecipeName.transfer,
    quality: Annotated[
        QualityName,
        typer.Option(
            help="fast takes seconds; good (a minute) and best (ten at most) train the last blocks "
            "of the backbone too, where held-out photos say that it helps."
        ),
    ] = QualityName.fast,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time that all of it may take: 90s, 5m or 1h."),
    ] = None,
    seed: Seed = 0,
    split: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier split.csv; its photos keep their part."),
    ] = None,
    group_by: GroupBy = None,
    decisions: Decisions = None,
    backbone: Backbone = None,
    own_parts: OwnParts = OwnPartsMode.strict,
    fit: Fit = FitName.squash,
    epochs: Annotated[
        int, typer.Option(metavar="N", help="cnn only: passes over the photos.")
    ] = 20,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment",
            help="cnn only: show other crops, mirror images and light of the photos in every pass.",
        ),
    ] = False,
    early_stop: Annotated[
        bool,
        typer.Option(
            "--early-stop",
            help="cnn only: stop when the val loss has not fallen below its least for 5 passes.",
        ),
    ] = False,
    best_epoch: Annotated[
        bool,
        typer.Option(
            "--best-epoch",
            help="cnn only: keep the weights of the pass with the lowest val loss, not the last.",
        ),
    ] = False,
    threshold: Threshold = None,
    cost: Cost = None,
    leak_tax: Annotated[
        bool,
        typer.Option(
            "--leak-tax",
            help="cnn only: train again on a random split, to measure how much it overestimates.",
        ),
    ] = False,
    no_figures: Annotated[
        bool,
        typer.Option(
            "--no-figures",
            help="transfer only: train on all photos and measure nothing, where there are too few "
            "different pictures for a test part.",
        ),
    ] = False,
    sample_range: SampleRange = None,
    page: Page = None,
    bands: Bands = None,
    max_megapixels: MaxMegapixels = None,
    rehash: Rehash = False,
    engine: EngineName = "local",
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
    overwrite: Annotated[bool, typer.Option(help="Replace an existing run.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Print tables of all figures too.")
    ] = False,
) -> None:
    """Train a classifier on FOLDER and measure how good it is."""
    from candid.core.progress import for_terminal

    if recipe is not RecipeName.cnn:
        reject_options(
            context,
            _CNN_OPTIONS.__contains__,
            why=f"for --recipe cnn only; {recipe.value} has no such option",
            instead="add --recipe cnn",
        )
    with for_terminal() as progress:
        from candid.data.images import Reading
        from candid.data.source import DataSource
        from candid.features.backbones import DEFAULT
        from candid.reporting.terminal import cut_notes
        from candid.splits.prepare import SplitOptions
        from candid.training import TrainOptions
        from candid.training import train as train_run
        from candid.training.options import BUDGETS
        from candid.training.quality import say_what_more_time_brings

        source = DataSource(data, image_column, label_column)
        options = TrainOptions(
            recipe=recipe.value,
            quality=quality.value,
            budget_s=None if budget is None else read_duration(budget),
            split=SplitOptions(seed, split, group_by, own_parts.value),
            backbone=backbone or DEFAULT,
            fit=fit.value,
            epochs=epochs,
            augment=augment,
            early_stop=early_stop,
            best_epoch=best_epoch,
            rule=decision_rule(threshold, cost),
            decisions=decisions,
            leak_tax=leak_tax,
            rehash=rehash,
            engine=engine,
            figures=not no_figures,
            reading=choose_reading(Reading(), sample_range, page, bands, max_megapixels),
        )
        trained = train_run(
            source, run=run, options=options, overwrite=overwrite, progress=progress
        )
    print_notes(cut_notes(trained.notes, "report.html"))
    if not trained.complete:
        print_notes(["training was interrupted; the run has the epochs completed before"])
    if options.seconds is None and recipe is RecipeName.transfer and not no_figures:
        print_notes([say_what_more_time_brings(trained.contents.trained_on, BUDGETS["best"])])
    typer.echo(trained.to_text())
    if details:
        typer.echo(f"\n{trained.details()}")
