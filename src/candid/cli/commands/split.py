"""``candid split``: a train, val and test split for any trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candid.cli.arguments import (
    Data,
    Decisions,
    GroupBy,
    ImageColumn,
    LabelColumn,
    OwnParts,
    OwnPartsMode,
    Rehash,
    Seed,
)
from candid.cli.console import print_error, print_notes
from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.splits.prepare import Prepared
    from candid.splits.split import Split


def split(
    data: Data,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write train/ val/ test/ trees of links to this folder."
        ),
    ] = None,
    materialize: Annotated[
        bool,
        typer.Option(
            "--materialize",
            help="With --to: write JPEG and PNG files, upright and of 8 bits, instead of links.",
        ),
    ] = False,
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
    own_parts: OwnParts = OwnPartsMode.strict,
    decisions: Decisions = None,
    rehash: Rehash = False,
    image_column: ImageColumn = "",
    label_column: LabelColumn = "",
) -> None:
    """Split FOLDER into train, val and test.

    Copies of a photo stay in one part.
    """
    from candid.core.progress import for_terminal

    if materialize and to is None:
        raise UsageError("--materialize writes photos to the folder of --to; add --to FOLDER.")
    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} exists already and is not empty; choose another --to.")
    with for_terminal() as progress:
        from candid.data.parts import PARTS
        from candid.data.source import DataSource
        from candid.splits.prepare import SplitOptions, prepare, split_prepared
        from candid.splits.split import to_csv

        source = DataSource(data, image_column, label_column)
        prepared = prepare(source, decisions=decisions, rehash=rehash, progress=progress)
        options = SplitOptions(seed, previous, group_by, own_parts.value)
        parts = split_prepared(prepared, options)
    print_notes((*prepared.notes, *parts.notes))
    if csv is not None and str(csv) != "-":
        try:
            csv.write_text(to_csv(parts), encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise UsageError(f"{csv} can't be written: {error.strerror}.") from error
    if to is not None:
        tell = print_error if str(csv) == "-" else typer.echo
        _write_tree(prepared, parts, to, materialize=materialize, tell=tell)
    if str(csv) == "-" or (csv is None and to is None):
        typer.echo(to_csv(parts), nl=False)
    counts = ", ".join(f"{len(parts.places(part))} {part}" for part in PARTS)
    pictures = f"{prepared.groups.num_pictures} different pictures"
    if group_by is not None:
        pictures += f" in {len({row.group for row in parts.rows if row.group})} groups"
    print_error(f"{pictures}; {counts}, {len(parts.places(''))} in no part")


def _write_tree(
    prepared: Prepared,
    parts: Split,
    to: Path,
    *,
    materialize: bool,
    tell: Callable[[str], None],
) -> None:
    """Write the tree, and tell how others read it."""
    from candid.core.progress import for_terminal
    from candid.splits.readers import describe, warnings
    from candid.splits.split_export import write_links, write_photos

    catalog = prepared.catalog
    with (
        for_terminal() as progress,
        progress.step("Writing the tree", len(catalog.photos)) as advance,
    ):
        if materialize:
            tree = write_photos(catalog, parts, prepared.features.contract, to, advance=advance)
        else:
            tree = write_links(catalog, parts, to, advance=advance)
    tell("\n".join((*describe(to, catalog.classes, tree.files), "")))
    print_notes(f"{row.path} is left out: {row.reason}" for row in tree.skipped)
    print_notes(warnings(catalog.classes, tree.files))
