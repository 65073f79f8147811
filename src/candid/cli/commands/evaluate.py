"""``candid evaluate``: a run measured again, or elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Rehash, Threshold
from candid.cli.console import echo_json, warn


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    data: Annotated[
        Path | None, typer.Argument(help="Another folder of the same classes to measure on.")
    ] = None,
    threshold: Threshold = None,
    rehash: Rehash = False,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure RUN again, or on other photos."""
    from candid.core.progress import for_terminal
    from candid.evaluation.evaluate import evaluate_run

    measured = evaluate_run(run, data, threshold=threshold, rehash=rehash, progress=for_terminal())
    warn(measured.notes)
    if json:
        echo_json(measured.evaluation.to_json())
    else:
        typer.echo(measured.to_text())
