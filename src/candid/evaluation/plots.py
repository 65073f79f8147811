"""Figures of an evaluation on Matplotlib's axes: confusion matrix, reliability, learning curve."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.core.extras import require_packages
from candid.core.text import cut, sanitize_line
from candid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from candid.evaluation.estimate import Estimate
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.measures import Measures
    from candid.evaluation.scores import ReliabilityBin

_MOST_WITH_TEXT: Final = 20  # classes; a larger matrix has no text
_LONGEST_NAME: Final = 24
_SHORT: Final = 16  # characters of all names together, which stand side by side
_CELL: Final = 0.45  # inches
_INK: Final = "#08519c"


def _axes(given: Axes | None, size: tuple[float, float]) -> Axes:
    if given is not None:
        return given
    require_packages(["matplotlib"], needed_by="a plot", extra="notebook")
    figure = import_module("matplotlib.pyplot").figure(figsize=size, layout="constrained")
    axes: Axes = figure.add_subplot()
    return axes


def plot_confusion(measures: Measures, axes: Axes | None = None) -> Axes:
    """Plot the confusion matrix; see `candid.evaluation.evaluation.Evaluation.plot_confusion`."""
    counts = measures.confusion
    side = 2 + _CELL * min(len(counts), _MOST_WITH_TEXT)
    axes = _axes(axes, (side + 1, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(counts) > _MOST_WITH_TEXT:
        return axes
    names = [cut(sanitize_line(name), _LONGEST_NAME) for name in measures.classes]
    places = range(len(names))
    rotation = 0 if len("".join(names)) <= _SHORT else 90
    # No mathtext: a class may be named $x$.
    axes.set_xticks(places, names, rotation=rotation, parse_math=False)
    axes.set_yticks(places, names, parse_math=False)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return axes


def plot_reliability(bins: Sequence[ReliabilityBin], axes: Axes | None = None) -> Axes:
    """Plot accuracy by confidence, with 95 % intervals."""
    axes = _axes(axes, (4.5, 4.5))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="calibrated")
    _draw(axes, [row.confidence for row in bins], [row.accuracy for row in bins])
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), aspect="equal")
    return axes


def plot_learning_curve(curve: LearningCurve | None, axes: Axes | None = None) -> Axes:
    """Plot accuracy by number of training photos: measured, fitted and extrapolated.

    Raises:
        UsageError: There is no curve.
    """
    if curve is None:
        raise UsageError(
            "there is no learning curve: it takes at least 20 different pictures of each class, "
            "and the recipe transfer."
        )
    axes = _axes(axes, (6, 4))
    line = np.array(curve.curve, np.float64).reshape(-1, 4)
    measured = [point.num_photos for point in curve.points]
    axes.fill_between(line[:, 0], line[:, 2], line[:, 3], color=_INK, alpha=0.15, linewidth=0)
    num_fitted = int((line[:, 0] <= max(measured, default=0)).sum())
    # The second one from the last point of the first, so that the line has no gap.
    for part, style in ((line[:num_fitted], "-"), (line[max(0, num_fitted - 1) :], "--")):
        axes.plot(part[:, 0], part[:, 1], color=_INK, linestyle=style)
    _draw(axes, measured, [point.accuracy for point in curve.points])
    axes.set(xlabel="photos", ylabel="accuracy")
    return axes


def _draw(axes: Axes, places: Sequence[float], figures: Sequence[Estimate]) -> None:
    """Draw values with their intervals."""
    values = np.array([(row.value, row.low, row.high) for row in figures]).reshape(-1, 3)
    arms = np.abs(values[:, 1:].T - values[:, 0])
    axes.errorbar(places, values[:, 0], yerr=arms, fmt="o", color=_INK, capsize=2)
