"""Compares trained runs on the images that they share: `candid compare`.

The result is a `Comparison`: as values, as JSON, and as text for a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import columns, join_names, plural, sanitize
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
from candid.evaluation.comparing.paired_tests import difference, holm, mcnemar, photos_needed
from candid.evaluation.estimate import Estimate, EstimateSource, percentage_points, proportion

#: Significance level of the corrected p-values.
LEVEL: Final = 0.05
FORMAT_VERSION: Final = 1
_LEAST_P = 0.001
_HEADS: Final = ("only first right", "only second right", "second minus first, points")
_UNSEEN: Final = {
    "test": "no run was trained on them or on copies of them",
    "kfold": "each predicted by a model that was not trained on it or a copy of it",
}


@dataclass(frozen=True)
class Pair:
    """Two runs on the same images.

    Attributes:
        only_first: Number of images that only the first predicts correctly.
        only_second: Number of images that only the second predicts correctly.
        difference: Accuracy of the second minus that of the first, with its 95 % interval.
        p: McNemar's test, exact with mid-p, over whole groups of copies.
        p_corrected: ``p`` corrected for the number of pairs by Holm's method.
        photos_needed: Number of different photos with which a difference of this size is detected
            with 80 % probability; None if there is no difference.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    difference: Estimate
    p: float
    p_corrected: float
    photos_needed: int | None

    @property
    def is_real(self) -> bool:
        """Whether the difference is more than chance explains."""
        return self.p_corrected < LEVEL

    def to_sentence(self) -> str:
        """The conclusion, for a terminal and the JSON."""
        first, second = sanitize(self.first), sanitize(self.second)
        figure, p = self.difference, show_p(self.p_corrected)
        if self.is_real and figure.value < 0:
            first, second = second, first
            figure = Estimate(-figure.value, -figure.high, -figure.low, figure.n)
        by = f"{percentage_points(figure.value)} points ({_range(figure)}), {p}"
        if self.is_real:
            return f"`{second}` is better than `{first}` by {by}: more than chance explains."
        needed = ""
        if self.photos_needed is not None:
            about = float(f"{self.photos_needed:.2g}")
            needed = (
                f" About {about:,.0f} different photos would be needed to detect a difference of "
                "this size."
            )
        return f"`{second}` compared with `{first}`: no difference beyond chance: {by}.{needed}"

    def to_cells(self) -> tuple[str, ...]:
        """The row of the table."""
        return (
            f"{sanitize(self.first)}, {sanitize(self.second)}",
            str(self.only_first),
            str(self.only_second),
            f"{percentage_points(self.difference.value, sign='+')} ({_range(self.difference)})",
            show_p(self.p_corrected).removeprefix("p ").removeprefix("= "),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "is_real": self.is_real, "sentence": self.to_sentence()}


@dataclass(frozen=True)
class Compared:
    """All runs on the same images, by one estimate.

    Attributes:
        accuracies: Accuracy of each run, in order.
        pairs: Each run with each later one.
        aligned: The outcomes behind them.
    """

    estimate: EstimateSource
    num_images: int
    num_pictures: int
    accuracies: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]
    aligned: Aligned

    def only(self, right: int, wrong: int) -> tuple[str, ...]:
        """SHA-256 of the images that one run, by its index, gets right and another one wrong."""
        hits = self.aligned.hits
        return tuple(
            self.aligned.contents[place] for place in np.flatnonzero(hits[right] & ~hits[wrong])
        )

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """JSON values, with the names of the runs."""
        return {
            "num_images": self.num_images,
            "num_pictures": self.num_pictures,
            "runs": [
                {"name": name, "accuracy": asdict(accuracy)}
                for name, accuracy in zip(names, self.accuracies, strict=True)
            ],
            "pairs": [pair.to_json() for pair in self.pairs],
        }

    def to_text(self, names: Sequence[str]) -> str:
        """The tables for a terminal, with the names of the runs."""
        title = TITLES[self.estimate]
        runs = [(sanitize(name), str(a)) for name, a in zip(names, self.accuracies, strict=True)]
        images = plural(self.num_images, "image")
        groups = plural(self.num_pictures, "group")  # of copies, or of the user's
        heads = ("pair", *_HEADS, "p (Holm)" if len(self.pairs) > 1 else "p")
        return "\n".join(
            [
                f"{title[0].upper()}{title[1:]}: {images} in {groups}; {_UNSEEN[self.estimate]}",
                "",
                *columns([("run", "accuracy"), *runs]),
                "",
                *columns([heads, *(pair.to_cells() for pair in self.pairs)]),
            ]
        )


@dataclass(frozen=True)
class Comparison:
    """Whether the differences between runs are more than chance.

    Attributes:
        names: Names of the runs, all different.
        estimates: By the test part, by cross-validation or by both, as far as the runs share them.
        notes: What was left out, and why.
    """

    names: tuple[str, ...]
    folders: tuple[Path, ...]
    estimates: tuple[Compared, ...]
    notes: tuple[str, ...]

    @property
    def believed(self) -> Compared:
        """The estimate with more images, cross-validation if equal."""
        return max(self.estimates, key=lambda found: (found.num_images, found.estimate == "kfold"))

    def to_json(self) -> dict[str, Any]:
        """JSON values; file names that are not UTF-8 keep their lone surrogates."""
        return {
            "format_version": FORMAT_VERSION,
            "runs": [
                {"name": name, "folder": str(folder)}
                for name, folder in zip(self.names, self.folders, strict=True)
            ],
            "estimates": {found.estimate: found.to_json(self.names) for found in self.estimates},
            "believe": self.believed.estimate,
            "level": LEVEL,
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """The tables, then a sentence per pair, for a terminal."""
        believed = self.believed
        terms = []
        if len(self.estimates) > 1:
            terms.append(f"by {TITLES[believed.estimate]}, of {believed.num_images} images")
        if len(believed.pairs) > 1:
            terms.append(f"corrected for {len(believed.pairs)} comparisons (Holm)")
        preface = "; ".join(terms)
        lines = [f"{preface[0].upper()}{preface[1:]}:"] if preface else []
        lines += [pair.to_sentence() for pair in believed.pairs]
        tables = [found.to_text(self.names) for found in self.estimates]
        return "\n\n".join([*tables, "\n".join(lines)])


def show_p(p: float) -> str:
    """Format a p-value with two digits, or as many as distinguish it from 0.05.

    >>> show_p(0.0312), show_p(0.04996), show_p(1e-9)
    ('p = 0.031', 'p = 0.04996', 'p < 0.001')
    """
    if p < _LEAST_P:
        return f"p < {_LEAST_P}"
    digits = 2
    while p != LEVEL and float(f"{p:.{digits}g}") == LEVEL:
        digits += 1
    return f"p = {p:.{digits}g}"


def _range(figure: Estimate) -> str:
    return f"{percentage_points(figure.low)} to {percentage_points(figure.high)}"


def compare_runs(folders: Sequence[str | Path]) -> Comparison:
    """Compare two or more trained runs pair by pair, on the images that all of them predicted.

    Images are identified by their bytes, so files may have been renamed or moved. The comparison is
    about these models on photos like these, not about their recipes when trained again on other
    photos (Dietterich, 1998).

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
    if unmeasured := list(
        dict.fromkeys(sanitize(str(run.folder)) for run in runs if not run.right)
    ):
        raise UsageError(
            f"trained with --no-figures, so there is nothing to compare: {join_names(unmeasured)}. "
            "Compare runs that were measured."
        )
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
        aligned,
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
