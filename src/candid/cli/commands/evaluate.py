"""``candid evaluate``: measure a run again, or on other photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import (
    EngineName,
    ImageColumn,
    Json,
    LabelColumn,
    Rehash,
    RunFolder,
    Threshold,
)
from candid.cli.console import print_json, print_notes


def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="Another folder of the same classes to evaluate on."),
    ] = None,
    threshold: Threshold = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With DATA: file of the report, a new one. [beside the run; none with --json]",
        ),
    ] = None,
    rehash: Rehash = False,
    engine: EngineName = "local",
    json: Json = False,
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
) -> None:
    """Evaluate RUN again, or on other photos."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.data.source import DataSource
        from candid.evaluation.evaluate import evaluate_run
        from candid.reporting.terminal import (
            cut_notes,
            write_details,
            write_measured,
            write_summary,
        )
        from candid.training.report import find_page, write_elsewhere

        source = None if data is None else DataSource(data, image_column, label_column)
        page = None if json and report is None else find_page(run, source, report)
        measured = evaluate_run(
            run, source, threshold=threshold, rehash=rehash, engine=engine, progress=progress
        )
        contents = None
        if page is not None:
            with progress.step("Writing the report", 0):
                contents = write_elsewhere(measured, page)
    print_notes(measured.notes if page is None else cut_notes(measured.notes, page.name))
    if json:
        print_json(measured.evaluation.to_json())
    elif contents is None:
        typer.echo(write_measured(measured.evaluation, measured.of))
    else:
        typer.echo(f"{write_summary(contents)}\n\n{write_details(contents)}")
