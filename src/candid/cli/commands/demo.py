"""``candid demo``: a tour of the commands on a drawn data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for the sample data set.")
    ] = Path("demo"),
    seed: Annotated[
        int, typer.Option(metavar="N", help="Random seed; change it to draw other faces.")
    ] = 0,
    images: Annotated[int, typer.Option(metavar="N", help="Number of faces to draw.")] = 300,
) -> None:
    """Draw a sample data set, audit it, train on it and predict."""
    from candid.core.progress import for_terminal

    with for_terminal() as progress:
        from candid.cli.demo.tour import take_tour

        for line in take_tour(folder, seed=seed, num_images=images, progress=progress):
            progress.show(line)
