"""``candid split``: a split for any trainer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candid.cli.arguments import Data, Decisions, GroupBy, Rehash, Seed, split_options
from candid.cli.console import say, warn, write_text
from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.splits.split import Split


def split(
    data: Data,
    to: Annotated[
        Path | None, typer.Option(help="Write train/ val/ test/ trees of links to this folder.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write path,class,part,group to this file; - for stdout.")
    ] = None,
    seed: Seed = 0,
    previous: Annotated[
        Path | None, typer.Option(help="An earlier split file: its photos keep their part.")
    ] = None,
    group_by: GroupBy = None,
    decisions: Decisions = None,
    rehash: Rehash = False,
) -> None:
    """Split DATA, copies of a photo kept together."""
    from candid.core.progress import for_terminal
    from candid.splits.prepare import prepare, split_prepared
    from candid.splits.split import to_csv

    options = split_options(seed, previous, group_by)
    progress = for_terminal()
    if to is not None:
        _require_absent(to)
    prepared = prepare(data, decisions=decisions, rehash=rehash, progress=progress)
    dealt = split_prepared(prepared, options)
    warn((*prepared.notes, *dealt.notes))
    if csv is not None and str(csv) != "-":
        write_text(csv, to_csv(dealt))
    if to is not None:
        from candid.splits.split_export import write_links

        layout = write_links(prepared.catalog, dealt, to)
        if layout.num_unread_by_keras:
            warn(
                [
                    f"Keras' loader passes over {layout.num_unread_by_keras} files: it reads "
                    "JPEG, PNG, BMP and GIF only"
                ]
            )
    if str(csv) == "-" or (csv is None and to is None):
        typer.echo(to_csv(dealt), nl=False)
    _say_parts(dealt, prepared.groups.num_pictures)


def _say_parts(dealt: Split, num_pictures: int) -> None:
    from candid.splits.split import PARTS

    counts = ", ".join(f"{len(dealt.places(part))} {part}" for part in PARTS)
    say(f"{num_pictures} different pictures; {counts}, {len(dealt.places(''))} in no part")


def _require_absent(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists already and is not empty; choose another --to.")
