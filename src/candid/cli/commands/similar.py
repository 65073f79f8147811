"""``candid similar``: the photos that look most like one."""

from __future__ import annotations

from typing import Annotated

import typer

from candid.cli.arguments import Json
from candid.cli.console import print_json


def similar(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="A photo.")],
    where: Annotated[
        str,
        typer.Option(
            "--in", metavar="RUN|DATA", help="A run, or a folder or other DATA of photos."
        ),
    ] = "runs/latest",
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Most photos to name.")] = 10,
    json: Json = False,
) -> None:
    """Name the photos of a run or a folder that look most like PHOTO."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.core.text import columns, sanitize
        from candid.runs.similar_photos import similar as find_similar

        found = find_similar(photo, where, count=count, progress=progress)
    if json:
        print_json([row.to_json() for row in found])
        return
    rows = [(f"{row.similarity:.2f}", sanitize(row.label), sanitize(row.path)) for row in found]
    typer.echo("\n".join(columns([("similarity", "class", "photo"), *rows])))
