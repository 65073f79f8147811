"""From a folder to groups of copies: scan, apply decisions, extract features, find duplicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candid.core.cache import Cache, default_folder
from candid.core.freed_memory import give_back
from candid.core.progress import Progress, Silent
from candid.core.stored_rows import StoredRows
from candid.core.text import join_names
from candid.data.catalog import Catalog
from candid.data.decisions import Decided, decide, load_decisions
from candid.data.file_reader import FileReader
from candid.data.images import PixelContract, Reading, ResizeMode
from candid.data.npz import unpacked
from candid.data.sample_range import decide_range
from candid.data.scan import require_classes, scan
from candid.data.source import DataSource
from candid.engines import Engine
from candid.errors import DataError, UsageError
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import Features, extract_features
from candid.splits.duplicates import Groups, find_duplicates
from candid.splits.grouped_split import Labelled
from candid.splits.own_parts import Mode
from candid.splits.split import (
    Row,
    Split,
    label_numbers,
    read_csv,
    split,
)
from candid.splits.user_groups import read_groups


@dataclass(frozen=True)
class SplitOptions:
    """How to split a folder.

    Attributes:
        seed: Random seed; change it to draw another split.
        previous: A split file whose photos keep their part.
        group_by: The user's own groups: a regular expression on the path, or a CSV file with the
            columns ``path`` and ``group``.
        own_parts: What to do with copies across the parts that the folder comes with: ``strict``
            leaves them out of the later one (train, val, test), ``as-is`` keeps all photos.
    """

    seed: int = 0
    previous: Path | None = None
    group_by: str | None = None
    own_parts: Mode = "strict"


@dataclass(frozen=True)
class Prepared:
    """The features and duplicate groups of a folder.

    Attributes:
        features: Features of the readable photos.
        groups: Which of them show the same picture.
        scanned: All photos, with the decisions applied, before any was read.
        decided: The applied decisions; None without a file of decisions.
        reading_notes: What was decided about the samples of deep pictures.
    """

    features: Features
    groups: Groups
    scanned: Catalog
    decided: Decided | None = None
    reading_notes: tuple[str, ...] = ()

    @property
    def catalog(self) -> Catalog:
        """The readable photos."""
        return self.features.catalog

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out and why, how samples are read, and the effect of the decisions."""
        decided = self.decided.notes if self.decided else ()
        return (*self.catalog.notes(), *self.reading_notes, *decided)


def extract_catalog(
    catalog: Catalog,
    *,
    backbone: str = DEFAULT,
    fit: ResizeMode = "squash",
    reading: Reading | None = None,
    cache: Cache | None = None,
    reader: FileReader | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Features:
    """Extract the features of a catalog's photos; see `candid.features.extract`."""
    cache = cache or Cache(default_folder())
    with (progress or Silent()).step("Loading the backbone", 1) as advance:
        embedder = Embedder(get(backbone), num_threads=1, cache=cache)
        advance(1)
    return extract_features(
        catalog,
        embedder,
        PixelContract.of(reading or Reading(), embedder.backbone.size_px, fit),
        cache=cache,
        reader=reader,
        engine=engine,
        progress=progress,
    )


def prepare(
    data: str | Path | DataSource,
    *,
    backbone: str = DEFAULT,
    fit: ResizeMode = "squash",
    reading: Reading | None = None,
    decisions: Path | None = None,
    rehash: bool = False,
    to_train: bool = True,
    on_found: Callable[[], object] | None = None,
    cache: Cache | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Scan a folder, extract features and group the photos that show the same picture.

    Args:
        data: The folder of classes, or of parts with classes; a NumPy archive; or another source.
        backbone: Name of the backbone that embeds the photos.
        fit: How photos are resized to a square.
        reading: What of a file becomes a picture; by default what is usual, and the range of deep
            samples that the photos have.
        decisions: A file of decisions, applied before features are extracted.
        rehash: Read every photo, including those whose size and times have not changed.
        to_train: If not, the folder may have any shape, and classes that can't be read.
        on_found: Called before the features of the photos are extracted.
        cache: Where embeddings are kept; by default the user's own cache.
        engine: Where photos are decoded and embedded; by default in this process.
        progress: Progress callback.

    Raises:
        DataError: The folder is not one of classes, or no photo of some class can be read.
        UsageError: The file of decisions can't be read, or is invalid.
    """
    progress = progress or Silent()
    file = None if decisions is None else load_decisions(decisions)
    cache = cache or Cache(default_folder())
    reader = FileReader(cache, rehash=rehash)
    source = unpacked(DataSource.of(data), progress=progress)
    with progress.step("Finding the photos", 0) as advance:
        catalog = scan(
            source,
            to_train=to_train,
            allow_unlabelled=file is not None,
            reader=reader,
            advance=advance,
        )
    decided = None if file is None else decide(catalog, file)
    catalog = decided.applied.catalog if decided else catalog
    if decided and to_train:
        require_classes(catalog)
    if on_found is not None:
        on_found()
    reading, notes = decide_range(catalog, reading or Reading(), reader=reader, cache=cache)
    features = extract_catalog(
        catalog,
        backbone=backbone,
        fit=fit,
        reading=reading,
        cache=cache,
        reader=reader,
        engine=engine,
        progress=progress,
    )
    if to_train:
        _require_readable(catalog, features.catalog)
    if isinstance(features.embeddings, StoredRows):
        give_back()  # what held the files that were read, for the next steps
    groups = find_duplicates(features, progress=progress)
    return Prepared(features, groups, catalog, decided, notes)


def split_prepared(prepared: Prepared, options: SplitOptions, *, keep_own: bool = True) -> Split:
    """Split a prepared folder; see `candid.splits.split.split`."""
    catalog = prepared.catalog
    previous = None if options.previous is None else read_csv(options.previous)
    if options.group_by:
        group_by = read_groups(catalog, options.group_by)
    else:
        group_by = {photo.path: photo.group for photo in catalog.photos if photo.group}
    if options.own_parts == "as-is" and not catalog.parts:
        raise UsageError(
            f"--own-parts as-is keeps the parts of a folder, but {catalog.source} has none: its "
            f"sub-folders are {join_names(catalog.classes)}. Leave the option out."
        )
    return split(
        catalog,
        prepared.groups,
        seed=options.seed,
        previous=previous,
        group_by=group_by,
        own_parts=options.own_parts if keep_own else None,
    )


def labelled(features: Features, rows: Sequence[Row]) -> Labelled:
    """Embeddings with labels and the groups of a split's rows; further rows are ignored."""
    labels = label_numbers(features.catalog)
    groups = [row.group for row in rows[: len(labels)]]
    keys, units = np.unique(groups, return_inverse=True)
    return Labelled(
        features.embeddings,
        labels,
        units.astype(np.int64),
        list(map(str, keys)),
        len(features.catalog.classes),
    )


def _require_readable(found: Catalog, readable: Catalog) -> None:
    labels = {photo.label for photo in readable.photos}
    for name in found.classes:
        if name not in labels:
            skipped = readable.skipped
            reasons = [row for row in skipped if readable.below_part(row.path)[:1] == (name,)]
            example = f"; {reasons[-1].path}: {reasons[-1].reason}" if reasons else ""
            raise DataError(
                f"no photo of class {name!r} can be read{example}. Replace the files or remove "
                "the folder."
            )
