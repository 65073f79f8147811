"""``candid predict``: classify photos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candid.cli.arguments import (
    Bands,
    Cost,
    Json,
    MaxMegapixels,
    Page,
    SampleRange,
    Threshold,
    choose_reading,
    decision_rule,
)
from candid.cli.console import EXIT_FINDINGS, print_error, print_notes
from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.cli.predicting import Form


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Photos, folders (every file in them), glob patterns, or - for a photo on stdin."
        ),
    ],
    run: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/latest"),
    threshold: Threshold = None,
    cost: Cost = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Share of photos whose possible classes include the true one. [the run's: 0.9]"
        ),
    ] = None,
    sample_range: SampleRange = None,
    page: Page = None,
    bands: Bands = None,
    max_megapixels: MaxMegapixels = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row per photo.")] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities",
            help="Add a column p:CLASS for each class to the CSV and the table; JSON has them all.",
        ),
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show each photo with its label.")] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Draw the evidence for the label over each photo."),
    ] = False,
) -> None:
    """Classify photos."""
    from candid.cli.predicting import (
        expand,
        note_pages,
        predict_all,
        print_predictions,
        read_piped,
    )
    from candid.runs.classifier import load
    from candid.runs.onnx_session import AT_ONCE

    if json and csv:
        raise UsageError("--json and --csv exclude each other; choose one.")
    inputs = expand(paths)
    # Many photos are predicted in parallel, with one thread each; a single one uses all threads.
    classifier = load(run, num_threads=1 if len(inputs) > AT_ONCE else None)
    if threshold is not None or cost:
        classifier = classifier.with_rule(decision_rule(threshold, cost))
    if coverage is not None:
        classifier = classifier.with_coverage(coverage)
    classifier = classifier.with_reading(
        choose_reading(classifier.contract, sample_range, page, bands, max_megapixels)
    )
    piped = read_piped(inputs)
    predictions = predict_all(classifier, inputs, piped=piped, explain=explain)
    form: Form = "json" if json else "csv" if csv or not sys.stdout.isatty() else "table"
    shown = print_predictions(
        predictions,
        classifier.classes,
        form=form,
        with_probabilities=probabilities,
        keep=show or explain,
    )
    if classifier.manifest is not None and classifier.manifest.metrics is None:
        print_notes(["the run was not measured: it is not known how often its labels are right"])
    print_notes(note_pages(inputs, piped, classifier.contract))
    if show:
        from candid.cli.pictures import show_predictions

        for picture in show_predictions(inputs, shown.predictions, piped, classifier.contract):
            print_error(f"written to {picture}")
    if explain:
        from candid.cli.pictures import draw_explanations

        for line in draw_explanations(inputs, shown.predictions, classifier, piped):
            print_error(line)
    if shown.num_failed:
        raise typer.Exit(EXIT_FINDINGS)
