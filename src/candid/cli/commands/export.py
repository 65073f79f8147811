"""``candid export``: a run for other runtimes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Json, RunFolder
from candid.cli.console import print_notes, print_result


class FormatName(StrEnum):
    """Export format."""

    onnx = "onnx"
    keras = "keras"
    saved_model = "saved_model"
    litert = "litert"
    web = "web"


def export(
    run: RunFolder,
    to: Annotated[FormatName, typer.Option(help="Export format.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Output folder. [exports/<run>-<format>]")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise to 8 bits: a third of the size.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing export.")
    ] = False,
    json: Json = False,
) -> None:
    """Export RUN for another runtime.

    The export is kept only if it gives the same predictions there.
    """
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.exporting import ExportRequest, export_run

        request = ExportRequest(run, to.value, output, overwrite, int8)
        exported = export_run(request, progress=progress)
    print_notes(exported.notes)
    print_result(exported, json=json)
