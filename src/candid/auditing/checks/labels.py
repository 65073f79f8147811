"""Checks by embeddings: label errors and outliers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.auditing.evidence import NOT_TRAINABLE, Evidence, TrainableSubset
from candid.auditing.finding import (
    Check,
    Finding,
    FlaggedPhoto,
    Item,
    Outcome,
    Severity,
    group_by_picture,
    name_dominant_class,
)
from candid.auditing.label_errors import LabelErrors
from candid.core.linalg import matmul
from candid.core.stored_rows import ManyRows
from candid.core.text import plural, plural_are
from candid.data.decisions import class_as_decision
from candid.evaluation.estimate import proportion
from candid.splits.grouped_split import Labelled
from candid.splits.neighbours import Rows
from candid.splits.split import in_two_classes


def _run_label_suspects(evidence: Evidence) -> Outcome:
    """Report labels flagged by confident learning; see `candid.auditing.label_errors`."""
    subset, errors = evidence.trainable, evidence.label_errors
    if subset is None or errors is None:
        return Outcome.not_applicable(NOT_TRAINABLE)
    data = subset.data
    if reason := _why_not_learnt(data, errors):
        return Outcome.not_applicable(reason)
    # Pictures in two classes have a check of their own.
    flagged = np.unique(data.groups[errors.flagged & ~in_two_classes(data.labels, data.groups)])
    by_picture: dict[int, list[int]] = {}
    for row in np.argsort(errors.quality, kind="stable"):
        if data.groups[row] in flagged:  # with all copies, whose labels would differ otherwise
            by_picture.setdefault(int(data.groups[row]), []).append(int(row))
    findings = [_suspect(evidence, subset, errors, rows) for rows in by_picture.values()]
    summary = f"{plural(len(findings), 'picture')} may be in the wrong class"
    return Outcome.from_findings(summary, findings)


def _why_not_learnt(data: Labelled, errors: LabelErrors) -> str:
    """Why a model's answers say nothing about the labels; empty if it tells the classes apart.

    Where one class has nearly all photos, guessing it is right nearly always; then it is enough
    that the classes' recalls are better than guessing on average.
    """
    agreed = ~in_two_classes(data.labels, data.groups)
    hits = (errors.first_round.argmax(axis=1) == data.labels)[agreed]
    labels, groups = data.labels[agreed], data.groups[agreed]
    accuracy = proportion(hits, groups)
    recalls = [proportion(hits[labels == c], groups[labels == c]) for c in range(data.num_classes)]
    if accuracy is None or None in recalls:
        return NOT_TRAINABLE
    largest = float(np.bincount(labels).max() / len(labels))
    mean = sum(recall.low for recall in recalls if recall is not None) / len(recalls)
    if accuracy.low > largest or mean > 1 / len(recalls):
        return ""
    return (
        f"a model is right on {accuracy.value:.2f} of the photos, always naming the largest class "
        f"on {largest:.2f}, so its answers do not speak against a label"
    )


def _suspect(
    evidence: Evidence, subset: TrainableSubset, errors: LabelErrors, rows: list[int]
) -> Finding:
    """A picture with all of its copies."""
    best = errors.probabilities[rows[0]].argmax()
    predicted = subset.classes[best]
    items = []
    for row in rows:
        photo = evidence.photos[subset.indices[row]]
        probability = errors.probabilities[row, best]
        shown = f"{min(probability, 0.99):.2f}" if probability < 0.995 else "over 0.99"
        note = f"labelled {photo.label}, predicted {predicted}, {shown}"
        items.append(Item(photo.path, note, class_as_decision(predicted)))
    return Finding(f"{items[0].path}: {items[0].note}", tuple(items))


LABEL_SUSPECTS = Check(
    code="label-suspects",
    title="Possible label errors",
    severity=Severity.warning,
    remedy="Look at each, and keep it, drop it or move it to the right class. The most "
    "likely errors come first; some labels will be right, as unusual photos are flagged too.",
    run=_run_label_suspects,
    by_picture=True,
    learns=True,
)


#: With fewer pictures, the usual distance can't be estimated.
MIN_PICTURES: Final = 20
#: The neighbour whose distance counts; up to as many similar outliers are still found.
NUM_NEIGHBOURS: Final = 20
#: Minimum distance of an outlier, in robust standard deviations above the median.
MIN_DEVIATIONS: Final = 2.5
#: Minimum distance of an outlier, in cosine distance and in medians. Every folder has some pictures
#: below that are merely the least similar ones.
MIN_DISTANCE: Final = 0.3
MIN_MEDIANS: Final = 1.25
#: Maximum share of outliers among all pictures.
MAX_SHARE: Final = 0.02
_MAX_IN_SMALL_FOLDER = 3

_MAX_EXACT = 10_000  # pictures that are all compared with one another
_NUM_REFERENCES = 4_000  # neighbours of more are searched among this many
_MIN_NEIGHBOURS = 5
_MAX_PRODUCTS = 10_000_000  # in memory at a time
_NORMAL = 1.4826  # standard deviations of a normal distribution per median absolute deviation


def _run_outliers(evidence: Evidence) -> Outcome:
    """Report the pictures that are farthest from all others."""
    pictures = evidence.pictures
    if len(pictures) < MIN_PICTURES:
        return Outcome.not_applicable(f"there are fewer than {MIN_PICTURES} different pictures")
    # One photo per picture; which one, and their order, depends on content only.
    contents = [photo.content for photo in evidence.photos]
    chosen = sorted(
        (min(indices, key=contents.__getitem__) for indices in pictures), key=contents.__getitem__
    )
    distances = neighbour_distances(evidence.features.embeddings, np.array(chosen, np.int64))
    rows = find_outliers(distances)
    if not len(rows):
        return Outcome.clean()
    median = float(np.median(distances))
    copies = {index: indices for indices in pictures for index in indices}
    note = f"distance to similar pictures {{:.2f}}, median {median:.2f}"
    flagged = [
        FlaggedPhoto(index, note.format(distances[row]), float(distances[row]))
        for row in rows
        for index in copies[chosen[row]]
    ]
    where = name_dominant_class(evidence, [chosen[row] for row in rows])
    summary = f"{plural_are(len(rows), 'picture')} unlike all others{where}"
    return Outcome.from_findings(summary, group_by_picture(evidence, flagged))


def neighbour_distances(embeddings: ManyRows, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosine distance to the 20th nearest neighbour (Ramaswamy, Rastogi and Shim, 2000).

    On embeddings, distances to neighbours find outliers as well as any method (Kuan and Mueller,
    2022). Beyond 10,000 pictures, neighbours are searched among the first 4,000 and the number of
    the neighbour is reduced in proportion, so that the cost grows linearly.

    Args:
        embeddings: float32 ``(n, d)``, of the photos.
        chosen: int64 ``(m,)``, index of one photo of each picture, in random order.

    Returns:
        float32 ``(m,)``, 0 to 2.
    """
    rows = Rows(embeddings, chosen)
    many = len(chosen) > _MAX_EXACT
    references = rows.take(slice(_NUM_REFERENCES if many else None))
    neighbour = round(NUM_NEIGHBOURS * len(references) / len(chosen))
    neighbour = min(max(_MIN_NEIGHBOURS, neighbour), len(references) // 4)
    distances = np.empty(len(chosen), np.float32)
    block = max(1, _MAX_PRODUCTS // len(references))
    for start in range(0, len(chosen), block):
        products = matmul(rows.take(slice(start, start + block)), references.T)
        own = np.arange(start, min(start + block, len(references)))
        products[own - start, own] = -np.inf
        products.partition(-neighbour, axis=1)
        distances[start : start + block] = 1 - products[:, -neighbour]
    return np.maximum(distances, 0)


def find_outliers(distances: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices of the distances far above the others, the largest first.

    As distances are skewed, their logarithms are used, with the median absolute deviation as a
    spread that is robust to outliers (Iglewicz and Hoaglin, 1993).
    """
    logarithms = np.log(np.maximum(distances, 1e-6))
    median = float(np.median(logarithms))
    spread = _NORMAL * float(np.median(np.abs(logarithms - median)))
    threshold = max(
        np.exp(median + MIN_DEVIATIONS * spread), MIN_MEDIANS * np.exp(median), MIN_DISTANCE
    )
    limit = max(_MAX_IN_SMALL_FOLDER, int(MAX_SHARE * len(distances)))
    ranked = np.argsort(-distances, kind="stable")[:limit]
    return np.asarray(ranked[distances[ranked] > threshold], np.int64)


OUTLIERS = Check(
    code="outliers",
    title="Outliers",
    severity=Severity.info,
    remedy="Check whether they belong here, and drop those that don't. Keep rare "
    "pictures that are right: a model has the fewest examples of them.",
    run=_run_outliers,
    by_picture=True,
)
