"""Writes the files of a run, and the values of its manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from candid import __version__
from candid.artifact import DECISIONS, GOLDEN, METRICS, MODEL, SPLIT
from candid.backbones import DEFAULT
from candid.classifier import Classifier
from candid.data import Prepared, SplitOptions
from candid.errors import UsageError
from candid.evaluation import Evaluation
from candid.evaluation.report import decide
from candid.images import Fit, decode, read_file
from candid.recipes import Trained
from candid.report import write_card, write_page
from candid.split import PARTS, Split
from candid.split_file import to_csv

_NUM_GOLDEN = 3
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "tensorflow")

#: Two classes: above it the second class is predicted.
DEFAULT_THRESHOLD: Final = 0.5

Recipe = Literal["transfer", "cnn"]


@dataclass(frozen=True)
class TrainOptions:
    """How a run is trained.

    Attributes:
        recipe: ``transfer`` or ``cnn``.
        split: How the folder is dealt.
        backbone: Name or ONNX path of what embeds; it also finds the copies.
        fit: How photos are brought to a square; ``cnn`` always squashes, as the tutorial does.
        epochs: Passes over the training part; ``cnn`` only.
        threshold: Two classes: above it the second class is predicted.
        decisions: A ``decisions.csv`` of `candid audit`, filled in: which photos to drop, and the
            right labels of others.

    Raises:
        UsageError: ``threshold`` is not between 0 and 1.
    """

    recipe: Recipe = "transfer"
    split: SplitOptions = field(default_factory=SplitOptions)
    backbone: str = DEFAULT
    fit: Fit = "squash"
    epochs: int = 20
    threshold: float = DEFAULT_THRESHOLD
    decisions: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise UsageError(
                f"the threshold is a probability from 0 to 1. Received: {self.threshold}."
            )


@dataclass(frozen=True)
class Result:
    """What a recipe made, and how it did.

    Attributes:
        trained: The model.
        tested: float32 ``(t, k)`` probabilities of the test part.
        evaluation: The figures.
        kfold: float32 ``(n, k)``, cross-validated, of all photos that are in a part.
    """

    trained: Trained
    tested: NDArray[np.float32]
    evaluation: Evaluation
    kfold: NDArray[np.float32] | None = None


def write_files(
    folder: Path,
    name: str,
    prepared: Prepared,
    dealt: Split,
    options: TrainOptions,
    result: Result,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Write every file of a run but the manifest, and return the manifest's values."""
    catalog, trained, evaluation = prepared.catalog, result.trained, result.evaluation
    manifest = _manifest(prepared, options, result, notes)
    (folder / MODEL).write_bytes(trained.model)
    classifier = Classifier(trained.model, catalog.classes, trained.contract)
    _write_golden(folder / GOLDEN, classifier, prepared, dealt, result.tested)
    texts = {
        SPLIT: to_csv(dealt, with_content=True),
        METRICS: json.dumps(evaluation.to_json(), indent=2) + "\n",
        "history.csv": _history_csv(trained.history),
        "predictions.csv": _predictions_csv(prepared, dealt, options, result),
        "MODEL_CARD.md": write_card(name, evaluation, manifest),
        "report.html": write_page(name, evaluation, notes),
    }
    for file, text in texts.items():
        # A file name need not be UTF-8; in split.csv it has to come back as it was.
        errors = "surrogateescape" if file.endswith(".csv") else "backslashreplace"
        (folder / file).write_text(text, encoding="utf-8", errors=errors)
    if prepared.decided:
        (folder / DECISIONS).write_bytes(prepared.decided.file.data)
    return manifest


def _manifest(
    prepared: Prepared, options: TrainOptions, result: Result, notes: tuple[str, ...]
) -> dict[str, Any]:
    catalog, contract = prepared.catalog, result.trained.contract
    return {
        "candid_version": __version__,
        "recipe": options.recipe,
        "complete": result.trained.complete,
        "classes": list(catalog.classes),
        "pixels": {"size_px": contract.size_px, "fit": contract.fit, "key": contract.key},
        "threshold": options.threshold,
        "calibration": None,
        "abstention": None,
        "settings": dict(result.trained.settings),
        "prepared_with": {"backbone": options.backbone, "fit": options.fit},
        "data": {
            "folder": str(catalog.folder),
            "fingerprint": _fingerprint(prepared),
            "num_photos": len(catalog.photos),
            "num_pictures": prepared.groups.num_pictures,
            "notes": list(notes),
        },
        "decisions": prepared.decided.to_json() if prepared.decided else None,
        "metrics": result.evaluation.to_json(),
        "libraries": _library_versions(),
    }


def _fingerprint(prepared: Prepared) -> str:
    """SHA-256 of the contents with their classes, whatever the files are called."""
    lines = sorted(f"{photo.content} {photo.label}\n" for photo in prepared.catalog.photos)
    # A class is a folder, whose name need not be UTF-8.
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _library_versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _write_golden(
    file: Path,
    classifier: Classifier,
    prepared: Prepared,
    dealt: Split,
    tested: NDArray[np.float32],
) -> None:
    """Keep a few inputs and answers, after holding the graph against what was evaluated."""
    places = dealt.places("test")[:_NUM_GOLDEN]
    photos = [prepared.catalog.photos[place] for place in places]
    contract = classifier.contract
    pixels = np.stack([decode(read_file(prepared.catalog.file(p)), contract) for p in photos])
    outputs = classifier.run(pixels)
    difference = float(np.abs(outputs.probabilities - tested[: len(places)]).max())
    if difference > 1e-3:
        raise RuntimeError(f"the graph and the evaluation differ by {difference}: a fault of ours")
    with file.open("wb") as opened:
        np.savez_compressed(
            opened,
            allow_pickle=False,
            image=pixels,
            probabilities=outputs.probabilities,
            embedding=outputs.embedding,
        )


def _history_csv(history: Sequence[Mapping[str, float]]) -> str:
    text = io.StringIO()
    if history:
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    return text.getvalue()


def _predictions_csv(
    prepared: Prepared, dealt: Split, options: TrainOptions, result: Result
) -> str:
    """Every prediction that a figure rests on: the test part's, and the cross-validated ones."""
    classes = prepared.catalog.classes
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("estimate", "path", "class", "part", "label", *(f"p({name})" for name in classes))
    )
    sets = [("test", dealt.places("test"), result.tested)]
    if result.kfold is not None:
        sets.append(("kfold", dealt.places(*PARTS), result.kfold))
    for estimate, places, probabilities in sets:
        labels = decide(probabilities, options.threshold)
        for place, label, row in zip(places, labels, probabilities, strict=True):
            photo = dealt.rows[place]
            values = [f"{value:.6f}" for value in row]
            writer.writerow(
                (estimate, photo.path, photo.label, photo.part, classes[label], *values)
            )
    return text.getvalue()
