"""A chart of the page: points with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from candid.evaluation.figures import Figure
from candid.report.page_axis import Scale, Tick, fit_scale, write_share

# Lines of the grid, as there is room for few.
_MOST_STEPS: Final = 4


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
    figure: Figure
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
    named: Sequence[tuple[str, Figure]],
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
        fit_scale([*ends, *marks], most_steps=_MOST_STEPS)
        if differences
        else fit_scale([*ends, *marks], least=0.0, most=1.0, most_steps=_MOST_STEPS)
    )
    rows = tuple(
        _row(name, figure, scale, emphasis=place < num_emphasised)
        for place, (name, figure) in enumerate(named)
    )
    # Where all are alike there is none to hold the others against.
    zone = (rows[0].start, rows[0].end) if 0 < num_emphasised < len(rows) else None
    ticks = scale.ticks(_write_points if differences else write_share)
    return Rows(rows, ticks, zone, None if mark is None else scale.place(mark))


def _row(name: str, figure: Figure, scale: Scale, *, emphasis: bool) -> Row:
    at, start, end = map(scale.place, (figure.value, figure.low, figure.high))
    return Row(name, figure, emphasis, at, start, end)


def _write_points(value: float) -> str:
    number = round(100 * value, 1)
    return f"{number:+g}".replace("-", "−") if number else "0"
