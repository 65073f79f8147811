"""Takes the sample set through the commands, and shows that what was planted is found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from candid.auditing.audit import AuditOptions
from candid.auditing.files import PAGE, AuditRequest, WrittenAudit, run_audit
from candid.cli.demo.injected_defects import InjectedDefect
from candid.cli.demo.sample import SampleSet, draw_sample
from candid.core.progress import Progress
from candid.errors import DependencyError
from candid.runs.classifier import Classifier
from candid.runs.paths import RUNS
from candid.splits.prepare import Prepared, prepare
from candid.training import Run, train


def take_tour(folder: Path, *, seed: int, num_images: int, progress: Progress) -> Iterator[str]:
    """Draw, audit, train, measure and predict.

    Args:
        folder: Where the sample set is drawn.
        seed: What it is drawn from.
        num_images: How many faces there are.
        progress: Told how far it is.

    Yields:
        Lines for the terminal.
    """
    sample = draw_sample(folder, seed=seed, num_images=num_images)
    yield f"Drew {sample.num_images} faces and planted {len(sample.plants)} troubles in {folder}"
    audited = _audit(folder, progress)
    yield ""
    yield "What an audit says"
    yield from _audit_lines(audited)
    prepared = prepare(folder, progress=progress)
    run = train(folder, run=RUNS / "demo", overwrite=True, progress=progress)
    yield ""
    yield "What was planted, and what Candid made of it"
    yield from (f"  {line}" for line in _findings(sample, prepared, run))
    yield ""
    yield run.to_text()
    yield ""
    yield from _predictions(folder, run.classifier)
    yield ""
    yield "Where to look next"
    yield f"  the photos       {folder}/happy and {folder}/sad"
    if isinstance(audited, WrittenAudit):
        yield f"  the audit        {audited.folder}/{PAGE}"
    yield f"  the report       {run.folder}/report.html"
    yield f"  the split        {run.folder}/split.csv"
    yield f"  the curves       tensorboard --logdir {run.folder}/tensorboard"
    yield f"  your own photo   candid predict PHOTO --run {run.folder}"


def _audit(folder: Path, progress: Progress) -> WrittenAudit | DependencyError:
    """Audit and write it, or say which package is not there: the tour goes on without."""
    try:
        return run_audit(AuditRequest(folder, AuditOptions()), progress=progress)
    except DependencyError as error:
        return error


def _audit_lines(audited: WrittenAudit | DependencyError) -> Iterator[str]:
    if isinstance(audited, DependencyError):
        yield f"  skipped: {audited}"
        return
    for row in audited.audit.found:
        yield f"  {row.check.severity:<8} {row.check.title}: {row.outcome.summary}"


def _findings(sample: SampleSet, prepared: Prepared, run: Run) -> list[str]:
    lines = []
    for plant in sample.plants:
        finding = _find(plant, prepared, run)
        lines.append(f"{plant.path.as_posix():<28} {plant.kind.replace('_', ' '):<18} {finding}")
    return lines


def _find(plant: InjectedDefect, prepared: Prepared, run: Run) -> str:
    path = plant.path.as_posix()
    skipped = {row.path: row.reason for row in prepared.catalog.skipped}
    if path in skipped:
        return f"left out: {skipped[path]}"
    places = {photo.path: i for i, photo in enumerate(prepared.catalog.photos)}
    if plant.original is not None and plant.original.as_posix() in places:
        groups = prepared.groups.of_photo
        if groups[places[path]] == groups[places[plant.original.as_posix()]]:
            conflict = plant.path.parent != plant.original.parent
            kept = "in no part, as it is in two classes" if conflict else "kept in one part"
            return f"found: the same picture as {plant.original.as_posix()}; {kept}"
        return f"MISSED: it is the same picture as {plant.original.as_posix()}"
    if plant.kind == "wrong_label":
        return _say_of_label(plant, run)
    return _say_of(prepared.catalog.folder / path, run.classifier)


def _say_of_label(plant: InjectedDefect, run: Run) -> str:
    """What a model says that never saw the file: one that was trained on it has learnt its label.

    It is the cross-validated prediction that `candid train` leaves in ``predictions.csv``.
    """
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["path"] == plant.path.as_posix()]
    filed = plant.path.parent.name
    for row in rows:
        if row["estimate"] == "kfold":
            share = float(row[f"p({row['label']})"])
            says = f"filed as {filed}; a model that never saw it says {row['label']} ({share:.2f})"
            return says if row["label"] != filed else f"MISSED: {says}"
    return f"filed as {filed}; too few photos to ask a model that never saw it"


def _say_of(file: Path, classifier: Classifier) -> str:
    """What the model says of a planted file that it can read."""
    prediction = classifier.predict(file)
    if prediction.label is None:
        return f"left out: {prediction.reason}"
    says = f"{prediction.label} ({prediction.probabilities[prediction.label]:.2f})"
    return f"read and shown upright, in eight bits; the model says {says}"


def _predictions(folder: Path, classifier: Classifier) -> list[str]:
    files = [next(iter(sorted((folder / name).glob("face-*.jpg")))) for name in classifier.classes]
    predictions = classifier.predict(list(files))
    return ["Two predictions", *(f"  {p.source}: {p.label}" for p in predictions)]
