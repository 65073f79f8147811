"""A run, opened to be measured again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from candid.artifact import DECISIONS, GOLDEN, SPLIT, find_run
from candid.catalog import scan
from candid.classifier import Classifier, load
from candid.decisions import Applied, Decision, apply_decisions, read_decisions
from candid.file_reader import FileReader
from candid.manifest import Preparation
from candid.split import Split
from candid.split_file import read_csv


@dataclass(frozen=True)
class OpenedRun:
    """A run and how it came about.

    Attributes:
        folder: Where it is.
        classifier: Ready to predict.
        dealt: Where each photo went.
        trained_on: The data folder.
        decisions: What a person decided about the photos.
        seed: Dealt the photos and the folds.
        temperature: What scores are divided by.
        strength: Of the head's regularisation; None where the head is not linear.
        prepared_with: The backbone that found the copies, and how photos were made square.
    """

    folder: Path
    classifier: Classifier
    dealt: Split
    trained_on: Path
    decisions: tuple[Decision, ...]
    seed: int
    temperature: float
    strength: float | None
    prepared_with: Preparation

    def scan(self, reader: FileReader) -> Applied:
        """Its folder as it is now, seen as the run saw it: by the same decisions."""
        catalog = scan(self.trained_on, reader=reader)
        # a class may be gone by now to which photos were relabelled
        classes = {*catalog.classes, *self.classifier.classes} if self.decisions else ()
        known = replace(catalog, classes=tuple(sorted(classes)) or catalog.classes)
        return apply_decisions(known, self.decisions)


def open_run(run: str | Path) -> OpenedRun:
    """Open a run, after its model gave the answers that it gave when it was written.

    Raises:
        ArtifactError: It is not whole.
    """
    folder = find_run(run)
    classifier = load(folder)
    classifier.check_golden(folder / GOLDEN)
    manifest = classifier.require_manifest()
    return OpenedRun(
        folder,
        classifier,
        read_csv(folder / SPLIT),
        Path(manifest.data.folder),
        () if manifest.decisions is None else read_decisions(folder / DECISIONS),
        seed=manifest.settings.seed,
        temperature=manifest.calibration.temperature,
        strength=manifest.strength,
        prepared_with=manifest.prepared_with,
    )
