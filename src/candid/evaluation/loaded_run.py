"""A run on disk with all that measuring it again takes: its split, decisions and fitted state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.data.decisions import Applied, Decision, apply_decisions, read_decisions
from candid.data.file_reader import FileReader
from candid.data.scan import scan
from candid.data.source import DataSource
from candid.evaluation.assess import FittedState
from candid.evaluation.evaluation import Refits
from candid.evaluation.stored import read_answers
from candid.models.recipes.abstaining_head import Answers
from candid.runs.artifact import DECISIONS, GOLDEN, PREDICTIONS, SPLIT, find_run
from candid.runs.classifier import Classifier, load
from candid.runs.manifest import FinetuneSettings, Preparation
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
    trained_on: DataSource
    decisions: tuple[Decision, ...]
    seed: int
    fitted: FittedState
    prepared_with: Preparation

    @property
    def refits(self) -> Refits | None:
        """How it was cross-validated, if that takes minutes."""
        settings = self.classifier.require_manifest().settings
        if not isinstance(settings, FinetuneSettings):
            return None
        return Refits(settings.folds, settings.num_folds)

    def held_out(self, paths: Sequence[str]) -> tuple[NDArray[np.int64], Answers]:
        """The answers of its cross-validation, from ``predictions.csv``.

        Args:
            paths: Of the photos that are measured; others are left out.

        Returns:
            Indices of paths, ascending, and their answers.
        """
        places = {path: place for place, path in enumerate(paths)}
        read, _, answers = read_answers(
            self.folder / PREDICTIONS, self.classifier.classes, self.fitted.temperature, "kfold"
        )
        found = np.array([places.get(path, -1) for path in read], np.int64)
        order = np.argsort(found, kind="stable")[(found < 0).sum() :]
        return found[order], answers.take(order)

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
        manifest.data.source,
        () if manifest.decisions is None else read_decisions(folder / DECISIONS),
        seed=manifest.settings.seed,
        fitted=FittedState(
            manifest.calibration.temperature, classifier.abstention, manifest.strength
        ),
        prepared_with=manifest.prepared_with,
    )
