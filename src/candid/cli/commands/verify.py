"""``candid verify``: do the figures of a run still hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.console import FOUND_SOMETHING, echo_json, warn


def verify(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute every figure of RUN, and name any that differs."""
    from candid.core.progress import for_terminal
    from candid.evaluation.verify import verify_run

    verified = verify_run(run, progress=for_terminal())
    warn(verified.notes)
    if json:
        echo_json(verified.to_json())
    else:
        typer.echo(verified.to_text())
    if verified.differences:
        raise typer.Exit(FOUND_SOMETHING)
