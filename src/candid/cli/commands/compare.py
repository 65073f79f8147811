"""``candid compare``: is the difference between runs real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Json
from candid.cli.console import print_notes, print_result


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Two runs or more.")],
    json: Json = False,
) -> None:
    """Test whether the difference between runs is real."""
    from candid.core.progress import for_terminal

    with for_terminal():
        from candid.evaluation.comparing import compare_runs

        comparison = compare_runs(runs)
    print_notes(comparison.notes)
    print_result(comparison, json=json)
