"""The command line. Only what parses arguments is imported here; each command imports its own."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from candid.arguments import (
    Backbone,
    Data,
    Decisions,
    FailOn,
    FitName,
    GroupBy,
    RecipeName,
    Seed,
    Threshold,
)
from candid.console import echo_json, say, warn, write_text
from candid.errors import CandidError, UsageError

if TYPE_CHECKING:
    from candid.data import SplitOptions
    from candid.printing import Form
    from candid.split import Split

app = typer.Typer(
    name="candid",
    help="From a folder of photos to a classifier, and an honest figure of how good it is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_FOUND_SOMETHING = 1  # it ran, and there is something to look at, such as a bad file
_KNOWN_ERROR = 2
_INTERRUPTED = 130


@app.callback(invoke_without_command=True)
def _candid(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from candid import __version__

        typer.echo(f"candid {__version__}")
        raise typer.Exit


@app.command()
def audit(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder with one sub-folder of photos per class, or train/ val/ test/ of such."
        ),
    ],
    run: Annotated[
        Path | None, typer.Option(help="Where it is written. [runs/<folder>-audit-<n>]")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what changed since the last audit of DATA.")
    ] = False,
    decisions: Decisions = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Code of a check not to run; may be repeated.")
    ] = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 1 on findings as bad as this or worse.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    seed: Seed = 0,
    backbone: Backbone = None,
    fit: Annotated[FitName, typer.Option(help="How photos are made square.")] = FitName.squash,
) -> None:
    """Say what is wrong with DATA, before anything is trained on it."""
    from candid.auditing.audit import AuditOptions
    from candid.auditing.command import AuditRequest, run_audit
    from candid.backbones import DEFAULT
    from candid.progress import for_terminal

    request = AuditRequest(
        data=data,
        options=AuditOptions(
            backbone=backbone or DEFAULT,
            fit=fit.value,
            seed=seed,
            decisions=decisions,
            skip=frozenset(skip or ()),
        ),
        run=run,
        compare=compare,
    )
    made = run_audit(request, progress=for_terminal())
    warn(made.audit.notes)
    if json:
        echo_json(made.to_json())
    else:
        typer.echo(made.to_text())
    if fail_on is not None and made.audit.fails_on(fail_on.value):
        raise typer.Exit(_FOUND_SOMETHING)


@app.command()
def train(
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
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier run there.")] = False,
) -> None:
    """Train a classifier on DATA and say how good it is."""
    from candid.backbones import DEFAULT
    from candid.progress import for_terminal
    from candid.run_files import TrainOptions
    from candid.run_folder import shorten
    from candid.training import train as train_run

    options = TrainOptions(
        recipe=recipe.value,
        split=_split_options(seed, split, group_by),
        backbone=backbone or DEFAULT,
        fit=fit.value,
        epochs=epochs,
        threshold=0.5 if threshold is None else threshold,
        decisions=decisions,
    )
    made = train_run(data, run=run, options=options, overwrite=overwrite, progress=for_terminal())
    warn(made.notes)
    if not made.complete:
        warn(["training was interrupted; the run holds the epochs that had ended"])
    typer.echo(made.evaluation.to_text())
    shown = shorten(made.folder)
    typer.echo(f"\nWritten to {shown}; open {shown}/report.html, or try")
    typer.echo(f"  candid predict PHOTO --run {quote(str(shown))}")


@app.command()
def split(
    data: Data,
    to: Annotated[
        Path | None, typer.Option(help="Write train/ val/ test/ trees of links to this folder.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write path,class,part,group to this file; - for stdout.")
    ] = None,
    seed: Seed = 0,
    previous: Annotated[
        Path | None, typer.Option(help="An earlier split file: its photos keep their part.")
    ] = None,
    group_by: GroupBy = None,
    decisions: Decisions = None,
) -> None:
    """Split DATA, copies of a photo kept together."""
    from candid.data import prepare, split_prepared
    from candid.progress import for_terminal
    from candid.split_file import to_csv

    options = _split_options(seed, previous, group_by)
    progress = for_terminal()
    if to is not None:
        _require_absent(to)
    prepared = prepare(data, decisions=decisions, progress=progress)
    dealt = split_prepared(prepared, options)
    warn((*prepared.notes, *dealt.notes))
    if csv is not None and str(csv) != "-":
        write_text(csv, to_csv(dealt))
    if to is not None:
        from candid.layout import write_links

        layout = write_links(prepared.catalog, dealt, to)
        if layout.num_unread_by_keras:
            warn(
                [
                    f"Keras' loader passes over {layout.num_unread_by_keras} files: it reads "
                    "JPEG, PNG, BMP and GIF only"
                ]
            )
    if str(csv) == "-" or (csv is None and to is None):
        typer.echo(to_csv(dealt), nl=False)
    _say_parts(dealt, prepared.groups.num_pictures)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    data: Annotated[
        Path | None, typer.Argument(help="Another folder of the same classes to measure on.")
    ] = None,
    threshold: Threshold = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure RUN again, or on other photos."""
    from candid.evaluation.run import evaluate_run
    from candid.progress import for_terminal

    measured = evaluate_run(run, data, threshold=threshold, progress=for_terminal())
    warn(measured.notes)
    if json:
        echo_json(measured.evaluation.to_json())
    else:
        typer.echo(measured.evaluation.to_text(measured.of))


@app.command()
def predict(
    paths: Annotated[
        list[str], typer.Argument(help="Photos, folders, glob patterns, or - for a photo on stdin.")
    ],
    run: Annotated[Path, typer.Option(help="The run that predicts.")] = Path("runs/latest"),
    threshold: Threshold = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print path,label,probability,reason.")
    ] = False,
    show: Annotated[bool, typer.Option(help="Show each photo with its label.")] = False,
) -> None:
    """Say what is in photos."""
    from candid.classifier import load
    from candid.predicting import expand, predict_all
    from candid.printing import print_predictions

    if json and csv:
        raise UsageError("--json and --csv exclude each other; choose one.")
    classifier = load(run)
    if threshold is not None:
        classifier = classifier.with_threshold(threshold)
    inputs = expand(paths)
    predictions = predict_all(classifier, inputs)
    form: Form = "json" if json else "csv" if csv or not sys.stdout.isatty() else "table"
    shown = print_predictions(predictions, classifier.classes, form=form, keep=show)
    if show:
        from candid.showing import show_predictions

        for picture in show_predictions(inputs, shown.predictions):
            say(f"written to {picture}")
    if shown.num_failed:
        raise typer.Exit(_FOUND_SOMETHING)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the sample set is drawn.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed, other faces.")] = 0,
    images: Annotated[int, typer.Option(help="How many faces are drawn.")] = 300,
) -> None:
    """Draw a sample set and take it through everything."""
    from candid.demo.tour import take_tour
    from candid.progress import for_terminal

    for line in take_tour(folder, seed=seed, num_images=images, progress=for_terminal()):
        typer.echo(line)


def main() -> None:
    """Run the command line: a known error is one line on stderr and exit code 2."""
    # A file name need not be UTF-8; it is printed as the bytes that it is.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        app()
    except CandidError as error:
        say(f"candid: {error}")
        sys.exit(_KNOWN_ERROR)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            say("candid: interrupted. What was looked at is kept; the same command goes on there.")
        raise


def _split_options(seed: int, previous: Path | None, group_by: str | None) -> SplitOptions:
    from candid.data import SplitOptions

    return SplitOptions(seed=seed, previous=previous, group_by=group_by)


def _say_parts(dealt: Split, num_pictures: int) -> None:
    from candid.split import PARTS

    counts = ", ".join(f"{len(dealt.places(part))} {part}" for part in PARTS)
    say(f"{num_pictures} different pictures; {counts}, {len(dealt.places(''))} in no part")


def _require_absent(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already and is not empty; choose another --to.")
