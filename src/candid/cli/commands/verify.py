"""``candid verify``: recompute the figures of a run."""

from __future__ import annotations

import typer

from candid.cli.arguments import Json, RunFolder
from candid.cli.console import EXIT_FINDINGS, print_notes, print_result


def verify(run: RunFolder, json: Json = False) -> None:
    """Recompute every figure of RUN, and list those that differ."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.evaluation.verify import verify_run

        verified = verify_run(run, progress=progress)
    print_notes(verified.notes)
    print_result(verified, json=json)
    if verified.differences:
        raise typer.Exit(EXIT_FINDINGS)
