"""What a run's files say of its photos, read back without its model."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.safe_json import read_object, to_json
from candid.errors import ArtifactError
from candid.evaluation.estimate import EstimateSource
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.scores import Predictions
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.models.recipes.abstaining_head import Answers
from candid.models.temperature import with_temperature
from candid.runs.artifact import METRICS, PREDICTIONS, SPLIT, find_run, read_manifest
from candid.runs.class_names import split_classes
from candid.runs.manifest import Manifest
from candid.splits.split import Split, read_csv


@dataclass(frozen=True)
class StoredRun:
    """A run's figures, and the held-out predictions that they are computed from.

    Attributes:
        predictions: Those of the estimate to believe.
        verdicts: ``(n,)`` text, the verdict on each of these; empty if the model can't abstain.
    """

    folder: Path
    manifest: Manifest
    split: Split
    evaluation: Evaluation
    predictions: Predictions
    verdicts: NDArray[np.str_]


def read_stored(run: str | Path) -> StoredRun:
    """Read a run's figures and predictions.

    Raises:
        ArtifactError: The run is incomplete or was changed.
        SplitError: Its split can't be read.
    """
    folder = find_run(run)
    manifest = read_manifest(folder)
    split = replace(read_csv(folder / SPLIT), own=manifest.data.own_parts)
    rule = DecisionRule.from_json(to_json(manifest.rule))
    file = folder / METRICS
    try:
        evaluation = Evaluation.from_json(read_object(file), manifest.classes, rule)
        values = to_json(manifest.abstention)
        abstention = values and Abstention.from_json(values, len(manifest.classes))
        file = folder / PREDICTIONS
        predictions = _predictions(file, manifest, split, evaluation.believe)
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); train again.") from error
    verdicts = np.full(len(predictions.truth), "", "<U9")
    possible, familiarity = predictions.possible, predictions.familiarity
    if abstention is not None and possible is not None and familiarity is not None:
        named = abstention.verdicts(possible, familiarity, predictions.predicted)
        verdicts = np.array(named, "<U9")
    return StoredRun(folder, manifest, split, evaluation, predictions, verdicts)


def _predictions(
    file: Path, manifest: Manifest, split: Split, estimate: EstimateSource
) -> Predictions:
    classes, temperature = manifest.classes, manifest.calibration.temperature
    paths, labels, answers = read_answers(file, classes, temperature, estimate)
    rows = {row.path: row for row in split.rows}
    numbers = {name: number for number, name in enumerate(classes)}
    groups = np.unique([rows[path].group for path in paths], return_inverse=True)[1]
    return Predictions(
        paths,
        np.array([numbers[rows[path].label] for path in paths], np.int64),
        groups.astype(np.int64),
        np.array([numbers[label] for label in labels], np.int64),
        **vars(answers),
    )


def read_answers(
    file: Path, classes: tuple[str, ...], temperature: float, estimate: EstimateSource
) -> tuple[tuple[str, ...], tuple[str, ...], Answers]:
    """Read the answers of one estimate from ``predictions.csv``.

    Returns:
        Paths, predicted classes and answers, in the order of the file.

    Raises:
        KeyError: A column is missing; or OSError, IndexError or ValueError.
    """
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream)
        place = {name: column for column, name in enumerate(next(reader))}
        rows = [row for row in reader if row[place["estimate"]] == estimate]
    columns = [place[f"p({name})"] for name in classes]
    probabilities = np.array([[row[c] for c in columns] for row in rows], np.float32)
    probabilities = probabilities.reshape(-1, len(classes))
    raw = with_temperature(probabilities, 1 / temperature)
    paths, labels, possible, familiarity = (
        tuple(row[place[name]] for row in rows)
        for name in ("path", "label", "possible", "familiarity")
    )
    if not all(familiarity):  # too few photos to hold some out again
        return paths, labels, Answers(probabilities, raw, None, None)
    known = [split_classes(names) for names in possible]
    sets = np.array([[name in names for name in classes] for names in known], np.bool_)
    return (
        paths,
        labels,
        Answers(
            probabilities,
            raw,
            sets.reshape(-1, len(classes)),
            np.array(familiarity, np.float32),
        ),
    )
