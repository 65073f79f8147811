"""``candid catalog``: what a folder, a table or a bucket has, as a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Data, ImageColumn, LabelColumn, Rehash
from candid.cli.console import print_notes


def catalog(
    data: Data,
    to: Annotated[
        Path, typer.Option(metavar="FILE", help="The file, which every command takes as DATA.")
    ],
    rehash: Rehash = False,
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
) -> None:
    """List and hash the photos of DATA once, into a Parquet file."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.core.text import plural
        from candid.data.catalog_writer import catalog as write
        from candid.data.source import DataSource

        source = DataSource(data, image_column, label_column)
        written = write(source, to, rehash=rehash, progress=progress)
    print_notes(written.notes())
    classes = plural(len(written.classes), "class", "classes")
    typer.echo(f"{to}: {len(written.photos):,} photos of {classes}")
