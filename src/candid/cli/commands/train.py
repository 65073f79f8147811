"""``candid train``: from a folder to a run."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Final

import typer

from candid.cli.arguments import (
    Backbone,
    Cost,
    Data,
    Decisions,
    FitName,
    GroupBy,
    RecipeName,
    Rehash,
    Seed,
    Threshold,
    decision_rule,
    split_options,
)
from candid.cli.console import refuse_typed, warn

#: Of the options, those that only the recipe cnn has a use for.
_OF_CNN: Final = frozenset({"epochs", "leak_tax"})


def train(
    context: typer.Context,
    data: Data,
    run: Annotated[
        Path | None, typer.Option(help="Where the run is written. [runs/<folder>-<recipe>-<n>]")
    ] = None,
    recipe: Annotated[RecipeName, typer.Option(help="How it is trained.")] = RecipeName.transfer,
    seed: Seed = 0,
    split: Annotated[
        Path | None, typer.Option(help="An earlier split.csv: its photos keep their part.")
    ] = None,
    group_by: GroupBy = None,
    decisions: Decisions = None,
    backbone: Backbone = None,
    fit: Annotated[FitName, typer.Option(help="How photos are made square.")] = FitName.squash,
    epochs: Annotated[int, typer.Option(help="Passes over the photos; cnn only.")] = 20,
    threshold: Threshold = None,
    cost: Cost = None,
    leak_tax: Annotated[
        bool,
        typer.Option(
            "--leak-tax", help="cnn only: train again on a random split, to say what it claims."
        ),
    ] = False,
    rehash: Rehash = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier run there.")] = False,
) -> None:
    """Train a classifier on DATA and say how good it is."""
    from candid.core.progress import for_terminal
    from candid.features.backbones import DEFAULT
    from candid.runs.paths import shorten
    from candid.training import TrainOptions
    from candid.training import train as train_run

    if recipe is not RecipeName.cnn:
        refuse_typed(
            context,
            _OF_CNN.__contains__,
            why=f"for --recipe cnn alone; {recipe.value} has no use for it",
            instead="add --recipe cnn",
        )
    options = TrainOptions(
        recipe=recipe.value,
        split=split_options(seed, split, group_by),
        backbone=backbone or DEFAULT,
        fit=fit.value,
        epochs=epochs,
        rule=decision_rule(threshold, cost),
        decisions=decisions,
        leak_tax=leak_tax,
        rehash=rehash,
    )
    made = train_run(data, run=run, options=options, overwrite=overwrite, progress=for_terminal())
    warn(made.notes)
    if not made.complete:
        warn(["training was interrupted; the run holds the epochs that had ended"])
    typer.echo(made.to_text())
    shown = shorten(made.folder)
    typer.echo(f"\nWritten to {shown}; open {shown}/report.html, or try")
    typer.echo(f"  candid predict PHOTO --run {quote(str(shown))}")
