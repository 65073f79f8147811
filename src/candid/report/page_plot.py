"""Plots of the page: the reliability diagram and the learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from candid.report.page_axis import Scale, Tick, fit_scale, write_share

if TYPE_CHECKING:
    from candid.evaluation.learning_curve import LearningCurve
    from candid.evaluation.scores import ReliabilityBin


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
