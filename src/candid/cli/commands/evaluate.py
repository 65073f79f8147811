"""``candid evaluate``: measure a run again, or on other photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Json, Rehash, RunFolder, Threshold
from candid.cli.console import print_json, print_notes


def evaluate(
    run: RunFolder,
    data: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Another folder of the same classes to evaluate on."),
    ] = None,
    threshold: Threshold = None,
    rehash: Rehash = False,
    json: Json = False,
) -> None:
    """Evaluate RUN again, or on other photos."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.evaluation.evaluate import evaluate_run
        from candid.reporting.terminal import write_measured

        measured = evaluate_run(run, data, threshold=threshold, rehash=rehash, progress=progress)
    print_notes(measured.notes)
    if json:
        print_json(measured.evaluation.to_json())
    else:
        typer.echo(write_measured(measured.evaluation))
