"""Writes the files of a run, and makes its manifest.

``predictions.csv``: every prediction that a figure of a run rests on.

What TensorBoard shows of a run; Keras has written its own curves beside it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.safe_json import read_as
from candid.data.images import decode, preview, read_file
from candid.errors import DataError, ImageError
from candid.evaluation.assess import EvalResult
from candid.evaluation.evaluation import headline
from candid.evaluation.scores import Predictions
from candid.models.recipes import Trained
from candid.reporting import tracking
from candid.reporting.pages import file_previews
from candid.reporting.report.card import write_card
from candid.reporting.report.contents import Contents
from candid.reporting.report.mistakes import worst_places
from candid.reporting.report.page import write_page
from candid.runs.artifact import DECISIONS, GOLDEN, METRICS, MODEL, NEIGHBOURS, PREDICTIONS, SPLIT
from candid.runs.classifier import Classifier
from candid.runs.explaining import Neighbours, fit_neighbours
from candid.runs.manifest import (
    AbstentionSettings,
    CalibrationSettings,
    CnnSettings,
    DataSummary,
    DecisionsSummary,
    Manifest,
    Metrics,
    PixelSettings,
    Preparation,
    RuleSettings,
    TransferSettings,
)
from candid.splits.prepare import Prepared
from candid.splits.split import Split, to_csv
from candid.training.options import Result, TrainOptions
from candid.training.report import fingerprint, gather


def predictions_csv(classes: Sequence[str], dealt: Split, assessed: EvalResult) -> str:
    """Write the test part's predictions and the cross-validated ones.

    The columns are ``estimate,path,class,part,label,possible,familiarity`` and the probability of
    each class; possible classes are separated by ``|``.

    Args:
        classes: Names of the classes.
        dealt: Where each photo went.
        assessed: What was predicted.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("estimate", "path", "class", "part", "label", "possible", "familiarity")
    writer.writerow((*columns, *(f"p({name})" for name in classes)))
    parts = {row.path: row.part for row in dealt.rows}
    for estimate, predictions in (("test", assessed.test), ("kfold", assessed.kfold)):
        if predictions is not None:
            writer.writerows(_rows(estimate, predictions, classes, parts))
    return text.getvalue()


def _rows(
    estimate: str, said: Predictions, classes: Sequence[str], parts: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    for place, path in enumerate(said.paths):
        possible, familiarity = "", ""
        if said.possible is not None:
            possible = "|".join(
                name for name, can in zip(classes, said.possible[place], strict=True) if can
            )
        if said.familiarity is not None:
            familiarity = f"{said.familiarity[place]:.6f}"
        yield (
            estimate,
            path,
            classes[said.truth[place]],
            parts[path],
            classes[said.predicted[place]],
            possible,
            familiarity,
            *(f"{value:.6f}" for value in said.probabilities[place]),
        )


_SIDE_PX: Final = 256


def show_on_board(folder: Path, contents: Contents, trained: Trained, prepared: Prepared) -> None:
    """Write figures, curves and mistakes for TensorBoard.

    Args:
        folder: The run's ``tensorboard``.
        contents: What the report shows.
        trained: The model.
        prepared: What it was trained on.
    """
    where = folder / "candid"
    evaluation = contents.evaluation
    if trained.history and "epoch" not in trained.history[0]:
        tracking.write_scalars(where, list(enumerate(trained.history)))
    tracking.write_figures(where, evaluation)
    tracking.write_pr_curves(where, contents.predictions, evaluation.classes)
    tracking.write_confusion(where, evaluation.believed, "confusion")
    tracking.write_images(where, "mistakes", list(_mistakes(contents, prepared)))
    tracking.write_text(where, "settings", trained.settings)


def _mistakes(contents: Contents, prepared: Prepared) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    catalog, said = prepared.catalog, contents.predictions
    files = {photo.path: catalog.file(photo) for photo in catalog.photos}
    classes = contents.evaluation.classes
    for place in worst_places(said):
        path, answered = said.paths[place], said.predicted[place]
        try:
            pixels = preview(read_file(files[path]), _SIDE_PX)
        except ImageError:  # gone since it was looked at
            continue
        if pixels is not None:
            sure = said.probabilities[place, answered]
            true = classes[said.truth[place]]
            yield f"{path}: {classes[answered]} ({sure:.0%}), truly {true}", pixels


_NUM_GOLDEN = 3
_PREVIEW_PX = 200
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "tensorflow")


def write_files(
    folder: Path,
    final: Path,
    prepared: Prepared,
    dealt: Split,
    options: TrainOptions,
    result: Result,
    notes: tuple[str, ...],
) -> Manifest:
    """Write every file of a run but the manifest, and return the manifest.

    Args:
        folder: Where the files are written.
        final: What the folder will be called.
        prepared: What was trained on.
        dealt: Where each photo went.
        options: How it was trained.
        result: What came of it.
        notes: What a person should know of the data.
    """
    catalog, trained = prepared.catalog, result.trained
    manifest = _manifest(prepared, options, result, notes)
    (folder / MODEL).write_bytes(trained.model)
    classifier = Classifier(trained.model, catalog.classes, trained.contract, rule=options.rule)
    _write_golden(folder / GOLDEN, classifier, prepared, dealt, result)
    (folder / NEIGHBOURS).write_bytes(_neighbours(dealt, result).to_bytes())
    contents = gather(final, prepared, dealt, options, result, notes, classifier)
    texts = {
        SPLIT: to_csv(dealt, with_content=True),
        METRICS: json.dumps(result.evaluation.to_json(), indent=2, allow_nan=False) + "\n",
        "history.csv": _history_csv(trained.history),
        PREDICTIONS: predictions_csv(catalog.classes, dealt, result.assessed),
        "MODEL_CARD.md": write_card(contents, manifest),
        "report.html": write_page(contents, file_previews(catalog.folder, size_px=_PREVIEW_PX)),
    }
    for file, text in texts.items():
        # A file name need not be UTF-8; in split.csv it has to come back as it was.
        errors = "surrogateescape" if file.endswith(".csv") else "backslashreplace"
        (folder / file).write_text(text, encoding="utf-8", errors=errors)
    if prepared.decided:
        (folder / DECISIONS).write_bytes(prepared.decided.file.data)
    show_on_board(folder / "tensorboard", contents, trained, prepared)
    return manifest


def _manifest(
    prepared: Prepared, options: TrainOptions, result: Result, notes: tuple[str, ...]
) -> Manifest:
    catalog, contract, learnt = prepared.catalog, result.trained.contract, result.learnt
    abstention = None if learnt.abstention is None else learnt.abstention.to_json()
    decided = prepared.decided.to_json() if prepared.decided else None
    chosen = CnnSettings if options.recipe == "cnn" else TransferSettings
    return Manifest(
        candid_version=__version__,
        recipe=options.recipe,
        complete=result.trained.complete,
        classes=catalog.classes,
        pixels=PixelSettings(contract.size_px, contract.fit, contract.key),
        rule=read_as(RuleSettings, options.rule.to_json(), "rule"),
        calibration=CalibrationSettings(learnt.temperature),
        abstention=read_as(AbstentionSettings | None, abstention, "abstention"),
        settings=read_as(chosen, dict(result.trained.settings), "settings"),
        prepared_with=Preparation(options.backbone, options.fit),
        data=DataSummary(
            folder=str(catalog.folder),
            fingerprint=fingerprint(prepared),
            num_photos=len(catalog.photos),
            num_pictures=prepared.groups.num_pictures,
            notes=notes,
        ),
        decisions=read_as(DecisionsSummary | None, decided, "decisions"),
        metrics=read_as(Metrics, headline(result.evaluation.to_json()), "metrics"),
        libraries=_library_versions(),
    )


def _neighbours(dealt: Split, result: Result) -> Neighbours:
    """The photos that the model learnt from, by what its own graph gives for them."""
    rows = [dealt.rows[place] for place in result.places]
    groups = np.unique([row.group for row in rows], return_inverse=True)[1].astype(np.int64)
    return fit_neighbours(result.embeddings, [row.content for row in rows], groups)


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _write_golden(
    file: Path, classifier: Classifier, prepared: Prepared, dealt: Split, result: Result
) -> None:
    """Keep a few inputs and answers, after holding the graph against what was evaluated."""
    rows, pictures = [], []
    for row, place in enumerate(dealt.places("test")):
        photo = prepared.catalog.file(prepared.catalog.photos[place])
        with suppress(ImageError):  # gone since it was looked at: the next one does
            pictures.append(decode(read_file(photo), classifier.contract))
            rows.append(row)
        if len(rows) == _NUM_GOLDEN:
            break
    if not rows:
        raise DataError(
            f"the test photos of {prepared.catalog.folder} are gone or changed since the training "
            "began. Restore them and train again."
        )
    pixels = np.stack(pictures)
    outputs = classifier.run(pixels)
    evaluated = result.assessed.test.probabilities[rows]
    difference = float(np.abs(outputs.probabilities - evaluated).max())
    if not difference <= 1e-3:
        raise RuntimeError(f"the graph and the evaluation differ by {difference}: a fault of ours")
    arrays = {"probabilities": outputs.probabilities, "embedding": outputs.embedding}
    if outputs.novelty is not None:
        arrays["novelty"] = outputs.novelty
    with file.open("wb") as opened:
        np.savez_compressed(opened, allow_pickle=False, image=pixels, **arrays)


def _history_csv(history: Sequence[Mapping[str, float]]) -> str:
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    return text.getvalue()
