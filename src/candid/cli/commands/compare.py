"""``candid compare``: is the difference between runs real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.console import echo_json, warn


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two runs or more.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether the difference between RUNS is real."""
    from candid.evaluation.comparing import compare_runs

    comparison = compare_runs(runs)
    warn(comparison.notes)
    if json:
        echo_json(comparison.to_json())
    else:
        typer.echo(comparison.to_text())
