"""Compares trained runs on the images that they share: `candid compare`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.core.text import join_names, sanitize
from candid.errors import UsageError
from candid.evaluation.comparing.aligned import (
    ESTIMATES,
    TITLES,
    Aligned,
    PredictedRun,
    advise_split,
    align,
    number_pictures,
    read_run,
    require_same_classes,
    require_unseen,
)
from candid.evaluation.comparing.comparison import LEVEL, Compared, Comparison, Pair
from candid.evaluation.comparing.paired_tests import difference, holm, mcnemar, photos_needed
from candid.evaluation.estimate import Estimate, proportion


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Compare trained runs pair by pair, on the images that all of them predicted.

    Images are identified by their bytes, so files may have been renamed or moved. The comparison is
    about these models on photos like these, not about their recipes when trained again on other
    photos (Dietterich, 1998).

    Args:
        folders: The folders of two or more runs.

    Raises:
        UsageError: There are fewer than two runs, they have different classes, one was trained on
            a test image of another or on a copy of it, or they share no image.
        ArtifactError: A run is missing, or not as it was written.

    Example:
        >>> comparison = compare_runs(["runs/a", "runs/b"])  # doctest: +SKIP
        >>> print(comparison.to_text())  # doctest: +SKIP
    """
    if len(folders) < 2:
        raise UsageError(
            f"there is nothing to compare. Expected the folders of two or more runs, received "
            f"{len(folders)}: `candid compare RUN RUN`."
        )
    runs = [read_run(folder) for folder in folders]
    require_same_classes(runs)
    pictures = number_pictures(runs)
    require_unseen(runs, pictures)
    names = _names([run.folder for run in runs])
    aligned = [
        align(runs, estimate, pictures)
        for estimate in ESTIMATES
        if all(estimate in run.right for run in runs)
    ]
    usable = [found for found in aligned if found.num_images]
    notes = [note for found in aligned for note in found.notes]
    if not usable:
        folders_text = join_names([sanitize(str(run.folder)) for run in runs], most=len(runs))
        tried = join_names([TITLES[found.estimate] for found in aligned])
        why = f" ({' '.join(notes)[:-1]})" if notes else ""
        raise UsageError(
            f"there is no image to compare {folders_text} on, by {tried}{why}. "
            f"{advise_split(runs[0].folder)}"
        )
    return Comparison(
        names,
        tuple(run.folder for run in runs),
        tuple(compare_aligned(found, names) for found in usable),
        (*notes, *_notes(runs, names, usable)),
    )


def _names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Names of the folders, or their paths if names are equal; repeated ones are numbered."""
    short = [folder.name or folder.resolve().name for folder in folders]
    names = short if len(set(short)) == len(short) else [str(folder) for folder in folders]
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(distinct)


def _notes(
    runs: Sequence[PredictedRun], names: Sequence[str], usable: Sequence[Aligned]
) -> list[str]:
    notes = []
    lacking = [name for run, name in zip(runs, names, strict=True) if "kfold" not in run.right]
    if lacking and len(lacking) < len(runs):
        notes.append(
            f"{join_names(list(map(sanitize, lacking)))} has no cross-validated predictions, so "
            "the runs are compared on their test parts alone."
        )
    if all(found.estimate != "test" for found in usable):
        notes.append(
            "the runs share no test image, so they are compared by cross-validation alone."
        )
    if len({run.folder.resolve() for run in runs}) < len(runs):
        notes.append("a run is compared with itself.")
    return notes


def compare_aligned(aligned: Aligned, names: Sequence[str]) -> Compared:
    """Compare every run with every later one, on at least one image."""
    pairs = list(combinations(range(len(names)), 2))
    p_values = [mcnemar(aligned.hits[a], aligned.hits[b], aligned.groups) for a, b in pairs]
    compared = [
        _compare_pair(
            (names[a], names[b]),
            (aligned.hits[a], aligned.hits[b]),
            aligned.groups,
            (p, p_corrected),
            LEVEL / len(pairs),
        )
        for (a, b), p, p_corrected in zip(pairs, p_values, holm(p_values), strict=True)
    ]
    accuracies = (proportion(hits, aligned.groups) for hits in aligned.hits)
    return Compared(
        aligned.estimate,
        aligned.num_images,
        aligned.num_pictures,
        tuple(accuracy for accuracy in accuracies if accuracy is not None),
        tuple(compared),
    )


def _compare_pair(
    names: tuple[str, str],
    hits: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    groups: NDArray[np.int64],
    p_values: tuple[float, float],
    level: float,
) -> Pair:
    only_first, only_second = int((hits[0] & ~hits[1]).sum()), int((hits[1] & ~hits[0]).sum())
    figure = difference(*hits, groups)
    if p_values[0] >= LEVEL:
        # With few differing groups the bootstrap interval is too narrow: follow the exact test.
        figure = Estimate(figure.value, min(figure.low, 0.0), max(figure.high, 0.0), figure.n)
    needed = None
    if only_first != only_second:
        discordant = (only_first + only_second) / len(groups)
        needed = photos_needed(difference=figure.value, discordant=discordant, level=level)
    return Pair(*names, only_first, only_second, figure, *p_values, needed)
