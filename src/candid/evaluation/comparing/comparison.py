"""Accuracies, differences and p-values of runs on the same images.

What a comparison found: as values, as JSON, and as text for a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.text import plural, sanitize
from candid.evaluation.comparing.aligned import TITLES, Aligned, EstimateSource
from candid.evaluation.comparing.paired_tests import difference, holm, mcnemar, photos_needed
from candid.evaluation.estimate import Estimate, proportion

#: Below it a difference is said to be more than chance.
LEVEL: Final = 0.05
FORMAT_VERSION: Final = 1
_LEAST_P = 0.001
_HEADS: Final = ("only first right", "only second right", "second minus first, points")
_UNSEEN: Final = {
    "test": "no run was trained on them or on copies of them",
    "kfold": "each predicted by a model that saw neither it nor a copy of it",
}


@dataclass(frozen=True)
class Pair:
    """Two runs on the same images.

    Attributes:
        first: The name of one.
        second: The name of the other.
        only_first: How many images only the first got right.
        only_second: How many only the second did.
        difference: Accuracy of the second minus that of the first, with its 95 % interval.
        p: By McNemar's test, exact with mid-p, whole groups of copies at a time.
        p_corrected: The same corrected for the number of pairs by Holm's method.
        photos_needed: With how many different photos a difference of this size would be seen with
            80 % probability; None where there is none.
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
        """What is to be said of the two."""
        first, second = sanitize(self.first), sanitize(self.second)
        figure, p = self.difference, show_p(self.p_corrected)
        if not self.is_real:
            return (
                f"`{second}` against `{first}`: no difference that chance would not explain: "
                f"{_points(figure.value)} points ({_range(figure)}), {p}.{self._more_photos()}"
            )
        if figure.value < 0:
            first, second = second, first
            figure = Estimate(-figure.value, -figure.high, -figure.low, figure.n)
        return (
            f"`{second}` is better than `{first}` by {_points(figure.value)} points "
            f"({_range(figure)}), {p}: more than chance explains."
        )

    def _more_photos(self) -> str:
        if self.photos_needed is None:
            return ""
        about = float(f"{self.photos_needed:.2g}")
        return (
            f" About {about:,.0f} different photos would be needed to see a difference of this "
            "size."
        )

    def to_cells(self) -> tuple[str, ...]:
        """The row of the table for a terminal."""
        return (
            f"{sanitize(self.first)}, {sanitize(self.second)}",
            str(self.only_first),
            str(self.only_second),
            f"{_points(self.difference.value, '+')} ({_range(self.difference)})",
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
        num_images: How many there are.
        num_pictures: How many of them are different.
        accuracies: Of each run, in order.
        pairs: Each run with each later one.
    """

    estimate: EstimateSource
    num_images: int
    num_pictures: int
    accuracies: tuple[Estimate, ...]
    pairs: tuple[Pair, ...]

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """JSON values.

        Args:
            names: Of the runs.
        """
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
        """The table for a terminal.

        Args:
            names: Of the runs.
        """
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
        names: What the runs are called, all different.
        folders: Where they are.
        estimates: By the test part, by cross-validation or by both, whichever the runs share.
        notes: What a person should know: what was left out, and why.
    """

    names: tuple[str, ...]
    folders: tuple[Path, ...]
    estimates: tuple[Compared, ...]
    notes: tuple[str, ...]

    @property
    def believed(self) -> Compared:
        """What the sentences rest on: the estimate with more images, cross-validation if equal."""
        return max(self.estimates, key=lambda found: (found.num_images, found.estimate == "kfold"))

    def to_json(self) -> dict[str, Any]:
        """JSON values; names of files that are not UTF-8 keep their lone surrogates."""
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
        """The tables and a sentence a pair, for a terminal."""
        tables = [found.to_text(self.names) for found in self.estimates]
        sentences = [pair.to_sentence() for pair in self.believed.pairs]
        return "\n\n".join([*tables, "\n".join([*self._preface(), *sentences])])

    def _preface(self) -> list[str]:
        num_pairs, num_images = len(self.believed.pairs), self.believed.num_images
        terms = []
        if len(self.estimates) > 1:
            terms.append(f"by {TITLES[self.believed.estimate]}, of {num_images} images")
        if num_pairs > 1:
            terms.append(f"corrected for {num_pairs} comparisons (Holm)")
        text = "; ".join(terms)
        return [f"{text[0].upper()}{text[1:]}:"] if text else []


def show_p(p: float) -> str:
    """A p-value with two digits, or as many as it takes to tell it from 0.05.

    >>> show_p(0.0312), show_p(0.04996), show_p(1e-9)
    ('p = 0.031', 'p = 0.04996', 'p < 0.001')
    """
    if p < _LEAST_P:
        return f"p < {_LEAST_P}"
    digits = 2
    while p != LEVEL and float(f"{p:.{digits}g}") == LEVEL:
        digits += 1
    return f"p = {p:.{digits}g}"


def _points(share: float, sign: str = "") -> str:
    """A share in percentage points; what rounds to 0 has no sign."""
    rounded = round(100 * share, 1)
    return f"{rounded:{sign if rounded else ''}.1f}".replace("-0.0", "0.0")


def _range(figure: Estimate) -> str:
    return f"{_points(figure.low)} to {_points(figure.high)}"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with aligned columns, the first one a heading; indented by two."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def measure(joined: Aligned, names: Sequence[str]) -> Compared:
    """Compare every run with every later one.

    Args:
        joined: What they answered to at least one image.
        names: Of the runs.
    """
    pairs = [
        _pair((names[a], names[b]), joined.hits[a], joined.hits[b], joined.groups)
        for a, b in combinations(range(len(names)), 2)
    ]
    corrected = holm([pair.p for pair in pairs])
    # Without images, of which there are some, there would be no figure.
    accuracies = [proportion(hits, joined.groups) for hits in joined.hits]
    return Compared(
        joined.estimate,
        joined.num_images,
        joined.num_pictures,
        tuple(accuracy for accuracy in accuracies if accuracy is not None),
        tuple(
            replace(pair, p_corrected=p, photos_needed=_photos_needed(pair, LEVEL / len(pairs)))
            for pair, p in zip(pairs, corrected, strict=True)
        ),
    )


def _pair(
    names: tuple[str, str],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    groups: NDArray[np.int64],
) -> Pair:
    """Two runs by themselves, of which the hits are bool ``(n,)``."""
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    p = mcnemar(first, second, groups)
    return Pair(*names, only_first, only_second, _interval(first, second, groups, p), p, p, None)


def _photos_needed(pair: Pair, level: float) -> int | None:
    if pair.only_first == pair.only_second:
        return None
    discordant = (pair.only_first + pair.only_second) / pair.difference.n
    return photos_needed(difference=pair.difference.value, discordant=discordant, level=level)


def _interval(
    first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64], p: float
) -> Estimate:
    """The difference with an interval that does not contradict the test.

    Where few groups differ the bootstrap's interval is too narrow; unless the exact test excludes
    0, it reaches it.
    """
    figure = difference(first, second, groups)
    if p < LEVEL:
        return figure
    return replace(figure, low=min(figure.low, 0.0), high=max(figure.high, 0.0))
