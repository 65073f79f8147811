"""Evaluates a trained run again: on its own test part, or on another folder of photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache, default_folder
from candid.core.progress import Progress, for_python
from candid.core.stored_rows import join_rows
from candid.core.text import brief, plural
from candid.data.catalog import Catalog, Photo, scan
from candid.data.file_reader import FileReader
from candid.data.source import DataSource
from candid.engines import LOCAL, Engine, open_engine, require_engine
from candid.errors import DataError, DependencyError
from candid.evaluation.assess import EvalContext, add_reliability, assess, assess_held_out
from candid.evaluation.baselines import (
    LARGEST_CLASS,
    Baseline,
    compare_baselines,
    predict_baselines,
)
from candid.evaluation.evaluation import TEST_PART, Evaluation, write_text
from candid.evaluation.loaded_run import LoadedRun, load_run
from candid.evaluation.measures import measure_predictions
from candid.evaluation.scores import Predictions
from candid.features.extract import Features
from candid.models.recipes.abstaining_head import Answers
from candid.models.temperature import with_temperature
from candid.runs.classifier import Classifier
from candid.splits.duplicates import find_duplicates
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import extract_catalog
from candid.splits.split import Row, Split

_TRAINED_PARTS = ("train", "val")


@dataclass(frozen=True)
class Elsewhere:
    """Photos that a run was not trained on, and its predictions of those that could be read."""

    run: LoadedRun
    catalog: Catalog
    predictions: Predictions


@dataclass(frozen=True)
class Measured:
    """An evaluation, notes on it, and what it was measured on.

    Attributes:
        elsewhere: Photos and predictions, if it was measured on another folder.
    """

    evaluation: Evaluation
    notes: tuple[str, ...]
    of: str = TEST_PART
    elsewhere: Elsewhere | None = None

    def __repr__(self) -> str:
        return brief("Measured", repr(self.evaluation), f"of={self.of!r}")

    def _repr_html_(self) -> str:
        """Its figures, for a notebook."""
        return self.evaluation._repr_html_()

    def to_text(self) -> str:
        """Tables of all figures, for a terminal."""
        return write_text(self.evaluation, self.of)


def evaluate_run(
    run: str | Path,
    data: str | Path | DataSource | None = None,
    *,
    threshold: float | None = None,
    rehash: bool = False,
    engine: str = LOCAL,
    progress: Progress | None = None,
) -> Measured:
    """Evaluate a run.

    Args:
        run: The run's folder.
        data: By default the folder that the run was trained on: its test part is measured again,
            with the labels after the run's own decisions. Of another folder everything is measured
            except training images and their copies.
        threshold: Replaces the run's own threshold (two classes only).
        rehash: Read all photos, including those whose size and times are unchanged.
        engine: Where photos are embedded and predicted: ``local``, ``ray`` or ``ray://host:port``.
        progress: Progress callback; by default a bar in a notebook or at a prompt.

    Raises:
        ArtifactError: The run is incomplete or was changed.
        DataError: The folder is missing, has no photo to measure, or has other classes.
        UsageError: There is no such engine.
    """
    require_engine(engine)
    progress = progress or for_python()
    loaded = load_run(run)
    if threshold is not None:
        loaded = replace(loaded, classifier=loaded.classifier.with_threshold(threshold))
    with open_engine(engine, progress) as opened:
        evaluator = Evaluator(loaded, progress, rehash=rehash, engine=opened)
        if data is None or loaded.classifier.require_manifest().data.is_in(data):
            return evaluator.on_own_folder()
        return evaluator.on_other_folder(DataSource.of(data))


class Evaluator:
    """Evaluates a loaded run on folders of photos."""

    def __init__(
        self, run: LoadedRun, progress: Progress, *, rehash: bool, engine: Engine | None = None
    ) -> None:
        self._run = run
        self._progress = progress
        self._engine = engine
        self._cache = Cache(default_folder())
        self._reader = FileReader(self._cache, rehash=rehash)

    def on_own_folder(self) -> Measured:
        """Evaluate on the folder that the run was trained on."""
        run, classifier, folder = self._run, self._run.classifier, self._run.trained_on
        applied = run.scan(self._reader)
        known = _find_rows(run.split, applied.catalog.photos)
        photos = tuple(photo for photo in applied.catalog.photos if photo.path in known)
        _require_known(sorted({photo.label for photo in photos}), classifier, folder)
        # The folder may have lost or gained a class since.
        catalog = replace(applied.catalog, photos=photos, classes=classifier.classes)
        tested = [photo for photo in photos if known[photo.path].part == "test"]
        if not tested and not len(run.split.places("test")):
            raise DataError(
                f"all photos of {folder} were trained on, so none is left to measure on. Evaluate "
                "on other photos: candid evaluate RUN OTHER_PHOTOS."
            )
        if not tested:
            raise DataError(
                f"{folder} has none of the run's test images; name the folder of photos."
            )
        read, answers, unreadable = self._predict(catalog, tested)
        notes = [*applied.notes, *_missing_notes(run.split, photos), *unreadable]
        try:
            features = self._extract(catalog)
        except DependencyError as error:
            notes.append(f"only the test part was measured again: {error}")
            names = [known[photo.path].group for photo in read]
            groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
            return Measured(self._measure(self._decide(read, answers, groups)), tuple(notes))
        rows = tuple(
            replace(known[photo.path], path=photo.path, label=photo.label)
            for photo in features.catalog.photos
        )
        context = EvalContext(features, replace(run.split, rows=rows), classifier.rule, run.seed)
        embedded = {photo.path for photo in features.catalog.photos}
        kept = np.array([photo.path in embedded for photo in read], bool)
        answers = answers.take(kept)
        result = assess(context, answers, run.fitted, progress=self._progress)
        if run.refits is not None:
            held_out = run.held_out([row.path for row in rows])
            of_transfer = result.evaluation
            result = assess_held_out(
                context, answers, held_out, run.fitted, of_transfer, run.refits
            )
            what = "the held-out answers of the recipe finetune are those of its predictions.csv"
            notes.append(f"{what}: to make them again would take as long as the training")
        return Measured(result.evaluation, tuple(notes))

    def on_other_folder(self, folder: DataSource) -> Measured:
        """Evaluate on another folder, to which the run's decisions don't apply."""
        run = self._run
        catalog = scan(folder, to_train=False, reader=self._reader)
        _require_known(catalog.classes, run.classifier, catalog.source)
        trained = {row.content for row in run.split.rows if row.part in _TRAINED_PARTS}
        copies, groups, notes, features = self._find_copies(catalog, trained)
        photos = [p for p in catalog.photos if p.content not in trained and p.content not in copies]
        num_left_out = len(catalog.photos) - len(photos)
        if num_left_out:
            notes.append(
                f"{num_left_out} images are left out: the model was trained on them or on a copy."
            )
        if not photos:
            raise DataError(
                f"{folder} has nothing that the model was not trained on; name a folder of other "
                "photos."
            )
        read, answers, unreadable = self._predict(catalog, photos)
        if not read:
            raise DataError(f"no photo of {folder} can be read; {unreadable[0]}")
        numbers = np.array([groups.get(p.content, -1 - i) for i, p in enumerate(read)], np.int64)
        predictions = self._decide(read, answers, numbers)
        with self._progress.step("Comparing with simple rules", 0):
            baselines = self._baselines(features, read, predictions)
        evaluation = replace(self._measure(predictions), baselines=baselines)
        told = (*catalog.notes(), *notes, *unreadable)
        elsewhere = Elsewhere(run, catalog, predictions)
        return Measured(evaluation, told, str(catalog.source), elsewhere)

    def _find_copies(
        self, catalog: Catalog, trained: set[str]
    ) -> tuple[set[str], dict[str, int], list[str], Features | None]:
        """Contents that are copies of training images, the group of each content, and notes.

        The features are of both, where there are any.
        """
        try:
            new = self._extract(catalog)
        except DependencyError as error:
            what = "only exact copies of training images could be left out"
            return set(), {}, [f"{what}: {error}"], None
        old, why = None, ""
        try:
            old = self._extract(self._run.scan(self._reader).catalog)
            gone = len(trained - {photo.content for photo in old.catalog.photos})
            why = f"{plural(gone, 'photo')} that it was trained on are gone" if gone else ""
        except DataError as error:
            why = str(error)
        what = "only exact copies of training images that are gone could be left out"
        notes = [f"{what}: {why}"] if why else []
        known = [each for each in (new, old) if each is not None and len(each.embeddings)]
        if not known:
            return set(), {}, notes, None
        photos = tuple(photo for each in known for photo in each.catalog.photos)
        both = Features(
            replace(new.catalog, photos=photos, skipped=()),
            join_rows([each.embeddings for each in known]),
            new.thumbnails,
            np.concatenate([each.colours for each in known]),
        )
        numbers = find_duplicates(both, progress=self._progress).of_photo
        groups = {photo.content: int(g) for photo, g in zip(photos, numbers, strict=True)}
        tainted = {int(g) for p, g in zip(photos, numbers, strict=True) if p.content in trained}
        return {c for c, group in groups.items() if group in tainted}, groups, notes, both

    def _extract(self, catalog: Catalog) -> Features:
        return extract_catalog(
            catalog,
            backbone=self._run.prepared_with.backbone,
            fit=self._run.prepared_with.fit,
            reading=self._run.classifier.contract,
            cache=self._cache,
            reader=self._reader,
            engine=self._engine,
            progress=self._progress,
        )

    def _predict(
        self, catalog: Catalog, photos: Sequence[Photo]
    ) -> tuple[list[Photo], Answers, list[str]]:
        """Predict by the run's own graph: the readable photos, their answers, and notes."""
        classifier = self._run.classifier
        rows, read, notes = [], [], []
        with self._progress.step("Predicting", len(photos)) as advance:
            files = [catalog.file(photo) for photo in photos]
            answers = classifier.stream(files, engine=self._engine)
            for photo, prediction in zip(photos, answers, strict=True):
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
            known = [frozenset(row.possible) for row in rows]
            possible = np.array([[name in one for name in classes] for one in known], bool)
            possible = possible.reshape(-1, len(classes))
            familiarity = np.array([row.familiarity for row in rows], np.float32)
        # The graph divides by the temperature; dividing by its inverse undoes that.
        raw = with_temperature(probabilities, 1 / self._run.fitted.temperature)
        return read, Answers(probabilities, raw, possible, familiarity), notes

    def _decide(
        self, photos: Sequence[Photo], answers: Answers, groups: NDArray[np.int64]
    ) -> Predictions:
        classes = self._run.classifier.classes
        return Predictions(
            tuple(photo.path for photo in photos),
            np.array([classes.index(photo.label) for photo in photos], np.int64),
            groups,
            self._run.classifier.rule.decide(answers.probabilities, classes),
            **vars(answers),
        )

    def _measure(self, predictions: Predictions) -> Evaluation:
        """Measure predictions alone: no baselines, leak tax or learning curve."""
        classes, rule = self._run.classifier.classes, self._run.classifier.rule
        evaluation = Evaluation(measure_predictions(classes, predictions), rule=rule)
        return add_reliability(evaluation, classes, predictions, self._run.fitted)

    def _baselines(
        self, features: Features | None, read: Sequence[Photo], predictions: Predictions
    ) -> tuple[Baseline, ...]:
        """Compare with simple rules, fitted on what the model was trained on.

        Where those photos are gone, their labels still tell the largest class.
        """
        classes = self._run.classifier.classes
        rows = {row.content: row for row in self._run.split.rows if row.part in _TRAINED_PARTS}
        photos = () if features is None else features.catalog.photos
        places = {photo.content: place for place, photo in enumerate(photos)}
        fitted = [row for row in rows.values() if row.content in places]
        is_whole = len(fitted) == len(rows)  # a few that are left would be weak rules
        if features is not None and is_whole and all(photo.content in places for photo in read):
            keys = [*(row.group for row in fitted), *(photo.content for photo in read)]
            both: tuple[Row | Photo, ...] = (*fitted, *read)
            labels = [classes.index(one.label) for one in both]
            names, groups = np.unique(keys, return_inverse=True)
            used = np.array([places[one.content] for one in both], np.int64)
            numbers = np.arange(len(used))
            data = Labelled(
                features.embeddings.take(used, axis=0),
                np.array(labels, np.int64),
                groups.astype(np.int64),
                list(map(str, names)),
                len(classes),
            )
            one_round = numbers[: len(fitted)], numbers[len(fitted) :]
            found = predict_baselines(data, features.colours[used], [one_round])
            found = {name: predicted[len(fitted) :] for name, predicted in found.items()}
        else:
            counts = np.bincount([classes.index(row.label) for row in rows.values()])
            found = {LARGEST_CLASS: np.full(len(read), counts.argmax())}
        hits = predictions.predicted == predictions.truth
        return compare_baselines(found, hits, predictions.truth, predictions.groups)


def _find_rows(split: Split, photos: Iterable[Photo]) -> dict[str, Row]:
    """By path, the row of each photo in a part; a moved one is found by its content."""
    at = {(row.content, row.path): row for row in split.rows}
    by_content = {row.content: row for row in split.rows if row.part}
    rows = {p.path: at.get((p.content, p.path), by_content.get(p.content)) for p in photos}
    return {path: row for path, row in rows.items() if row is not None and row.part}


def _missing_notes(split: Split, photos: Sequence[Photo]) -> list[str]:
    """Notes on the photos of the split that are not in the folder any more."""
    present = {photo.content for photo in photos}
    missing = [row for row in split.rows if row.part and row.content not in present]
    test = sorted(row.path for row in missing if row.part == "test")
    num_others = len(missing) - len(test)
    notes = []
    if test:
        notes.append(
            f"{len(test)} test images are gone or changed and not measured: {', '.join(test)}."
        )
    if num_others:
        notes.append(
            f"{plural(num_others, 'photo')} of the train and val parts are gone or changed, so the "
            "cross-validation is on fewer photos than the run's."
        )
    return notes


def _require_known(names: Sequence[str], classifier: Classifier, folder: DataSource) -> None:
    unknown = [name for name in names if name not in classifier.classes]
    if unknown:
        raise DataError(
            f"{folder} has classes that the model does not know: {', '.join(unknown)}; "
            f"expected {', '.join(classifier.classes)}."
        )
