"""``candid export``: a run for other runtimes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from candid.cli.console import echo_json, warn


class FormatName(StrEnum):
    """A format to export to."""

    onnx = "onnx"
    keras = "keras"
    saved_model = "saved_model"
    litert = "litert"
    web = "web"


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as runs/latest.")],
    to: Annotated[FormatName, typer.Option(help="The format.")],
    output: Annotated[
        Path | None, typer.Option(help="Where it is written. [exports/<run>-<format>]")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Round it to eight bits: a third of the size.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export there.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write RUN for another runtime, once it answers there as it does here."""
    from candid.core.progress import for_terminal
    from candid.exporting import ExportRequest, export_run

    request = ExportRequest(run, to.value, output, overwrite, int8)
    exported = export_run(request, progress=for_terminal())
    warn(exported.notes)
    if json:
        echo_json(exported.to_json())
    else:
        typer.echo(exported.to_text())
