"""Plots of the page: the reliability diagram and the learning curve.

Axes of the charts of the page: values turned into places in percent.

A chart of the page: points with their intervals, one below the other.
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


@dataclass(frozen=True)
class Tick:
    """A line of the grid.

    Attributes:
        at: Its place, 0 to 100.
        text: What stands beside it.
    """

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """A straight axis.

    Attributes:
        low: What lies at its beginning.
        high: What lies at its end.
        step: How far apart the lines of the grid are.
    """

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """The place of a value, 0 to 100; of one beyond the axis, its end."""
        share = (value - self.low) / (self.high - self.low) if math.isfinite(value) else 0.0
        return round(100 * min(1.0, max(0.0, share)), 2)

    def ticks(self, write: Callable[[float], str]) -> tuple[Tick, ...]:
        """The lines of the grid, each with its value as it is written."""
        first, last = (
            math.ceil(self.low / self.step - 1e-6),
            math.floor(self.high / self.step + 1e-6),
        )
        values = [number * self.step for number in range(first, last + 1)]
        return tuple(Tick(self.place(value), write(value)) for value in values)


def fit_scale(
    values: Iterable[float],
    *,
    least: float = -math.inf,
    most: float = math.inf,
    most_steps: int = _MOST_STEPS,
) -> Scale:
    """Choose an axis of round numbers that holds all values.

    Args:
        values: What it holds; what is not finite is left out.
        least: It begins nowhere before.
        most: It ends nowhere beyond.
        most_steps: There are hardly more lines of the grid than these.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    step = _round_step((high - low) or abs(high) or 1.0, most_steps)
    low = max(least, math.floor(low / step + 1e-9) * step)
    high = min(most, math.ceil(high / step - 1e-9) * step)
    return Scale(low, high if high > low else low + step, step)


def _round_step(span: float, most: int) -> float:
    """1, 2 or 5 times a power of ten, so that a span has at most so many steps."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)


def write_share(value: float) -> str:
    """``85%``, or ``87.5%`` where lines lie closer than a point."""
    return f"{100 * value:.4g}%"


# Lines of the grid, as there is room for few.
_MOST_ROW_STEPS: Final = 4


@dataclass(frozen=True)
class Row:
    """A row of a chart of points with their intervals.

    Attributes:
        name: What it is of.
        figure: Its value.
        emphasis: Whether the chart is about it.
        at: The place of the value.
        start: Where the interval begins.
        end: Where it ends.
    """

    name: str
    figure: Estimate
    emphasis: bool
    at: float
    start: float
    end: float


@dataclass(frozen=True)
class Rows:
    """A chart of points with their intervals, one below the other.

    Attributes:
        rows: From top to bottom.
        ticks: Of the axis that they share.
        zone: Where the interval of the first row begins and ends: what lies in it is hardly told
            from it.
        mark: The place of a value that all are held against; None without one.
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
    """Draw figures with their intervals on one axis.

    Args:
        named: Names and figures, from top to bottom.
        num_emphasised: How many of the first the chart is about.
        mark: A value that all are held against.
        differences: Whether these are differences, which may be below 0, rather than shares.
    """
    ends = [end for _, figure in named for end in (figure.low, figure.high)]
    marks = [] if mark is None else [mark]
    scale = (
        fit_scale([*ends, *marks], most_steps=_MOST_ROW_STEPS)
        if differences
        else fit_scale([*ends, *marks], least=0.0, most=1.0, most_steps=_MOST_ROW_STEPS)
    )
    rows = tuple(
        _row(name, figure, scale, emphasis=place < num_emphasised)
        for place, (name, figure) in enumerate(named)
    )
    # Where all are alike there is none to hold the others against.
    zone = (rows[0].start, rows[0].end) if 0 < num_emphasised < len(rows) else None
    ticks = scale.ticks(_write_points if differences else write_share)
    return Rows(rows, ticks, zone, None if mark is None else scale.place(mark))


def _row(name: str, figure: Estimate, scale: Scale, *, emphasis: bool) -> Row:
    at, start, end = map(scale.place, (figure.value, figure.low, figure.high))
    return Row(name, figure, emphasis, at, start, end)


def _write_points(value: float) -> str:
    number = round(100 * value, 1)
    return f"{number:+g}".replace("-", "−") if number else "0"


@dataclass(frozen=True)
class Point:
    """A point of a plot with its interval; `y` grows upwards.

    Attributes:
        x: Place from the left.
        y: Place from below.
        low: Where the interval begins.
        high: Where it ends.
    """

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
        points: What was measured.
        bars: Left and right end and height of bars that stand on the horizontal axis.
        band: A region as an SVG path, in a square of 100 by 100; empty without one.
        line: A line as an SVG path.
        dashed: A line that goes beyond what was measured.
        diagonal: Whether the line on which both axes are equal is drawn.
    """

    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[Point, ...]
    bars: tuple[tuple[float, float, float], ...] = ()
    band: str = ""
    line: str = ""
    dashed: str = ""
    diagonal: bool = False


def draw_reliability(bins: Sequence[ReliabilityBin]) -> Plot:
    """Draw a reliability diagram: said against true, and how many photos each point is of."""
    filled = [row for row in bins if row.accuracy is not None]
    lowest = min((min(row.confidence, row.accuracy.low) for row in filled), default=0.0)
    scale = Scale(max(0.0, math.floor(5 * lowest) / 5), 1.0, 0.2)
    most = max((row.count for row in filled), default=1)
    points = tuple(
        Point(
            scale.place(row.confidence),
            scale.place(row.accuracy.value),
            scale.place(row.accuracy.low),
            scale.place(row.accuracy.high),
        )
        for row in filled
    )
    bars = tuple(
        (point.x - 1.5, point.x + 1.5, round(16 * row.count / most, 2))
        for point, row in zip(points, filled, strict=True)
    )
    return Plot(scale.ticks(write_share), scale.ticks(write_share), points, bars, diagonal=True)


def draw_learning_curve(curve: LearningCurve) -> Plot:
    """Draw accuracy by number of photos: measured, fitted, and dashed beyond what was measured."""
    measured = curve.points
    last = max((point.num_photos for point in measured), default=0.0)
    numbers = [*(point.num_photos for point in measured), *(row[0] for row in curve.curve)]
    shares = [
        *(end for point in measured for end in (point.accuracy.low, point.accuracy.high)),
        *(row[1] for row in curve.curve),
    ]
    end = max(numbers, default=1.0)
    x_scale = Scale(0.0, end, fit_scale([0.0, end], most_steps=5).step)
    y_scale = fit_scale(shares, least=0.0, most=1.0)
    points = tuple(
        Point(
            x_scale.place(point.num_photos),
            y_scale.place(point.accuracy.value),
            y_scale.place(point.accuracy.low),
            y_scale.place(point.accuracy.high),
        )
        for point in measured
    )
    return Plot(
        x_scale.ticks("{:,.0f}".format),
        y_scale.ticks(write_share),
        points,
        band=_band(
            [
                (x_scale.place(n), y_scale.place(lo), y_scale.place(hi))
                for n, _, lo, hi in curve.curve
            ]
        ),
        line=_path(
            [(x_scale.place(n), y_scale.place(a)) for n, a, _, _ in _until(curve.curve, last)]
        ),
        dashed=_path(
            [(x_scale.place(n), y_scale.place(a)) for n, a, _, _ in _beyond(curve.curve, last)]
        ),
    )


_Drawn = tuple[float, float, float, float]


def _until(curve: Sequence[_Drawn], last: float) -> list[_Drawn]:
    return [row for row in curve if row[0] <= last]


def _beyond(curve: Sequence[_Drawn], last: float) -> list[_Drawn]:
    """What lies beyond, with the point before it, so that the line has no gap."""
    return [*_until(curve, last)[-1:], *(row for row in curve if row[0] > last)]


def _path(places: Sequence[tuple[float, float]]) -> str:
    """An SVG path through places whose second number grows upwards."""
    steps = [f"{x:g} {100 - y:.5g}" for x, y in places]
    return f"M{' L'.join(steps)}" if len(steps) > 1 else ""


def _band(places: Sequence[tuple[float, float, float]]) -> str:
    upper = [(x, high) for x, _, high in places]
    lower = [(x, low) for x, low, _ in reversed(places)]
    path = _path([*upper, *lower])
    return f"{path}Z" if path else ""
