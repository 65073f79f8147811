"""``candid split``: a train, val and test split for any trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.arguments import Data, Decisions, GroupBy, Rehash, Seed
from candid.cli.console import print_error, print_notes
from candid.errors import UsageError


def split(
    data: Data,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write train/ val/ test/ trees of links to this folder."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write path,class,part,group to this file; - for stdout."
        ),
    ] = None,
    seed: Seed = 0,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An earlier split file; its photos keep their part."),
    ] = None,
    group_by: GroupBy = None,
    decisions: Decisions = None,
    rehash: Rehash = False,
) -> None:
    """Split FOLDER into train, val and test.

    Copies of a photo stay in one part.
    """
    from candid.core.progress import for_terminal

    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} exists already and is not empty; choose another --to.")
    with for_terminal() as progress:
        from candid.splits.prepare import SplitOptions, prepare, split_prepared
        from candid.splits.split import PARTS, to_csv

        prepared = prepare(data, decisions=decisions, rehash=rehash, progress=progress)
        options = SplitOptions(seed=seed, previous=previous, group_by=group_by)
        parts = split_prepared(prepared, options)
    print_notes((*prepared.notes, *parts.notes))
    if csv is not None and str(csv) != "-":
        try:
            csv.write_text(to_csv(parts), encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise UsageError(f"{csv} can't be written: {error.strerror}.") from error
    if to is not None:
        from candid.splits.split_export import write_links

        if num_unread := write_links(prepared.catalog, parts, to).num_unread_by_keras:
            print_notes(
                [f"Keras' loader skips {num_unread} files: it reads JPEG, PNG, BMP and GIF only"]
            )
    if str(csv) == "-" or (csv is None and to is None):
        typer.echo(to_csv(parts), nl=False)
    counts = ", ".join(f"{len(parts.places(part))} {part}" for part in PARTS)
    pictures = f"{prepared.groups.num_pictures} different pictures"
    if group_by is not None:
        pictures += f" in {len({row.group for row in parts.rows if row.group})} groups"
    print_error(f"{pictures}; {counts}, {len(parts.places(''))} in no part")
