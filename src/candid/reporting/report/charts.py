"""Geometry of the page's charts: values placed on axes, in percent of the chart's sides.

There are rows of points with intervals, the reliability diagram and the learning curve; the
templates draw them as SVG.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from candid.evaluation.estimate import Estimate

if TYPE_CHECKING:
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.scores import ReliabilityBin

_MOST_STEPS: Final = 6
# Rows are narrow.
_MOST_ROW_STEPS: Final = 4


@dataclass(frozen=True)
class Tick:
    """A grid line: its position, 0 to 100, and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high` with a grid line every `step`."""

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """The position of a value, clipped to 0..100."""
        share = (value - self.low) / (self.high - self.low) if math.isfinite(value) else 0.0
        return round(100 * min(1.0, max(0.0, share)), 2)

    def ticks(self, write: Callable[[float], str]) -> tuple[Tick, ...]:
        """The grid lines, labelled by ``write``."""
        first = math.ceil(self.low / self.step - 1e-6)
        last = math.floor(self.high / self.step + 1e-6)
        values = [number * self.step for number in range(first, last + 1)]
        return tuple(Tick(self.place(value), write(value)) for value in values)


def fit_scale(
    values: Iterable[float],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    most_steps: int = _MOST_STEPS,
) -> Scale:
    """Fit an axis with round limits around values.

    Args:
        values: Values to include; those that are not finite are ignored.
        least: Lower bound of the axis.
        most: Upper bound of the axis.
        most_steps: Approximate largest number of grid lines.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    step = _round_step((high - low) or abs(high) or 1.0, most_steps)
    low = max(least, math.floor(low / step + 1e-9) * step)
    high = min(most, math.ceil(high / step - 1e-9) * step)
    return Scale(low, high if high > low else low + step, step)


def _round_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 or 10 times a power of ten with at most ``most`` steps in a span."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)


def write_share(value: float) -> str:
    """A tick label: ``85%``, or ``87.5%`` where grid lines are closer than a point."""
    return f"{100 * value:.4g}%"


def _write_points(value: float) -> str:
    number = round(100 * value, 1)
    return f"{number:+g}".replace("-", "−") if number else "0"


@dataclass(frozen=True)
class Row:
    """A named figure: positions of its value and of the ends of its interval."""

    name: str
    figure: Estimate
    emphasis: bool
    at: float
    start: float
    end: float


@dataclass(frozen=True)
class Rows:
    """A chart of figures with their intervals on one axis.

    Attributes:
        rows: From top to bottom.
        ticks: Of the shared axis.
        zone: The interval of the first row, shaded behind all rows; None if all are emphasised.
        mark: Position of a reference value; None without one.
    """

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    zone: tuple[float, float] | None = None
    mark: float | None = None


def draw_rows(
    named: Sequence[tuple[str, Estimate]],
    *,
    num_emphasised: int = 1,
    mark: float | None = None,
    differences: bool = False,
) -> Rows:
    """Place figures with their intervals on one axis.

    Args:
        named: Names and figures, from top to bottom.
        num_emphasised: How many of the first rows are emphasised.
        mark: A reference value.
        differences: Whether the figures are differences, which may be negative, and not shares.
    """
    values = [end for _, figure in named for end in (figure.low, figure.high)]
    if mark is not None:
        values.append(mark)
    least, most = (-math.inf, math.inf) if differences else (0.0, 1.0)
    scale = fit_scale(values, least=least, most=most, most_steps=_MOST_ROW_STEPS)
    rows = tuple(
        Row(
            name,
            figure,
            number < num_emphasised,
            *map(scale.place, (figure.value, figure.low, figure.high)),
        )
        for number, (name, figure) in enumerate(named)
    )
    zone = (rows[0].start, rows[0].end) if 0 < num_emphasised < len(rows) else None
    ticks = scale.ticks(_write_points if differences else write_share)
    return Rows(rows, ticks, zone, None if mark is None else scale.place(mark))


@dataclass(frozen=True)
class Point:
    """A point of a plot with its vertical interval; `y`, `low` and `high` grow upwards."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Plot:
    """A plot of points and lines.

    Attributes:
        x_ticks: Of the horizontal axis.
        y_ticks: Of the vertical axis.
        points: The measured points.
        bars: Left, right and height of each bar; bars stand on the horizontal axis.
        band: SVG path of a region in a square of 100 by 100; empty without one.
        line: SVG path of the fitted line.
        dashed: SVG path of the extrapolated line.
        diagonal: Whether to draw the line on which both axes are equal.
    """

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[Point, ...]
    bars: tuple[tuple[float, float, float], ...] = ()
    band: str = ""
    line: str = ""
    dashed: str = ""
    diagonal: bool = False


def _point(x_scale: Scale, y_scale: Scale, x: float, y: Estimate) -> Point:
    return Point(x_scale.place(x), *map(y_scale.place, (y.value, y.low, y.high)))


def draw_reliability(bins: Sequence[ReliabilityBin]) -> Plot:
    """Draw a reliability diagram: accuracy by mean probability, with bars for the bin counts."""
    measured = [(row, row.accuracy) for row in bins if row.accuracy is not None]
    lowest = min((min(row.confidence, accuracy.low) for row, accuracy in measured), default=0.0)
    scale = Scale(max(0.0, math.floor(5 * lowest) / 5), 1.0, 0.2)
    most = max((row.count for row, _ in measured), default=1)
    points = tuple(_point(scale, scale, row.confidence, accuracy) for row, accuracy in measured)
    bars = tuple(
        (point.x - 1.5, point.x + 1.5, round(16 * row.count / most, 2))
        for point, (row, _) in zip(points, measured, strict=True)
    )
    ticks = scale.ticks(write_share)
    return Plot(ticks, ticks, points, bars, diagonal=True)


def draw_learning_curve(curve: LearningCurve) -> Plot:
    """Draw accuracy by number of training photos: measured, fitted, and extrapolated (dashed)."""
    last = max((point.num_photos for point in curve.points), default=0.0)
    numbers = [*(point.num_photos for point in curve.points), *(row[0] for row in curve.curve)]
    end = max(numbers, default=1.0)
    shares = [
        *(share for point in curve.points for share in (point.accuracy.low, point.accuracy.high)),
        *(row[1] for row in curve.curve),
    ]
    x_scale = Scale(0.0, end, fit_scale([0.0, end], most_steps=5).step)
    y_scale = fit_scale(shares, least=0.0, most=1.0)
    fitted = [(x_scale.place(x), *map(y_scale.place, row)) for x, *row in curve.curve]
    num_measured = sum(row[0] <= last for row in curve.curve)
    line = [(x, y) for x, y, _, _ in fitted]
    outline = [(x, high) for x, _, _, high in fitted] + [(x, low) for x, _, low, _ in fitted[::-1]]
    return Plot(
        x_scale.ticks("{:,.0f}".format),
        y_scale.ticks(write_share),
        tuple(_point(x_scale, y_scale, row.num_photos, row.accuracy) for row in curve.points),
        band=f"{_path(outline)}Z" if outline else "",
        line=_path(line[:num_measured]),
        # From the last point before, so that the line has no gap.
        dashed=_path(line[max(0, num_measured - 1) :]),
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    """An SVG path through points whose y grows upwards; empty for fewer than two."""
    steps = [f"{x:g} {100 - y:.5g}" for x, y in places]
    return f"M{' L'.join(steps)}" if len(steps) > 1 else ""
