"""Everything that happens to a folder before a recipe sees it: scan, look, group, deal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from candid.core.cache import Cache, default_folder
from candid.core.progress import Progress, Silent
from candid.data.catalog import Catalog, scan
from candid.data.decisions import Decided, decide, load_decisions
from candid.data.file_reader import FileReader
from candid.data.images import PixelContract, ResizeMode
from candid.errors import DataError
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import Features, extract_features
from candid.splits.duplicates import Groups, find_duplicates
from candid.splits.grouped_split import Labelled
from candid.splits.split import Row, Split, group_by_file, group_by_pattern, read_csv, split


@dataclass(frozen=True)
class SplitOptions:
    """How a folder is dealt.

    Attributes:
        seed: Another seed, another deal.
        previous: A split file whose photos keep their part.
        group_by: The user's own groups: a regular expression on the path, or a CSV file with the
            columns ``path`` and ``group``.
    """

    seed: int = 0
    previous: Path | None = None
    group_by: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A folder, looked at and grouped.

    Attributes:
        features: What was seen in the photos that could be read.
        groups: Which of them show the same picture.
        decided: What a person decided about them; None where nobody did.
    """

    features: Features
    groups: Groups
    decided: Decided | None = None

    @property
    def catalog(self) -> Catalog:
        """The photos that could be read."""
        return self.features.catalog

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out and why, and what became of the person's decisions."""
        decided = self.decided.notes if self.decided else ()
        return (*self.catalog.notes(), *decided)


def extract_catalog(
    catalog: Catalog,
    *,
    backbone: str = DEFAULT,
    fit: ResizeMode = "squash",
    cache: Cache | None = None,
    reader: FileReader | None = None,
    progress: Progress | None = None,
) -> Features:
    """Embed a catalog's photos; see `candid.features.extract.extract_features`."""
    embedder = Embedder(get(backbone), num_threads=1)
    contract = PixelContract(embedder.backbone.size_px, fit)
    opened = cache or Cache(default_folder())
    return extract_features(
        catalog, embedder, contract, cache=opened, reader=reader, progress=progress
    )


def prepare(
    folder: str | Path,
    *,
    backbone: str = DEFAULT,
    fit: ResizeMode = "squash",
    decisions: Path | None = None,
    rehash: bool = False,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Scan a folder, look at its photos and group those that show the same picture.

    Args:
        folder: The folder of classes.
        backbone: What embeds the photos.
        fit: How they are brought to a square.
        decisions: A file of decisions; what it drops is not looked at.
        rehash: Whether to read all photos, those too whose size and times are as they were.
        cache: Where embeddings are kept; by default the user's own.
        progress: Told how far it is.

    Returns:
        The folder as it is after the decisions.

    Raises:
        DataError: The folder is not one of classes, or no photo of some class can be read.
        UsageError: The file of decisions can't be read, or makes no sense.
    """
    progress = progress or Silent()
    file = None if decisions is None else load_decisions(decisions)
    cache = cache or Cache(default_folder())
    reader = FileReader(cache, rehash=rehash)
    with progress.step("Finding the photos", 0) as advance:
        catalog = scan(folder, reader=reader, advance=advance)
    decided = None if file is None else decide(catalog, file)
    catalog = decided.applied.catalog if decided else catalog
    features = extract_catalog(
        catalog, backbone=backbone, fit=fit, cache=cache, reader=reader, progress=progress
    )
    _require_readable(catalog, features.catalog)
    return Prepared(features, find_duplicates(features, progress=progress), decided)


def split_prepared(prepared: Prepared, options: SplitOptions) -> Split:
    """Deal a prepared folder; see `candid.splits.split.split`."""
    return split(
        prepared.catalog,
        prepared.groups,
        seed=options.seed,
        previous=None if options.previous is None else read_csv(options.previous),
        group_by=_user_groups(prepared.catalog, options.group_by),
    )


def labelled(features: Features, rows: Sequence[Row]) -> Labelled:
    """Photos with their labels and the groups that a split gave them.

    Args:
        features: What was seen in n photos.
        rows: The split's rows of the same photos, in the same order; further ones are ignored.
    """
    catalog = features.catalog
    numbers = {name: i for i, name in enumerate(catalog.classes)}
    labels = np.array([numbers[photo.label] for photo in catalog.photos], np.int64)
    groups = [row.group for row in rows[: len(catalog.photos)]]
    keys, units = np.unique(groups, return_inverse=True)
    return Labelled(
        features.embeddings, labels, units.astype(np.int64), list(map(str, keys)), len(numbers)
    )


def _user_groups(catalog: Catalog, group_by: str | None) -> Mapping[str, str]:
    if group_by is None:
        return {}
    if group_by.lower().endswith(".csv"):
        return group_by_file(Path(group_by))
    return group_by_pattern(catalog, group_by)


def _require_readable(found: Catalog, readable: Catalog) -> None:
    for name in found.classes:
        if not any(photo.label == name for photo in readable.photos):
            reasons = [row for row in readable.skipped if row.path.startswith(f"{name}/")]
            example = f"; {reasons[-1].path}: {reasons[-1].reason}" if reasons else ""
            raise DataError(
                f"no photo of class {name!r} can be read{example}. Replace the files or remove "
                "the folder."
            )
