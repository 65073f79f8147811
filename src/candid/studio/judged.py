"""How good a run is, as JSON values for the screens: what its report begins with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from candid.evaluation.measures import MOST_IN_MATRIX, worst_pairs
from candid.evaluation.reliability import measure_answering
from candid.evaluation.stored import StoredRun
from candid.reporting.report.advice import advise, enough
from candid.reporting.report.answer import describe_task, statements
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.project import Project
from candid.training.report import gather_stored


def describe_run(run: FoundRun) -> dict[str, Any]:
    """A run in a list: its data, recipe and figures, as its manifest has them."""
    values = run.values
    data, metrics = values["data"], values.get("metrics") or {}
    figures = (metrics.get("kfold") if metrics.get("believe") == "kfold" else metrics) or {}
    return {
        "number": run.number,
        "name": run.folder.name,
        "folder": str(run.folder),
        "created": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.stamp / 1e9)),
        "recipe": values.get("recipe", ""),
        "classes": values["classes"],
        "num_photos": data.get("num_photos"),
        "num_pictures": data.get("num_pictures"),
        "decisions": values.get("decisions"),
        "accuracy": figures.get("accuracy"),
        "balanced_accuracy": figures.get("balanced_accuracy"),
    }


def judge_run(
    project: Project, decided: Mapping[int, str], judgements: Judgements, run: FoundRun
) -> dict[str, Any]:
    """All that the screen shows of a run.

    Raises:
        ArtifactError: It is incomplete or was changed.
    """
    stored = judgements.read(run)
    contents = gather_stored(stored)
    accuracy = stored.evaluation.believed.accuracy
    return {
        "task": describe_task(stored.manifest.classes),
        "accuracy": None if accuracy is None else asdict(accuracy),
        "statements": [asdict(one) for one in statements(contents)],
        "enough": asdict(enough(contents)),
        "steps": [asdict(step) for step in advise(contents)],
        "confusion": _confusion(stored),
        "answering": _answering(judgements, stored),
        "since": _since(project, decided, stored),
    }


def _confusion(stored: StoredRun) -> dict[str, Any]:
    """The matrix, or of many classes the most frequent mistakes."""
    confusion, classes = stored.evaluation.believed.confusion, stored.manifest.classes
    return {
        "rows": confusion.tolist() if len(classes) <= MOST_IN_MATRIX else [],
        "pairs": [
            {"true": classes[i], "guess": classes[j], "count": int(confusion[i, j])}
            for i, j in worst_pairs(confusion)
        ],
    }


def _answering(judgements: Judgements, stored: StoredRun) -> dict[str, Any]:
    """What answering less often brings: steps, and the photos from the surest on.

    A photo that is gone has no number: its place is -1.
    """
    predictions = stored.predictions
    order, steps = measure_answering(predictions, stored.verdicts)
    contents = {row.path: row.content for row in stored.split.rows}
    found = [contents[path] for path in predictions.paths]
    numbers = judgements.numbers_of(set(found))
    right = predictions.predicted == predictions.truth
    return {
        "num_sure": int((stored.verdicts == "sure").sum()),
        "steps": [asdict(step) for step in steps],
        "photos": [numbers.get(found[place], -1) for place in order],
        "right": right[order].tolist(),
    }


def _since(project: Project, decided: Mapping[int, str], stored: StoredRun) -> dict[str, int]:
    """How many photos were added, removed and given another class since it was trained."""
    before = {row.content: row.label for row in stored.split.rows if row.content}
    with project.lock:
        words = (
            (project.photos[number], decided.get(number, "keep")) for number in project.present
        )
        now = {
            photo.content: photo.label if word == "keep" else word
            for photo, word in words
            if word != "drop" and (photo.label or word != "keep")
        }
    return {
        "added": len(now.keys() - before.keys()),
        "removed": len(before.keys() - now.keys()),
        "relabelled": sum(now[content] != before[content] for content in now.keys() & before),
    }
