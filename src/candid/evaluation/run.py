"""Measures a run again: on its own test part, or on another folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.artifact import DECISIONS, GOLDEN, SPLIT, find_run
from candid.cache import Cache, default_folder
from candid.catalog import Catalog, Photo, scan
from candid.classifier import Classifier, load
from candid.data import labelled, see
from candid.decisions import Applied, Decision, apply_decisions, read_decisions
from candid.duplicates import find_duplicates
from candid.errors import DataError, DependencyError
from candid.evaluation.figures import Figure
from candid.evaluation.report import Evaluation, evaluate
from candid.features import Features
from candid.progress import Progress, Silent
from candid.split import Split
from candid.split_file import read_csv

_SEEN_PARTS = ("train", "val")


@dataclass(frozen=True)
class Measured:
    """An evaluation, what it is of, and what a person should know of how it came about."""

    evaluation: Evaluation
    notes: tuple[str, ...]
    of: str = "Test part"


@dataclass(frozen=True)
class _Run:
    classifier: Classifier
    dealt: Split
    trained_on: Path
    decisions: tuple[Decision, ...]

    def scan(self) -> Applied:
        """Its folder as it is now, seen as the run saw it: by the same decisions."""
        catalog = scan(self.trained_on)
        # a class may be gone by now to which photos were relabelled
        classes = {*catalog.classes, *self.classifier.classes} if self.decisions else ()
        known = replace(catalog, classes=tuple(sorted(classes)) or catalog.classes)
        return apply_decisions(known, self.decisions)


def evaluate_run(
    run: str | Path,
    data: str | Path | None = None,
    *,
    threshold: float | None = None,
    progress: Progress | None = None,
) -> Measured:
    """Measure a run.

    Args:
        run: The run's folder.
        data: By default the folder that it was trained on, of which the test part is measured
            again, with the labels that the run's own decisions gave it. Of another folder,
            everything is measured but what the model saw when it was trained, copies included.
        threshold: Two classes: instead of the run's own.
        progress: Told how far it is.

    Returns:
        The evaluation and notes on it.

    Raises:
        ArtifactError: The run is not whole.
        DataError: The folder is gone, changed, or has other classes.
    """
    folder = find_run(run)
    classifier = load(folder)
    classifier.check_golden(folder / GOLDEN)
    if threshold is not None:
        classifier = classifier.with_threshold(threshold)
    decided = classifier.manifest.get("decisions") is not None
    opened = _Run(
        classifier,
        read_csv(folder / SPLIT),
        Path(classifier.manifest["data"]["folder"]),
        read_decisions(folder / DECISIONS) if decided else (),
    )
    if data is None or Path(data).expanduser().resolve() == opened.trained_on:
        return _own_test_part(opened, progress or Silent())
    return _other_folder(opened, Path(data), progress or Silent())


def _own_test_part(run: _Run, progress: Progress) -> Measured:
    classifier, folder = run.classifier, run.trained_on
    wanted = {row.content: row for row in run.dealt.rows if row.part == "test"}
    applied = run.scan()
    catalog = applied.catalog
    photos = [photo for photo in catalog.photos if photo.content in wanted]
    missing = wanted.keys() - {photo.content for photo in photos}
    notes = list(applied.notes)
    if missing:
        gone = ", ".join(sorted(wanted[content].path for content in missing))
        notes.append(f"{len(missing)} test images are gone or changed and not measured: {gone}.")
    if not photos:
        raise DataError(f"{folder} holds none of the run's test images; name the folder of photos.")
    _require_known(sorted({photo.label for photo in photos}), classifier, folder)
    _, groups = np.unique([wanted[photo.content].group for photo in photos], return_inverse=True)
    measured = _measure(classifier, catalog, photos, groups.astype(np.int64), progress)
    notes.extend(measured.notes)
    try:
        kfold = _kfold(classifier, run.dealt, catalog, progress)
    except DependencyError as error:
        kfold = None
        notes.append(f"the cross-validated figure was not measured again: {error}")
    return Measured(measured.evaluation.with_kfold(kfold), tuple(notes))


def _kfold(
    classifier: Classifier, dealt: Split, catalog: Catalog, progress: Progress
) -> Figure | None:
    """Cross-validate again, from the cached embeddings, on the groups of the run's split."""
    if classifier.manifest["recipe"] != "transfer":
        return None
    from candid.recipes.linear_head import cross_validate
    from candid.training import kfold_figure

    features = _see(classifier, catalog, Cache(default_folder()), progress)
    parts = {row.content: row for row in dealt.rows if row.part}
    kept = [i for i, photo in enumerate(features.catalog.photos) if photo.content in parts]
    photos = tuple(features.catalog.photos[place] for place in kept)
    placed = Features(
        replace(features.catalog, photos=photos), features.embeddings[kept], features.thumbnails
    )
    data = labelled(placed, [parts[photo.content] for photo in photos])
    seed = int(classifier.manifest["settings"]["seed"])
    return kfold_figure(cross_validate(data, seed=seed), data)


def _other_folder(run: _Run, folder: Path, progress: Progress) -> Measured:
    """Measure photos as they lie there: the run's decisions are about its own folder's."""
    classifier = run.classifier
    catalog = scan(folder, to_train=False)
    _require_known(catalog.classes, classifier, catalog.folder)
    seen = {row.content for row in run.dealt.rows if row.part in _SEEN_PARTS}
    copies, groups, notes = _copies_of_seen(run, seen, catalog, progress)
    photos = [p for p in catalog.photos if p.content not in seen and p.content not in copies]
    left_out = len(catalog.photos) - len(photos)
    if left_out:
        notes.append(f"{left_out} images are left out: the model was trained on them or on a copy.")
    if not photos:
        raise DataError(f"{folder} holds nothing that the model was not trained on.")
    numbers = np.array([groups.get(photo.content, -1 - i) for i, photo in enumerate(photos)])
    measured = _measure(classifier, catalog, photos, numbers, progress)
    return Measured(measured.evaluation, (*notes, *measured.notes), str(catalog.folder))


def _copies_of_seen(
    run: _Run, seen: set[str], catalog: Catalog, progress: Progress
) -> tuple[set[str], dict[str, int], list[str]]:
    """Contents that show a picture which was trained on, and the groups among all."""
    cache = Cache(default_folder())
    try:
        new = _see(run.classifier, catalog, cache, progress)
        old = _see(run.classifier, run.scan().catalog, cache, progress)
    except (DependencyError, DataError) as error:
        return set(), {}, [f"only exact copies of training images could be left out: {error}"]
    photos = (*new.catalog.photos, *old.catalog.photos)
    both = Features(
        replace(new.catalog, photos=photos, skipped=()),
        np.concatenate([new.embeddings, old.embeddings]),
        new.thumbnails,
    )
    groups = find_duplicates(both, progress=progress).of_photo
    tainted = {int(g) for photo, g in zip(photos, groups, strict=True) if photo.content in seen}
    by_content = {photo.content: int(g) for photo, g in zip(photos, groups, strict=True)}
    return {c for c, g in by_content.items() if g in tainted}, by_content, []


def _see(classifier: Classifier, catalog: Catalog, cache: Cache, progress: Progress) -> Features:
    how = classifier.manifest["prepared_with"]
    return see(catalog, backbone=how["backbone"], fit=how["fit"], cache=cache, progress=progress)


def _measure(
    classifier: Classifier,
    catalog: Catalog,
    photos: list[Photo],
    groups: NDArray[np.int64],
    progress: Progress,
) -> Measured:
    """Predict by the artifact's own graph, measure what could be read, and name what could not."""
    rows, places, notes = [], [], []
    with progress.step("Predicting", len(photos)) as advance:
        files = [catalog.file(photo) for photo in photos]
        for place, prediction in enumerate(classifier.stream(files)):
            if prediction.label is not None:
                rows.append(list(prediction.probabilities.values()))
                places.append(place)
            else:
                notes.append(f"{photos[place].path} is left out: {prediction.reason}")
            advance(1)
    numbers = {name: i for i, name in enumerate(classifier.classes)}
    truth = np.array([numbers[photos[place].label] for place in places], np.int64)
    probabilities = np.array(rows, np.float32).reshape(-1, len(classifier.classes))
    evaluation = evaluate(
        classifier.classes, truth, probabilities, groups[places], threshold=classifier.threshold
    )
    return Measured(evaluation, tuple(notes))


def _require_known(names: Sequence[str], classifier: Classifier, folder: Path) -> None:
    unknown = [name for name in names if name not in classifier.classes]
    if unknown:
        raise DataError(
            f"{folder} has classes that the model does not know: {', '.join(unknown)}; "
            f"expected {', '.join(classifier.classes)}."
        )
