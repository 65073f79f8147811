"""The result of comparing runs: as values, as JSON, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from candid.core.text import plural, sanitize
from candid.evaluation.comparing.aligned import TITLES
from candid.evaluation.estimate import Estimate, EstimateSource, percentage_points

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
        first: Name of the first run.
        second: Name of the second run.
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
        estimate: How the images were predicted.
        num_images: Number of images.
        num_pictures: Number of different pictures.
        accuracies: Accuracy of each run, in order.
        pairs: Each run with each later one.
    """

    estimate: EstimateSource
    num_images: int
    num_pictures: int
    accuracies: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]

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
        pictures = plural(self.num_pictures, "different picture")
        heads = ("pair", *_HEADS, "p (Holm)" if len(self.pairs) > 1 else "p")
        return "\n".join(
            [
                f"{title[0].upper()}{title[1:]}: {images} of {pictures}; {_UNSEEN[self.estimate]}",
                "",
                *_columns([("run", "accuracy"), *runs]),
                "",
                *_columns([heads, *(pair.to_cells() for pair in self.pairs)]),
            ]
        )


@dataclass(frozen=True)
class Comparison:
    """Whether the differences between runs are more than chance.

    Attributes:
        names: Names of the runs, all different.
        folders: Folders of the runs.
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


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as indented lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
