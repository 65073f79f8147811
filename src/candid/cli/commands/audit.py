"""``candid audit``: problems of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import (
    Backbone,
    Bands,
    Data,
    Decisions,
    EngineName,
    FailOn,
    Fit,
    FitName,
    ImageColumn,
    Json,
    LabelColumn,
    MaxMegapixels,
    Page,
    Rehash,
    SampleRange,
    Seed,
    choose_reading,
)
from candid.cli.console import EXIT_FINDINGS, print_notes, print_result


def audit(
    data: Data,
    run: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Output folder. [runs/<folder>-audit-<n>]")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show what changed since the last audit of FOLDER.")
    ] = False,
    decisions: Decisions = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Code of a check to skip; may be repeated."),
    ] = None,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 1 on findings of at least this severity.")
    ] = None,
    json: Json = False,
    seed: Seed = 0,
    backbone: Backbone = None,
    fit: Fit = FitName.squash,
    sample_range: SampleRange = None,
    page: Page = None,
    bands: Bands = None,
    max_megapixels: MaxMegapixels = None,
    rehash: Rehash = False,
    engine: EngineName = "local",
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
) -> None:
    """Check FOLDER for problems before training on it."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.auditing.audit import AuditOptions
        from candid.auditing.files import run_audit
        from candid.data.images import Reading
        from candid.data.source import DataSource
        from candid.features.backbones import DEFAULT
        from candid.reporting.terminal import cut_notes

        source = DataSource(data, image_column, label_column)
        options = AuditOptions(
            backbone=backbone or DEFAULT,
            fit=fit.value,
            seed=seed,
            decisions=decisions,
            skip=frozenset(skip or ()),
            rehash=rehash,
            engine=engine,
            reading=choose_reading(Reading(), sample_range, page, bands, max_megapixels),
        )
        written = run_audit(source, options, run=run, compare=compare, progress=progress)
    print_notes(cut_notes(written.audit.notes, "audit.html"))
    print_result(written, json=json)
    if fail_on is not None and written.audit.fails_on(fail_on.value):
        raise typer.Exit(EXIT_FINDINGS)
