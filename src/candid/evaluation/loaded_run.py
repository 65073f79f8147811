"""A run on disk with all that measuring it again takes: its split, decisions and fitted state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from candid.data.catalog import scan
from candid.data.decisions import Applied, Decision, apply_decisions, read_decisions
from candid.data.file_reader import FileReader
from candid.evaluation.assess import FittedState
from candid.runs.artifact import DECISIONS, GOLDEN, SPLIT, find_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import Preparation
from candid.splits.split import Split, read_csv


@dataclass(frozen=True)
class LoadedRun:
    """A run read from disk.

    Attributes:
        trained_on: The data folder.
        seed: Random seed of the split and the folds.
        prepared_with: The backbone that found the copies, and the resize mode.
    """

    folder: Path
    classifier: Classifier
    split: Split
    trained_on: Path
    decisions: tuple[Decision, ...]
    seed: int
    fitted: FittedState
    prepared_with: Preparation

    def scan(self, reader: FileReader) -> Applied:
        """Scan its data folder as it is now, and apply its decisions."""
        catalog = scan(self.trained_on, reader=reader)
        # A class to which photos were relabelled may have no folder any more.
        classes = {*catalog.classes, *self.classifier.classes} if self.decisions else ()
        known = replace(catalog, classes=tuple(sorted(classes)) or catalog.classes)
        return apply_decisions(known, self.decisions)


def load_run(run: str | Path) -> LoadedRun:
    """Load a run, and check that its model reproduces its stored answers.

    Raises:
        ArtifactError: The run is incomplete or was changed.
    """
    folder = find_run(run)
    classifier = load(folder)
    classifier.check_golden(folder / GOLDEN)
    manifest = classifier.require_manifest()
    return LoadedRun(
        folder,
        classifier,
        replace(read_csv(folder / SPLIT), own=manifest.data.own_parts),
        Path(manifest.data.folder),
        () if manifest.decisions is None else read_decisions(folder / DECISIONS),
        seed=manifest.settings.seed,
        fitted=FittedState(
            manifest.calibration.temperature, classifier.abstention, manifest.strength
        ),
        prepared_with=manifest.prepared_with,
    )
