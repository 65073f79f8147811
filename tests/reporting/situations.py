"""Made-up situations, measured by the real functions on made-up embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.auditing.audit import run_checks
from candid.auditing.checks import ALL
from candid.auditing.evidence import Evidence
from candid.core.progress import Silent
from candid.evaluation.assess import EvalContext, FittedState, assess
from candid.features.extract import NUM_COLOURS
from candid.features.properties import Properties
from candid.models.decision_rule import DecisionRule
from candid.models.recipes.abstaining_head import fit_abstaining
from candid.reporting.report.contents import Contents, Shortcut
from candid.splits.prepare import Prepared, SplitOptions, split_prepared
from candid.training.report import read_shortcut
from tests.auditing.made import PROPERTIES, make_audit, make_evidence

NUM_AXES = 48


@dataclass(frozen=True)
class Situation:
    """A set of photos and how its classes differ.

    Attributes:
        counts: Number of photos by class.
        signal: By class, how far it is from the others; of 0, it is like any other such class.
        nuisance: How much more some axes vary that have nothing to do with the class.
        copies: Every so many photos are a copy of the one before; 0 for none.
        rule: How a class is chosen.
        sizes: By class, the mean size of the files, in bytes; the same for all by default.
        audited: Whether an audit of the photos was made.
        kept: Whether a person has kept the traits of the files that tell the class.
    """

    counts: dict[str, int]
    signal: float | dict[str, float] = 4.0
    nuisance: float = 1.0
    copies: int = 0
    rule: DecisionRule = field(default_factory=DecisionRule)
    sizes: dict[str, int] = field(default_factory=dict)
    audited: bool = True
    kept: bool = False

    @property
    def labels(self) -> list[str]:
        return [name for name, count in self.counts.items() for _ in range(count)]


TWO = {"happy": 40, "sad": 40}
SITUATIONS: dict[str, Callable[[], Situation]] = {
    "perfect": lambda: Situation({"happy": 30, "sad": 30}, 13.0, nuisance=9.0),
    "hopeless": lambda: Situation({"happy": 90, "sad": 90}, 0.0),
    "tiny": lambda: Situation({"happy": 10, "sad": 10}, 3.0),
    "unbalanced": lambda: Situation({"common": 300, "rare": 12}, 3.0),
    "one class trivial": lambda: Situation(
        {"apple": 50, "pear": 50, "x-ray": 50}, {"apple": 0.0, "pear": 0.0, "x-ray": 12.0}
    ),
    "costs": lambda: Situation(TWO, rule=DecisionRule(costs={("sad", "happy"): 60.0})),
    "no audit": lambda: Situation(TWO, audited=False),
    "audit with findings": lambda: Situation(TWO, sizes={"happy": 60_000, "sad": 30_000}),
    "findings kept": lambda: Situation(TWO, sizes={"happy": 60_000, "sad": 30_000}, kept=True),
    "40 classes": lambda: Situation({f"class {i:02}": 8 for i in range(40)}, 5.0),
    "no copies": lambda: Situation(TWO),
    "copies": lambda: Situation(TWO, 3.0, copies=2),
}


@cache
def contents_of(name: str) -> Contents:
    """What the report of a situation shows."""
    situation = SITUATIONS[name]()
    evidence = _evidence(situation)
    prepared = Prepared(evidence.features, evidence.groups, evidence.scanned)
    split = split_prepared(prepared, SplitOptions(seed=0))
    context = EvalContext(evidence.features, split, situation.rule, 0)
    head = fit_abstaining(context.data.take(split.places("train", "val")))
    answers = head.answer(evidence.features.embeddings[split.places("test")])
    fitted = FittedState(head.temperature, head.abstention, head.raw.strength)
    assessed = assess(context, answers, fitted, progress=Silent())
    pictures = {
        label: len({int(g) for g in evidence.groups.of_photo[evidence.labels == number]})
        for number, label in enumerate(evidence.classes)
    }
    return Contents(
        name="faces",
        run="runs/faces",
        evaluation=assessed.evaluation,
        predictions=assessed.believed,
        heat_maps={},
        counts={label: (count, pictures[label]) for label, count in situation.counts.items()},
        folder="data/faces",
        recipe="transfer",
        trained_on=len(split.places("train", "val")),
        settings={},
        fingerprints={},
        notes=split.notes,
        shortcut=_shortcut(situation, evidence),
        created="2026-11-24",
    )


def _evidence(situation: Situation) -> Evidence:
    labels = situation.labels
    rng = np.random.default_rng(3)
    properties = [_file_of(situation.sizes.get(label, 0), rng) for label in labels]
    embeddings = _embeddings(situation, labels, rng)
    pictures = list(range(len(labels)))
    for place in range(1, len(labels) if situation.copies else 0, situation.copies or 1):
        if labels[place] == labels[place - 1]:
            pictures[place] = pictures[place - 1]
            embeddings[place] = embeddings[place - 1] + 0.05 * rng.normal(size=NUM_AXES)
    evidence = make_evidence(
        labels, embeddings=embeddings, properties=properties, pictures=pictures
    )
    colours = rng.normal(size=(len(labels), NUM_COLOURS)).astype(np.float32)
    return replace(evidence, features=replace(evidence.features, colours=colours))


def _embeddings(
    situation: Situation, labels: Sequence[str], rng: np.random.Generator
) -> NDArray[np.float32]:
    signal = situation.signal
    classes = sorted(situation.counts)
    rows = rng.normal(size=(len(labels), NUM_AXES))
    rows[:, -6:] *= situation.nuisance
    for place, label in enumerate(labels):
        by = signal[label] if isinstance(signal, dict) else signal
        rows[place, classes.index(label)] += by
    return rows.astype(np.float32)


def _file_of(size: int, rng: np.random.Generator) -> Properties:
    return replace(PROPERTIES, num_bytes=int(rng.normal(size or 40_000, 5e3)))


def _shortcut(situation: Situation, evidence: Evidence) -> Shortcut | None:
    if not situation.audited:
        return None
    checks = [check for check in ALL if check.code in ("shortcuts", "brightness-and-colour")]
    checked = run_checks(evidence, checks, (), (), Silent())
    kept = {
        (finding.about, "", row.check.code)
        for row in checked
        for finding in row.outcome.findings
        if situation.kept
    }
    checked = run_checks(evidence, checks, (), kept, Silent())
    return read_shortcut(make_audit(*checked).to_json(), Path("runs/faces-audit-1"))
