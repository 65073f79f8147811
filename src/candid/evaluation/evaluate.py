"""Measures a run again: on its own test part, or on another folder.

A run, opened to be measured again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache, default_folder
from candid.core.progress import Progress, Silent
from candid.core.text import plural
from candid.data.catalog import Catalog, Photo, scan
from candid.data.decisions import Applied, Decision, apply_decisions, read_decisions
from candid.data.file_reader import FileReader
from candid.errors import DataError, DependencyError
from candid.evaluation.assess import EvalContext, FittedState, assess, measure_predictions
from candid.evaluation.evaluation import Evaluation, write_text
from candid.evaluation.reliability import measure_abstention, measure_calibration
from candid.evaluation.scores import Predictions
from candid.features.extract import Features
from candid.models.recipes.abstaining_head import Answers
from candid.models.temperature import with_temperature
from candid.runs.artifact import DECISIONS, GOLDEN, SPLIT, find_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Preparation
from candid.splits.duplicates import find_duplicates
from candid.splits.prepare import extract_catalog
from candid.splits.split import Split, read_csv


@dataclass(frozen=True)
class LoadedRun:
    """A run and how it came about.

    Attributes:
        folder: Where it is.
        classifier: Ready to predict.
        dealt: Where each photo went.
        trained_on: The data folder.
        decisions: What a person decided about the photos.
        seed: Dealt the photos and the folds.
        temperature: What scores are divided by.
        strength: Of the head's regularisation; None where the head is not linear.
        prepared_with: The backbone that found the copies, and how photos were made square.
    """

    folder: Path
    classifier: Classifier
    dealt: Split
    trained_on: Path
    decisions: tuple[Decision, ...]
    seed: int
    temperature: float
    strength: float | None
    prepared_with: Preparation

    def scan(self, reader: FileReader) -> Applied:
        """Its folder as it is now, seen as the run saw it: by the same decisions."""
        catalog = scan(self.trained_on, reader=reader)
        # a class may be gone by now to which photos were relabelled
        classes = {*catalog.classes, *self.classifier.classes} if self.decisions else ()
        known = replace(catalog, classes=tuple(sorted(classes)) or catalog.classes)
        return apply_decisions(known, self.decisions)


def load_run(run: str | Path) -> LoadedRun:
    """Open a run, after its model gave the answers that it gave when it was written.

    Raises:
        ArtifactError: It is not whole.
    """
    folder = find_run(run)
    classifier = load(folder)
    classifier.check_golden(folder / GOLDEN)
    manifest = classifier.require_manifest()
    return LoadedRun(
        folder,
        classifier,
        read_csv(folder / SPLIT),
        Path(manifest.data.folder),
        () if manifest.decisions is None else read_decisions(folder / DECISIONS),
        seed=manifest.settings.seed,
        temperature=manifest.calibration.temperature,
        strength=manifest.strength,
        prepared_with=manifest.prepared_with,
    )


_SEEN_PARTS = ("train", "val")


@dataclass(frozen=True)
class Measured:
    """An evaluation, what it is of, and what a person should know of how it came about."""

    evaluation: Evaluation
    notes: tuple[str, ...]
    of: str = "Test part"

    def to_text(self) -> str:
        """For a terminal."""
        return write_text(self.evaluation, self.of)


def evaluate_run(
    run: str | Path,
    data: str | Path | None = None,
    *,
    threshold: float | None = None,
    rehash: bool = False,
    progress: Progress | None = None,
) -> Measured:
    """Measure a run.

    Args:
        run: The run's folder.
        data: By default the folder that it was trained on, of which the test part is measured
            again, with the labels that the run's own decisions gave it. Of another folder,
            everything is measured but what the model saw when it was trained, copies included.
        threshold: Two classes: instead of the run's own.
        rehash: Whether to read all photos, those too whose size and times are as they were.
        progress: Told how far it is.

    Returns:
        The evaluation and notes on it.

    Raises:
        ArtifactError: The run is not whole.
        DataError: The folder is gone, changed, or has other classes.
    """
    opened = load_run(run)
    if threshold is not None:
        opened = replace(opened, classifier=opened.classifier.with_threshold(threshold))
    progress = progress or Silent()
    if data is None or Path(data).expanduser().resolve() == opened.trained_on:
        return measure_own(opened, progress, rehash=rehash)
    return _measure_other(opened, Path(data), progress, rehash=rehash)


def measure_own(run: LoadedRun, progress: Progress, *, rehash: bool) -> Measured:
    """Measure a run on the folder that it was trained on."""
    classifier, folder = run.classifier, run.trained_on
    cache = Cache(default_folder())
    reader = FileReader(cache, rehash=rehash)
    applied = run.scan(reader)
    known = {row.content: row for row in run.dealt.rows if row.part}
    photos = tuple(photo for photo in applied.catalog.photos if photo.content in known)
    _require_known(sorted({photo.label for photo in photos}), classifier, folder)
    # By the run's own classes: one may have gone since, or come.
    catalog = replace(applied.catalog, photos=photos, classes=classifier.classes)
    tested = [photo for photo in photos if known[photo.content].part == "test"]
    wanted = {content for content, row in known.items() if row.part == "test"}
    missing = wanted - {photo.content for photo in tested}
    notes = list(applied.notes)
    if missing:
        gone = ", ".join(sorted(known[content].path for content in missing))
        notes.append(f"{len(missing)} test images are gone or changed and not measured: {gone}.")
    if not tested:
        raise DataError(f"{folder} holds none of the run's test images; name the folder of photos.")
    others = len(known) - len(wanted) - (len({p.content for p in photos}) - len(wanted - missing))
    if others:
        notes.append(
            f"{plural(others, 'photo')} of the train and val parts are gone or changed, so the "
            "cross-validation is of fewer photos than the run's."
        )
    answered = _answer(run, catalog, tested, progress)
    notes.extend(answered.notes)
    learnt = FittedState(run.temperature, classifier.abstention, run.strength)
    try:
        features = _see(run, catalog, cache, reader, progress)
    except DependencyError as error:
        notes.append(f"only the test part was measured again: {error}")
        named = [known[photo.content].group for photo in answered.photos]
        groups = np.unique(named, return_inverse=True)[1]
        evaluation = _measure(classifier, answered, groups.astype(np.int64), run.temperature)
        return Measured(evaluation, tuple(notes))
    read = {photo.content for photo in features.catalog.photos}
    rows = [
        replace(known[photo.content], path=photo.path, label=photo.label)
        for photo in features.catalog.photos
    ]
    ground = EvalContext(features, replace(run.dealt, rows=tuple(rows)), classifier.rule, run.seed)
    kept = np.array([photo.content in read for photo in answered.photos], bool)
    assessed = assess(ground, answered.take(kept), learnt, progress=progress)
    return Measured(assessed.evaluation, tuple(notes))


def _measure_other(run: LoadedRun, folder: Path, progress: Progress, *, rehash: bool) -> Measured:
    """Measure photos as they lie there: the run's decisions are about its own folder's."""
    classifier = run.classifier
    cache = Cache(default_folder())
    reader = FileReader(cache, rehash=rehash)
    catalog = scan(folder, to_train=False, reader=reader)
    _require_known(catalog.classes, classifier, catalog.folder)
    seen = {row.content for row in run.dealt.rows if row.part in _SEEN_PARTS}
    copies, groups, notes = _copies_of_seen(run, seen, catalog, cache, reader, progress)
    photos = [p for p in catalog.photos if p.content not in seen and p.content not in copies]
    left_out = len(catalog.photos) - len(photos)
    if left_out:
        notes.append(f"{left_out} images are left out: the model was trained on them or on a copy.")
    if not photos:
        raise DataError(f"{folder} holds nothing that the model was not trained on.")
    answered = _answer(run, catalog, photos, progress)
    if not answered.photos:
        raise DataError(f"no photo of {folder} can be read; {answered.notes[0]}")
    numbers = np.array([groups.get(p.content, -1 - i) for i, p in enumerate(answered.photos)])
    evaluation = _measure(classifier, answered, numbers.astype(np.int64), run.temperature)
    return Measured(evaluation, (*notes, *answered.notes), str(catalog.folder))


def _copies_of_seen(
    run: LoadedRun,
    seen: set[str],
    catalog: Catalog,
    cache: Cache,
    reader: FileReader,
    progress: Progress,
) -> tuple[set[str], dict[str, int], list[str]]:
    """Contents that show a picture which was trained on, and the groups among all."""
    notes = []
    try:
        new = _see(run, catalog, cache, reader, progress)
    except DependencyError as error:
        return set(), {}, [f"only exact copies of training images could be left out: {error}"]
    try:
        old = _see(run, run.scan(reader).catalog, cache, reader, progress)
        gone = len(seen - {photo.content for photo in old.catalog.photos})
        why = f"{plural(gone, 'photo')} that it was trained on are gone" if gone else ""
    except DataError as error:
        old, why = None, str(error)
    if why:
        notes = [f"only exact copies of training images that are gone could be left out: {why}"]
    known = [each for each in (new, old) if each is not None and len(each.embeddings)]
    if not known:
        return set(), {}, notes
    photos = tuple(photo for each in known for photo in each.catalog.photos)
    both = Features(
        replace(new.catalog, photos=photos, skipped=()),
        np.concatenate([each.embeddings for each in known]),
        new.thumbnails,
        np.concatenate([each.colours for each in known]),
    )
    groups = find_duplicates(both, progress=progress).of_photo
    tainted = {int(g) for photo, g in zip(photos, groups, strict=True) if photo.content in seen}
    by_content = {photo.content: int(g) for photo, g in zip(photos, groups, strict=True)}
    return {c for c, g in by_content.items() if g in tainted}, by_content, notes


def _see(
    run: LoadedRun, catalog: Catalog, cache: Cache, reader: FileReader, progress: Progress
) -> Features:
    how = run.prepared_with
    return extract_catalog(
        catalog,
        backbone=how.backbone,
        fit=how.fit,
        cache=cache,
        reader=reader,
        progress=progress,
    )


@dataclass(frozen=True)
class _Answered:
    """What the artifact's own graph says of the photos that could be read."""

    photos: tuple[Photo, ...]
    answers: Answers
    notes: tuple[str, ...]

    def take(self, kept: NDArray[np.bool_]) -> Answers:
        """The answers of some of them."""
        said = self.answers
        return Answers(
            said.probabilities[kept],
            said.raw[kept],
            None if said.possible is None else said.possible[kept],
            None if said.familiarity is None else said.familiarity[kept],
        )


def _answer(
    run: LoadedRun, catalog: Catalog, photos: Sequence[Photo], progress: Progress
) -> _Answered:
    """Predict by the artifact's own graph, and name what could not be read."""
    classifier, temperature = run.classifier, run.temperature
    rows, read, notes = [], [], []
    with progress.step("Predicting", len(photos)) as advance:
        files = [catalog.file(photo) for photo in photos]
        for photo, prediction in zip(photos, classifier.stream(files), strict=True):
            if prediction.label is not None:
                rows.append(prediction)
                read.append(photo)
            else:
                notes.append(f"{photo.path} is left out: {prediction.reason}")
            advance(1)
    classes = classifier.classes
    probabilities = np.array([list(row.probabilities.values()) for row in rows], np.float32)
    probabilities = probabilities.reshape(-1, len(classes))
    possible, familiarity = None, None
    if classifier.abstention is not None:
        possible = np.array([[name in row.possible for name in classes] for row in rows], bool)
        possible = possible.reshape(-1, len(classes))
        familiarity = np.array([row.familiarity for row in rows], np.float32)
    # Dividing by the inverse undoes what the graph has done.
    raw = with_temperature(probabilities, 1 / temperature)
    return _Answered(tuple(read), Answers(probabilities, raw, possible, familiarity), tuple(notes))


def _measure(
    classifier: Classifier, answered: _Answered, groups: NDArray[np.int64], temperature: float
) -> Evaluation:
    """Measure answers alone, with nothing beside them."""
    classes = classifier.classes
    numbers = {name: number for number, name in enumerate(classes)}
    said = answered.answers
    predictions = Predictions(
        tuple(photo.path for photo in answered.photos),
        np.array([numbers[photo.label] for photo in answered.photos], np.int64),
        groups,
        classifier.rule.decide(said.probabilities, classes),
        said.probabilities,
        said.raw,
        said.possible,
        said.familiarity,
    )
    measures = measure_predictions(classes, predictions)
    abstained = None
    if classifier.abstention is not None:
        abstained = measure_abstention(classes, predictions, classifier.abstention)
    calibration = measure_calibration(classes, predictions, measures, temperature)
    return Evaluation(measures, calibration=calibration, abstained=abstained)


def _require_known(names: Sequence[str], classifier: Classifier, folder: Path) -> None:
    unknown = [name for name in names if name not in classifier.classes]
    if unknown:
        raise DataError(
            f"{folder} has classes that the model does not know: {', '.join(unknown)}; "
            f"expected {', '.join(classifier.classes)}."
        )
