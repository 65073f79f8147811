"""``candid demo``: a sample set, taken through everything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(help="Where the sample set is drawn.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed, other faces.")] = 0,
    images: Annotated[int, typer.Option(help="How many faces are drawn.")] = 300,
) -> None:
    """Draw a sample set and take it through everything."""
    from candid.cli.demo.tour import take_tour
    from candid.core.progress import for_terminal

    for line in take_tour(folder, seed=seed, num_images=images, progress=for_terminal()):
        typer.echo(line)
