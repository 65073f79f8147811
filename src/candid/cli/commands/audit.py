"""``candid audit``: what is wrong with a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Backbone, Decisions, FailOn, FitName, Rehash, Seed
from candid.cli.console import FOUND_SOMETHING, echo_json, warn


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
    rehash: Rehash = False,
) -> None:
    """Say what is wrong with DATA, before anything is trained on it."""
    from candid.auditing.audit import AuditOptions
    from candid.auditing.files import AuditRequest, run_audit
    from candid.core.progress import for_terminal
    from candid.features.backbones import DEFAULT

    request = AuditRequest(
        data=data,
        options=AuditOptions(
            backbone=backbone or DEFAULT,
            fit=fit.value,
            seed=seed,
            decisions=decisions,
            skip=frozenset(skip or ()),
            rehash=rehash,
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
        raise typer.Exit(FOUND_SOMETHING)
