"""What a report shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.evaluation import Evaluation
from candid.evaluation.scores import Predictions


@dataclass(frozen=True)
class Shortcut:
    """What the last audit of the folder says of classes told by the file, not by the picture.

    Attributes:
        summary: One line.
        findings: A line each.
        found: Whether it is a finding; else the audit looked and found nothing.
        audit: The audit's folder, as a person would type it.
    """

    summary: str
    findings: tuple[str, ...]
    found: bool
    audit: str


@dataclass(frozen=True)
class Contents:
    """What a report shows.

    Attributes:
        name: The run's name.
        run: Its folder, as a person would type it.
        evaluation: Every figure.
        predictions: What the figures of the estimate to believe rest on.
        heat_maps: By path, for some of the photos that were mistaken: float32 ``(h, w)``, what each
            place of the picture adds to the score of the class that was answered, beyond the true
            one's; positive where it speaks for the answer.
        counts: By class, how many photos it has and how many different pictures these show.
        folder: The data folder.
        recipe: ``transfer`` or ``cnn``.
        trained_on: How many photos the model learnt from.
        settings: What was chosen, by name, as text.
        fingerprints: Of data, split, model and weights, by name.
        notes: What a person should know of the data.
        shortcut: What an audit says of shortcuts; None where there is no audit of this folder.
        created: The date, ``2026-11-24``.
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
