"""Pictures unlike all others: a photo that strayed in, a screenshot, a scan of the wrong page.

Photos whose label a model doubts that saw neither them nor a copy of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import NOTHING_TO_LEARN, Evidence, Learnable
from candid.auditing.finding import (
    Check,
    Finding,
    Item,
    Notable,
    Outcome,
    Severity,
    by_picture,
    mostly_in,
)
from candid.auditing.label_errors import LabelErrors
from candid.core.linalg import matmul
from candid.core.text import plural, plural_are
from candid.data.decisions import class_as_decision
from candid.evaluation.estimate import proportion
from candid.splits.split import in_two_classes


def _run_label_suspects(evidence: Evidence) -> Outcome:
    """Rank the labels that confident learning doubts; see `candid.auditing.label_errors`."""
    learnable, suspicion = evidence.learnable, evidence.suspicion
    if learnable is None or suspicion is None:
        return Outcome.not_applicable(NOTHING_TO_LEARN)
    if not _is_better_than_chance(suspicion, learnable):
        return Outcome.not_applicable("a model tells the classes apart no better than chance would")
    # A picture in two classes has a check of its own.
    data = learnable.data
    doubted = np.unique(data.groups[suspicion.doubted & ~in_two_classes(data.labels, data.groups)])
    if not len(doubted):
        return Outcome.clean()
    by_picture: dict[int, list[int]] = {}
    for row in np.argsort(suspicion.quality, kind="stable"):  # all copies, or they would differ
        if data.groups[row] in doubted:
            by_picture.setdefault(int(data.groups[row]), []).append(int(row))
    findings = [_finding(evidence, learnable, suspicion, rows) for rows in by_picture.values()]
    summary = f"{plural(len(findings), 'picture')} may be in the wrong class"
    return Outcome.found(summary, findings)


def _is_better_than_chance(suspicion: LabelErrors, learnable: Learnable) -> bool:
    """Whether what a model says of a label means anything: it learns more than which is largest."""
    data = learnable.data
    figure = proportion(suspicion.first.argmax(axis=1) == data.labels, data.groups)
    return figure is not None and figure.low > np.bincount(data.labels).max() / len(data.labels)


def _finding(
    evidence: Evidence, learnable: Learnable, suspicion: LabelErrors, rows: list[int]
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


LABEL_SUSPECTS = Check(
    code="label-suspects",
    title="Labels to be doubted",
    severity=Severity.warning,
    remedy="Look at each, and write keep, drop or the right class into decisions.csv. The most "
    "doubtful come first; some of them will be right, for a model only knows what is usual.",
    run=_run_label_suspects,
)


#: Of fewer pictures nobody can say what is usual.
MIN_PICTURES: Final = 20
#: The neighbour whose distance counts, so that as many strays that are alike are still strays.
NUM_NEIGHBOURS: Final = 20
#: Distances this far above the median, by the spread that a normal distribution would have.
MAX_SPREADS: Final = 2.5
#: What a stray's distance is at least, in cosine distance, and in medians. Nearer pictures are but
#: the least alike of look-alikes, of which there are some in every folder.
MIN_DISTANCE: Final = 0.3
MIN_MEDIANS: Final = 1.25
#: What is named at most, of all pictures; more can't be the exception.
MAX_SHARE: Final = 0.02
_ALWAYS_NAMED = 3  # in a small folder

_MOST_REFERENCES = 10_000  # beyond, neighbours are looked for among as many
_LEAST_NEIGHBOURS = 5
_MAX_PRODUCTS = 10_000_000  # in memory at a time
_NORMAL = 1.4826  # standard deviations of a normal distribution in a median absolute deviation


def _run_outliers(evidence: Evidence) -> Outcome:
    """Name the pictures that are far from all others, the farthest first."""
    pictures = evidence.pictures
    if len(pictures) < MIN_PICTURES:
        return Outcome.not_applicable(f"there are fewer than {MIN_PICTURES} different pictures")
    # Each picture is looked at by one of its photos; which one, and their order, is by content.
    contents = [photo.content for photo in evidence.photos]
    chosen = sorted(
        (min(places, key=contents.__getitem__) for places in pictures), key=contents.__getitem__
    )
    distances = neighbour_distances(evidence.features.embeddings, np.array(chosen, np.int64))
    far = stand_out(distances)
    if not len(far):
        return Outcome.clean()
    usual = float(np.median(distances))
    places_of = {place: places for places in pictures for place in places}
    notable = [
        Notable(
            place,
            f"{distances[row]:.2f} away from its like, where {usual:.2f} is usual",
            float(distances[row]),
        )
        for row in far
        for place in places_of[chosen[row]]
    ]
    where = mostly_in(evidence, [chosen[row] for row in far])
    summary = f"{plural_are(len(far), 'picture')} unlike all others{where}"
    return Outcome.found(summary, by_picture(evidence, notable))


def neighbour_distances(
    embeddings: NDArray[np.float32], chosen: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosine distance of pictures to the 20th most alike (Ramaswamy, Rastogi and Shim, 2000).

    In embeddings, distances to neighbours tell strays apart as well as any method (Kuan and
    Mueller, 2022). Beyond 10,000 pictures, neighbours are looked for among the first 10,000, and
    the one that counts is of a lower number accordingly; so the cost grows linearly.

    Args:
        embeddings: float32 ``(n, d)``, of the photos.
        chosen: int64 ``(m,)``, places of one photo of each picture, in random order.

    Returns:
        float32 ``(m,)``, 0 to 2.
    """
    references = _unit(embeddings[chosen[:_MOST_REFERENCES]])
    neighbour = round(NUM_NEIGHBOURS * len(references) / len(chosen))
    neighbour = min(max(_LEAST_NEIGHBOURS, neighbour), len(references) // 4)
    distances = np.empty(len(chosen), np.float32)
    block = max(1, _MAX_PRODUCTS // len(references))
    for start in range(0, len(chosen), block):
        rows = _unit(embeddings[chosen[start : start + block]])
        products = matmul(rows, references.T)
        own = np.arange(start, min(start + block, len(references)))
        products[own - start, own] = -np.inf
        products.partition(-neighbour, axis=1)
        distances[start : start + block] = 1 - products[:, -neighbour]
    return np.maximum(distances, 0)


def stand_out(distances: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places of the distances that are far above the others, the largest first.

    Distances are skewed, their logarithms much less so; the spread of these is taken from their
    median absolute deviation, which strays don't move (Iglewicz and Hoaglin, 1993).
    """
    logarithms = np.log(np.maximum(distances, 1e-6))
    middle = float(np.median(logarithms))
    spread = _NORMAL * float(np.median(np.abs(logarithms - middle)))
    least = max(np.exp(middle + MAX_SPREADS * spread), MIN_MEDIANS * np.exp(middle), MIN_DISTANCE)
    most = max(_ALWAYS_NAMED, int(MAX_SHARE * len(distances)))
    ranked = np.argsort(-distances, kind="stable")[:most]
    return np.asarray(ranked[distances[ranked] > least], np.int64)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, 1e-12), np.float32)


OUTLIERS = Check(
    code="outliers",
    title="Pictures unlike all others",
    severity=Severity.info,
    remedy="Look whether they belong here, and write drop beside those that don't. What is rare "
    "but right is worth keeping: it is what a model knows least.",
    run=_run_outliers,
)
