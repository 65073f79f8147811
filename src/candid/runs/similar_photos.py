"""The photos of a run or a data set that look most like a given one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from candid.core.cache import Cache, default_folder
from candid.core.progress import Progress, Silent
from candid.data.catalog import scan
from candid.data.file_reader import FileReader
from candid.data.images import Reading
from candid.data.images.contract import PixelContract, fit_square
from candid.data.npz import unpacked
from candid.data.sample_range import decide_range
from candid.data.source import DataSource
from candid.errors import DataError
from candid.features.backbones import DEFAULT, get
from candid.features.backbones.registry import Embedder
from candid.features.extract import extract_features
from candid.runs.artifact import MANIFEST
from candid.runs.classifier import load
from candid.runs.explaining.explain import Similar
from candid.runs.explaining.similar import fit_neighbours
from candid.runs.source import Source, take

#: Number of photos that are named by default.
NUM_SIMILAR = 10


def similar(
    photo: Source,
    to: str | Path | DataSource = "runs/latest",
    *,
    count: int = NUM_SIMILAR,
    progress: Progress | None = None,
) -> Sequence[Similar]:
    """Find the photos that look most like a given one, each of a different picture.

    Args:
        photo: A file, its bytes, an image or an array; see `Classifier.predict`.
        to: A run, whose photos are searched by the embedding of its own model; or a data set of any
            form, by that of the default backbone, which is computed once for each photo and kept.
        count: Most photos that are named.
        progress: Progress callback.

    Returns:
        In descending order of similarity, which is 1 for the same pixels and about 0 for two random
        photos of the set.

    Raises:
        ImageError: The photo can't be read.
        CandidError: The run or data set can't be read.

    Example:
        >>> [row.path for row in candid.similar("photo.jpg", "runs/latest")]  # doctest: +SKIP
    """
    folder = DataSource.of(to).path
    if folder is not None and (folder / MANIFEST).is_file():
        return _similar_in_run(photo, folder, count)
    return _similar_in_data(photo, DataSource.of(to), count, progress or Silent())


def _similar_in_run(photo: Source, run: Path, count: int) -> Sequence[Similar]:
    classifier = load(run)
    pixels = take(photo).read(classifier.contract)
    square = fit_square(pixels, classifier.contract.size_px, classifier.contract.fit)
    return classifier.similar_to(square[None], count=count)[0]


def _similar_in_data(
    photo: Source, data: DataSource, count: int, progress: Progress
) -> Sequence[Similar]:
    with Cache(default_folder()) as cache:
        embedder = Embedder(get(DEFAULT), cache=cache)
        reader = FileReader(cache)
        with progress.step("Finding the photos", 0) as advance:
            source = unpacked(data, progress=progress)
            catalog = scan(source, to_train=False, reader=reader, advance=advance)
        reading, _ = decide_range(catalog, Reading(), reader=reader, cache=cache)
        contract = PixelContract.of(reading, embedder.backbone.size_px, "squash")
        features = extract_features(
            catalog, embedder, contract, cache=cache, reader=reader, progress=progress
        )
        pixels = take(photo).read(contract)
        query = embedder.embed(fit_square(pixels, contract.size_px, contract.fit)[None])
    photos = {row.content: row for row in features.catalog.photos}
    if not photos:
        raise DataError(f"no photo of {data} can be read.")
    contents = [row.content for row in features.catalog.photos]
    (found,) = fit_neighbours(features.embeddings, contents).search(query, count=count)
    return [
        Similar(photos[row.content].path, photos[row.content].label, row.similarity)
        for row in found
    ]
