"""How good a run is, as JSON values for the screens: what its report begins with."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from candid.evaluation.learning_curve import LearningCurve
from candid.evaluation.measures import MOST_IN_MATRIX, worst_pairs
from candid.evaluation.stored import StoredRun
from candid.reporting.report.advice import advise, enough, tell_curve
from candid.reporting.report.answer import describe_task, statements
from candid.studio.judgements import FoundRun, Judgements
from candid.studio.project import Project
from candid.studio.trainings import labels_of
from candid.training.report import gather_stored

REPORT: Final = "report.html"


def describe_run(run: FoundRun) -> dict[str, Any]:
    """A run in a list: its data, recipe and figures, as its manifest has them."""
    values = run.values
    data, metrics = values["data"], values.get("metrics") or {}
    figures = (metrics.get("kfold") if metrics.get("believe") == "kfold" else metrics) or {}
    return {
        "number": run.number,
        "name": run.folder.name,
        "folder": str(run.folder),
        "has_report": (run.folder / REPORT).is_file(),
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
        "curve": _curve(stored.evaluation.learning_curve),
        "steps": [asdict(step) for step in advise(contents)],
        "confusion": _confusion(stored),
        "answering": _answering(judgements, run),
        "since": _since(project, decided, stored),
    }


def _curve(curve: LearningCurve | None) -> dict[str, Any] | None:
    """The learning curve: a sentence, what was measured, and the line through it and beyond."""
    if curve is None:
        return None
    return {
        "text": tell_curve(curve),
        "points": [asdict(point) for point in curve.points],
        "line": curve.curve,
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


def _answering(judgements: Judgements, run: FoundRun) -> dict[str, Any]:
    """What answering less often brings: steps, and the photos from the surest on.

    A photo that is gone has no number: its place is -1.
    """
    stored = judgements.read(run)
    predictions = stored.predictions
    order, steps = judgements.answering(run)
    contents = {row.path: row.content for row in stored.split.rows}
    numbers = judgements.locate([(path, contents[path]) for path in predictions.paths])
    right = predictions.predicted == predictions.truth
    return {
        "num_sure": int((stored.verdicts == "sure").sum()),
        "steps": [asdict(step) for step in steps],
        "photos": [numbers[place] for place in order],
        "right": right[order].tolist(),
    }


def _since(project: Project, decided: Mapping[int, str], stored: StoredRun) -> dict[str, int]:
    """How many photos were added, removed and given another class since it was trained.

    Nothing is counted before it is known which photos can be read.
    """
    with project.lock:
        if project.features is None:
            return _changes([], [])
        labels = labels_of(project, decided)
        now = [(project.photos[number].content, label) for number, label in labels.items()]
    return _changes(_trained_with(stored), now)


def changes_between(earlier: StoredRun, later: StoredRun) -> dict[str, int]:
    """How many photos the later run has more and less, and with another class."""
    return _changes(_trained_with(earlier), _trained_with(later))


def _trained_with(stored: StoredRun) -> list[tuple[str, str]]:
    """Content and class of the photos of a run."""
    return [(row.content, row.label) for row in stored.split.rows if row.group]


def _changes(before: Iterable[tuple[str, str]], after: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Equal files are counted one by one, and may be in several classes."""
    first, second = _by_content(before), _by_content(after)
    found = Counter[str]()
    for content in first.keys() | second.keys():
        gone = first[content] - second[content]
        come = second[content] - first[content]
        moved = min(gone.total(), come.total())
        found["relabelled"] += moved
        found["removed"] += gone.total() - moved
        found["added"] += come.total() - moved
    return {name: found[name] for name in ("added", "removed", "relabelled")}


def _by_content(photos: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """How many photos of each class have each content."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for content, label in photos:
        found[content][label] += 1
    return found
