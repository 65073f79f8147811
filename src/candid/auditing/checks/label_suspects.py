"""Photos whose label a model doubts that saw neither them nor a copy of them."""

from __future__ import annotations

import numpy as np

from candid.auditing.evidence import NOTHING_TO_LEARN, Evidence, Learnable
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.auditing.suspicion import Suspicion
from candid.decisions import class_as_decision
from candid.evaluation.figures import proportion
from candid.split import in_two_classes
from candid.wording import count


def run(evidence: Evidence) -> Outcome:
    """Rank the labels that confident learning takes for wrong; see `candid.auditing.suspicion`."""
    learnable, suspicion = evidence.learnable, evidence.suspicion
    if learnable is None or suspicion is None:
        return Outcome.not_applicable(NOTHING_TO_LEARN)
    if not _is_better_than_chance(suspicion, learnable):
        return Outcome.not_applicable("a model tells the classes apart no better than chance would")
    # A picture in two classes has a check of its own.
    data = learnable.data
    doubted = np.unique(data.units[suspicion.doubted & ~in_two_classes(data.labels, data.units)])
    if not len(doubted):
        return Outcome.clean()
    by_picture: dict[int, list[int]] = {}
    for row in np.argsort(suspicion.quality, kind="stable"):  # all copies, or they would differ
        if data.units[row] in doubted:
            by_picture.setdefault(int(data.units[row]), []).append(int(row))
    findings = [_finding(evidence, learnable, suspicion, rows) for rows in by_picture.values()]
    summary = f"{count(len(findings), 'picture')} may be in the wrong class"
    return Outcome.found(summary, findings)


def _is_better_than_chance(suspicion: Suspicion, learnable: Learnable) -> bool:
    """Whether what a model says of a label means anything: it learns more than which is largest."""
    data = learnable.data
    figure = proportion(suspicion.first.argmax(axis=1) == data.labels, data.units)
    return figure is not None and figure.low > np.bincount(data.labels).max() / len(data.labels)


def _finding(
    evidence: Evidence, learnable: Learnable, suspicion: Suspicion, rows: list[int]
) -> Finding:
    """A picture, with those of its copies that are doubted."""
    best = suspicion.probabilities[rows[0]].argmax()
    looks = learnable.classes[best]
    items = []
    for row in rows:
        photo = evidence.photos[learnable.places[row]]
        sure = suspicion.probabilities[row, best]
        items.append(
            Item(
                photo.path,
                f"labelled {photo.label}, looks {looks}, {_certainty(sure)}",
                class_as_decision(looks),
            )
        )
    return Finding(f"{items[0].path}: {items[0].note}", tuple(items))


def _certainty(probability: float) -> str:
    """Two digits; never a certainty."""
    return f"{min(probability, 0.99):.2f}" if probability < 0.995 else "over 0.99"


CHECK = Check(
    code="label-suspects",
    title="Labels to be doubted",
    severity=Severity.warning,
    remedy="Look at each, and write keep, drop or the right class into decisions.csv. The most "
    "doubtful come first; some of them will be right, for a model only knows what is usual.",
    run=run,
)
