"""Writes the files of a run and makes its manifest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from candid._version import __version__
from candid.core.extras import require_packages
from candid.core.safe_json import read_as, to_json
from candid.data.images import MAX_PIXELS, decode, read_file
from candid.data.images.preview import JPEG_QUALITY
from candid.errors import DataError, ImageError
from candid.evaluation.evaluation import headline
from candid.evaluation.scores import Predictions
from candid.models.recipes.logistic import matrix_threads
from candid.reporting import tracking
from candid.reporting.pages import Previews, file_previews
from candid.reporting.report.card import write_card
from candid.reporting.report.contents import Contents
from candid.reporting.report.mistakes import worst_places
from candid.reporting.report.page import write_page
from candid.runs.artifact import DECISIONS, GOLDEN, METRICS, MODEL, NEIGHBOURS, PREDICTIONS, SPLIT
from candid.runs.class_names import join_classes
from candid.runs.classifier import GOLDEN_TOLERANCE, Classifier
from candid.runs.explaining import Neighbours, fit_neighbours
from candid.runs.manifest import (
    SETTINGS,
    AbstentionSettings,
    CalibrationSettings,
    DataSummary,
    DecisionsSummary,
    Manifest,
    Metrics,
    PixelSettings,
    Preparation,
    RuleSettings,
)
from candid.splits.split import to_csv
from candid.training.options import Result
from candid.training.report import PHOTO_PX, fingerprint, gather

if TYPE_CHECKING:
    from pandas import DataFrame

#: Golden photos, where so many can be read: one of each class up to 20, and never fewer than 3.
_MIN_GOLDEN: Final = 3
_MAX_GOLDEN: Final = 20
_TENSORBOARD_PX: Final = 256
_TENSORBOARD_QUALITY: Final = 90
# Columns of predictions.csv, before the probabilities.
_TEXT_COLUMNS: Final = ("estimate", "path", "class", "part", "label", "possible")
_FAMILIARITY: Final = "familiarity"
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "tensorflow")


def write_files(folder: Path, final: Path, result: Result) -> tuple[Manifest, Contents]:
    """Write every file of a run except the manifest.

    Args:
        folder: Where the files are written.
        final: The name that the folder will have.
        result: The trained model and its evaluation.

    Returns:
        The manifest, still without the hashes of the files, and what the report shows.
    """
    manifest = _manifest(result)
    (folder / MODEL).write_bytes(result.trained.model)
    (folder / NEIGHBOURS).write_bytes(_neighbours(result).to_bytes())
    with ThreadPoolExecutor(1) as pool:
        # The runtime loads and runs the model while this thread writes pages in Python.
        checked = pool.submit(_write_golden, folder / GOLDEN, result)
        contents = gather(final, result, checked.result)
        _write_texts(folder, manifest, contents, result)
        _write_tensorboard(folder / "tensorboard" / "candid", contents, result)
        checked.result()
    if decided := result.prepared.decided:
        (folder / DECISIONS).write_bytes(decided.file.data)
    return manifest, contents


def _write_texts(folder: Path, manifest: Manifest, contents: Contents, result: Result) -> None:
    history = result.trained.history
    texts = {
        SPLIT: to_csv(result.split, with_content=True),
        METRICS: json.dumps(result.evaluation.to_json(), indent=2, allow_nan=False) + "\n",
        "history.csv": _csv(history[0], (row.values() for row in history)) if history else "",
        "MODEL_CARD.md": write_card(contents, manifest),
        "report.html": write_page(contents, _previews(result, size_px=PHOTO_PX)),
    }
    for file, text in texts.items():
        # A file name need not be UTF-8; in split.csv it has to come back as it was.
        errors = "surrogateescape" if file.endswith(".csv") else "backslashreplace"
        (folder / file).write_text(text, encoding="utf-8", errors=errors)
    rows = _prediction_rows(result)  # of many photos more than should be held in memory
    with (folder / PREDICTIONS).open("w", encoding="utf-8", errors="surrogateescape") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _previews(result: Result, *, size_px: int, quality: int = JPEG_QUALITY) -> Previews:
    """Thumbnails of the photos, kept in the cache of their features."""
    features = result.prepared.features
    return file_previews(
        features.catalog.find,
        size_px=size_px,
        quality=quality,
        reading=result.trained.contract,
        cache=features.thumbnails.cache,
        contents={photo.path: photo.content for photo in features.catalog.photos},
    )


def _manifest(result: Result) -> Manifest:
    prepared, options, fitted = result.prepared, result.options, result.fitted
    catalog, contract = prepared.catalog, result.trained.contract
    abstention = None if fitted.abstention is None else fitted.abstention.to_json()
    decided = prepared.decided.to_json() if prepared.decided else None
    recipe = options.recipe
    assert recipe != "auto"  # by now, it is that of the model
    return Manifest(
        candid_version=__version__,
        recipe=recipe,
        complete=result.trained.complete,
        classes=catalog.classes,
        pixels=PixelSettings(
            contract.size_px,
            contract.fit,
            contract.key,
            contract.sample_range,
            contract.page,
            contract.bands,
            None if contract.max_pixels == MAX_PIXELS else contract.max_pixels,
        ),
        rule=read_as(RuleSettings, options.rule.to_json(), "rule"),
        calibration=CalibrationSettings(fitted.temperature),
        abstention=read_as(AbstentionSettings | None, abstention, "abstention"),
        settings=read_as(SETTINGS[recipe], to_json(result.trained.settings), "settings"),
        prepared_with=Preparation(options.backbone, options.fit),
        data=DataSummary(
            folder=str(catalog.source),
            fingerprint=fingerprint(prepared),
            num_photos=len(catalog.photos),
            num_pictures=prepared.groups.num_pictures,
            notes=result.notes,
            own_parts=result.split.own,
            image_column=catalog.source.image_column,
            label_column=catalog.source.label_column,
        ),
        decisions=read_as(DecisionsSummary | None, decided, "decisions"),
        metrics=read_as(Metrics | None, headline(result.evaluation.to_json()), "metrics"),
        libraries=_library_versions(),
    )


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _write_golden(file: Path, result: Result) -> Classifier:
    """Write a few inputs and outputs of the model, after comparing these with those evaluated."""
    catalog, trained = result.prepared.catalog, result.trained
    classifier = Classifier(trained.model, catalog.classes, trained.contract)
    evaluated = result.assessed.test.probabilities  # of no photo if all were trained on
    part = "test" if len(evaluated) else "train"
    places = result.split.places(part)
    labels = [result.split.rows[place].label for place in places]
    most = min(max(_MIN_GOLDEN, len(set(labels))), _MAX_GOLDEN)
    rows, photos = [], []
    for row in _taking_turns(labels):
        with suppress(ImageError):  # removed or changed since it was embedded: take the next one
            data = read_file(catalog.file(catalog.photos[places[row]]))
            photos.append(decode(data, classifier.contract))
            rows.append(row)
        if len(rows) == most:
            break
    if not rows:
        raise DataError(
            f"no {part} photo in {catalog.source} can be read any more: they were removed or "
            "changed during the training. Restore them and train again."
        )
    pixels = np.stack(photos)
    outputs = classifier.model.run(pixels)
    expected = evaluated[rows] if len(evaluated) else outputs.probabilities
    difference = float(np.abs(outputs.probabilities - expected).max())
    if not difference <= GOLDEN_TOLERANCE:
        raise RuntimeError(
            f"{MODEL} and the evaluated model differ by {difference:.2g}, at most "
            f"{GOLDEN_TOLERANCE} is allowed. This is a bug in Candid; please report it."
        )
    arrays = {"probabilities": outputs.probabilities, "embedding": outputs.embedding}
    if outputs.novelty is not None:
        arrays["novelty"] = outputs.novelty
    # Not compressed: a third less to store takes 0.02 s for each photo.
    with file.open("wb") as stream:
        np.savez(stream, allow_pickle=False, image=pixels, **arrays)
    return classifier


def _taking_turns(labels: Sequence[str]) -> Iterator[int]:
    """Places of the first photo of each class, then of the second of each, and so on."""
    places: dict[str, list[int]] = {}
    for place, label in enumerate(labels):
        places.setdefault(label, []).append(place)
    turns = chain.from_iterable(zip_longest(*places.values()))
    return (place for place in turns if place is not None)


def _neighbours(result: Result) -> Neighbours:
    """An index of the photos that the model was fitted on."""
    rows = [result.split.rows[place] for place in result.fitted_on]
    groups = np.unique([row.group for row in rows], return_inverse=True)[1].astype(np.int64)
    with matrix_threads(0):
        return fit_neighbours(result.embeddings, [row.content for row in rows], groups)


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def _prediction_rows(result: Result) -> Iterator[tuple[str, ...]]:
    """The predictions that the figures of the test part and of cross-validation are computed from.

    A header, and a row per photo and estimate; possible classes are joined as in `join_classes`.
    """
    classes, assessed = result.prepared.catalog.classes, result.assessed
    parts = {row.path: row.part for row in result.split.rows}
    yield (*_TEXT_COLUMNS, _FAMILIARITY, *(f"p({name})" for name in classes))
    for estimate, predictions in (("test", assessed.test), ("kfold", assessed.kfold)):
        if predictions is not None:
            yield from _rows_of(estimate, predictions, classes, parts)


@dataclass(frozen=True)
class PredictionsFile:
    """The file ``predictions.csv`` of a run: a row per photo and estimate."""

    file: Path

    def to_frame(self) -> DataFrame:
        """Read it as a data frame of pandas, with the file's columns.

        ``familiarity`` and ``p(<class>)`` are float64, the others text: no class named ``NA`` or
        ``007`` becomes a missing value or a number.

        Raises:
            DependencyError: pandas is not installed.
        """
        require_packages(["pandas"], needed_by="to_frame", extra="notebook")
        import pandas as pd

        return pd.read_csv(
            self.file,
            dtype=dict.fromkeys(_TEXT_COLUMNS, object),
            keep_default_na=False,
            na_values={_FAMILIARITY: [""]},
            encoding="utf-8",
            encoding_errors="surrogateescape",
        )


def _rows_of(
    estimate: str, predictions: Predictions, classes: Sequence[str], parts: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    names = np.array(classes, object)
    for place, path in enumerate(predictions.paths):
        possible, familiarity = "", ""
        if predictions.possible is not None:
            possible = join_classes(names[predictions.possible[place]])
        if predictions.familiarity is not None:
            familiarity = f"{predictions.familiarity[place]:.6f}"
        yield (
            estimate,
            path,
            classes[predictions.truth[place]],
            parts[path],
            classes[predictions.predicted[place]],
            possible,
            familiarity,
            *(f"{value:.6f}" for value in predictions.probabilities[place]),
        )


def _write_tensorboard(folder: Path, contents: Contents, result: Result) -> None:
    """Write figures, curves and mistakes; Keras has written its own curves beside them."""
    evaluation, trained, predictions = result.evaluation, result.trained, contents.predictions
    if trained.history and "epoch" not in trained.history[0]:
        tracking.write_scalars(folder, list(enumerate(trained.history)))
    tracking.write_figures(folder, evaluation)
    tracking.write_pr_curves(folder, predictions, evaluation.classes)
    tracking.write_confusion(folder, evaluation.believed, "confusion")
    mistakes = {}
    for place in worst_places(predictions):
        path, number = predictions.paths[place], predictions.predicted[place]
        answered, true = (evaluation.classes[n] for n in (number, predictions.truth[place]))
        probability = predictions.probabilities[place, number]
        mistakes[path] = f"{path}: predicted {answered} ({probability:.0%}), true {true}"
    shown = _previews(result, size_px=_TENSORBOARD_PX, quality=_TENSORBOARD_QUALITY)(mistakes)
    pictures = [(mistakes[path], shown[path]) for path in mistakes if path in shown]
    tracking.write_images(folder, "mistakes", pictures)
    tracking.write_text(folder, "settings", to_json(trained.settings))
