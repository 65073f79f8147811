"""What the report page and the model card show, before it is formatted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.evaluation import Evaluation
from candid.evaluation.scores import Predictions


@dataclass(frozen=True)
class Shortcut:
    """What the audit says of shortcuts: can the class be predicted without what the picture shows?

    Attributes:
        summary: One line on the traits of the file: its size, format, camera.
        findings: One line per finding on them.
        found: Whether these predict the class; else the check ran and found none, or see below.
        audit: The audit's folder, as typed in a command.
        traits: Names of the traits that were found: ``file size``.
        is_judged: Whether a person decided to keep all of them: that is what the class is.
        is_checked: Whether the check ran; else ``summary`` says why not.
        looks: One line per finding on colour and brightness, which may be the class itself.
    """

    summary: str
    findings: tuple[str, ...]
    found: bool
    audit: str
    traits: tuple[str, ...] = ()
    is_judged: bool = False
    is_checked: bool = True
    looks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """Everything that a report shows.

    Attributes:
        name: Name of the run.
        run: Its folder, as typed in a command.
        evaluation: All figures.
        predictions: The predictions behind the figures of the estimate to believe.
        heat_maps: By path, for some of the misclassified photos: float32 ``(h, w)``, what each
            place of the photo adds to the score of the predicted class minus that of the true
            one; positive where it supports the prediction.
        counts: By class, the number of photos and of different pictures (copies count once).
        folder: The data folder, or another source.
        options: What names its columns on a command line.
        recipe: ``transfer`` or ``cnn``.
        trained_on: Number of training photos.
        settings: Training settings as text, by name.
        fingerprints: Hashes of data, split, model and weights, by name.
        notes: Notes on the data for the reader.
        shortcut: Result of the audit's checks for shortcuts; None without an audit of this folder.
        created: The date, ``2026-11-24``.
        measured_on: How it was measured, if on photos from elsewhere: ``on other/photos``.
        page: File of the page, if that is not ``report.html`` in the run.
    """

    name: str
    run: str
    evaluation: Evaluation
    predictions: Predictions
    heat_maps: Mapping[str, NDArray[np.float32]]
    counts: Mapping[str, tuple[int, int]]
    folder: str
    recipe: str
    trained_on: int
    settings: Mapping[str, str]
    fingerprints: Mapping[str, str]
    notes: tuple[str, ...]
    shortcut: Shortcut | None
    created: str
    measured_on: str = ""
    options: tuple[str, ...] = ()
    page: str = ""
