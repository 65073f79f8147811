"""Runs the commands on the sample set, and reports how each injected defect was handled."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from candid.auditing.audit import AuditOptions
from candid.auditing.files import run_audit
from candid.auditing.result import PAGE
from candid.cli.demo.injected_defects import InjectedDefect
from candid.cli.demo.sample import draw_sample
from candid.core.progress import Progress
from candid.data.location import PhotoFile
from candid.errors import DependencyError
from candid.runs.classifier import Classifier
from candid.runs.paths import RUNS
from candid.splits.prepare import Prepared, prepare
from candid.training import Run, train


def take_tour(folder: Path, *, seed: int, num_images: int, progress: Progress) -> Iterator[str]:
    """Draw, audit, train, evaluate and predict.

    Args:
        folder: Folder for the sample set.
        seed: Its random seed.
        num_images: Number of faces.
        progress: Progress callback.

    Yields:
        Lines for the terminal.
    """
    sample = draw_sample(folder, seed=seed, num_images=num_images)
    yield f"Drew {sample.num_images} faces and injected {len(sample.defects)} defects in {folder}"
    yield ""
    yield "Audit findings"
    audit_line = None
    try:
        written = run_audit(folder, AuditOptions(), progress=progress)
    except DependencyError as error:
        yield f"  skipped: {error}"
    else:
        audit_line = f"  the audit        {written.folder}/{PAGE}"
        for row in written.audit.found:
            yield f"  {row.check.severity:<8} {row.check.title}: {row.outcome.summary}"
    prepared = prepare(folder, progress=progress)
    run = train(folder, run=RUNS / "demo", overwrite=True, progress=progress)
    yield ""
    yield "Injected defects, and how each was handled"
    for defect in sample.defects:
        outcome = _outcome_of(defect, prepared, run)
        yield f"  {defect.path.as_posix():<28} {defect.kind.replace('_', ' '):<18} {outcome}"
    yield ""
    yield run.to_text()
    yield ""
    yield "Two predictions"
    for name in run.classifier.classes:
        prediction = run.classifier.predict(min((folder / name).glob("face-*.jpg")))
        yield f"  {prediction.source}: {prediction.label}"
    yield ""
    yield "Where to look next"
    yield f"  the photos       {folder}/happy and {folder}/sad"
    if audit_line:
        yield audit_line
    yield f"  the report       {run.folder}/report.html"
    yield f"  the split        {run.folder}/split.csv"
    yield f"  the curves       tensorboard --logdir {run.folder}/tensorboard"
    yield f"  your own photo   candid predict PHOTO --run {run.folder}"


def _outcome_of(defect: InjectedDefect, prepared: Prepared, run: Run) -> str:
    path = defect.path.as_posix()
    skipped = {row.path: row.reason for row in prepared.catalog.skipped}
    if path in skipped:
        return f"left out: {skipped[path]}"
    places = {photo.path: i for i, photo in enumerate(prepared.catalog.photos)}
    original = defect.original and defect.original.as_posix()
    if original in places:
        groups = prepared.groups.of_photo
        if groups[places[path]] != groups[places[original]]:
            return f"MISSED: it is the same picture as {original}"
        in_two_classes = defect.path.parent != Path(original).parent
        kept = "in no part, as it is in two classes" if in_two_classes else "kept in one part"
        return f"found: the same picture as {original}; {kept}"
    if defect.kind == "wrong_label":
        return _wrong_label_outcome(defect, run)
    return _predicted_outcome(prepared.catalog.find(path), run.classifier)


def _wrong_label_outcome(defect: InjectedDefect, run: Run) -> str:
    """The cross-validated prediction, by a model that was not trained on the file."""
    path, folder = defect.path.as_posix(), defect.path.parent.name
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["path"] == path and row["estimate"] == "kfold":
                share = float(row[f"p({row['label']})"])
                outcome = (
                    f"filed as {folder}; cross-validation predicts {row['label']} ({share:.2f})"
                )
                return outcome if row["label"] != folder else f"MISSED: {outcome}"
    return f"filed as {folder}; too few photos for cross-validation"


def _predicted_outcome(file: PhotoFile | None, classifier: Classifier) -> str:
    assert file is not None
    prediction = classifier.predict(file)
    if prediction.label is None:
        return f"left out: {prediction.reason}"
    share = prediction.probability
    return f"read upright, in 8 bits; predicted as {prediction.label} ({share:.2f})"
