"""Charts of the page: values turned into text and places, which the template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from candid.auditing.finding import Bar, Chart
from candid.auditing.result import ClassCount

#: Bars of a chart, and classes that are shown at once.
MOST_BARS: Final = 40
#: Classes in all.
MOST_CLASSES: Final = 1000


@dataclass(frozen=True)
class DrawnBar:
    """A bar with its measures as text; all places are between 0 and 100, in percent of the width.

    Attributes:
        label: What it stands for.
        emphasis: Whether the chart is about it.
        value: The value, as shown.
        interval: The 95 % interval as shown; empty without one.
        end: Where the bar ends.
        whisker: Where the interval begins and ends.
    """

    label: str
    emphasis: bool
    value: str
    interval: str
    end: float
    whisker: tuple[float, float] | None


@dataclass(frozen=True)
class DrawnClass:
    """The bar of a class; places are between 0 and 100, in percent of the width.

    Attributes:
        name: Of the class.
        num_photos: How many photos it has, as shown.
        num_pictures: How many different pictures these show, as shown.
        photos_end: Where the bar of the photos ends.
        pictures_end: Where the bar of the pictures ends.
    """

    name: str
    num_photos: str
    num_pictures: str
    photos_end: float
    pictures_end: float


def draw(chart: Chart) -> tuple[DrawnBar, ...]:
    """Turn values into text and places; shares are drawn from 0 to 1, counts up to the largest."""
    ends = [bar.high if bar.high is not None else bar.value for bar in chart.bars]
    top = 1.0 if chart.unit == "share" else max(filter(math.isfinite, ends), default=0)
    return tuple(_draw_bar(bar, top or 1.0, chart.unit) for bar in chart.bars[:MOST_BARS])


def draw_classes(classes: Sequence[ClassCount]) -> tuple[DrawnClass, ...]:
    """Turn counts into text and places; the largest class takes the whole width."""
    top = max((each.num_photos for each in classes), default=0) or 1
    return tuple(
        DrawnClass(
            each.name,
            _write_count(each.num_photos),
            _write_count(each.num_pictures),
            _place(each.num_photos, top),
            _place(each.num_pictures, top),
        )
        for each in classes[:MOST_CLASSES]
    )


def _draw_bar(bar: Bar, top: float, unit: Literal["share", "count"]) -> DrawnBar:
    write = _write_share if unit == "share" else _write_count
    interval, whisker = "", None
    if bar.low is not None and bar.high is not None:
        interval = f"{write(bar.low)} to {write(bar.high)}"
        whisker = (_place(bar.low, top), _place(bar.high, top))
    return DrawnBar(
        bar.label, bar.emphasis, write(bar.value), interval, _place(bar.value, top), whisker
    )


def _place(value: float, top: float) -> float:
    return round(100 * max(0.0, min(1.0, value / top)), 2) if math.isfinite(value) else 0.0


def _write_share(share: float) -> str:
    if not math.isfinite(share):
        return "unknown"
    # Whole percent would make 99.6 % certain, and 0.4 % impossible.
    near_end = 0 < share < 0.01 or 0.99 < share < 1
    return f"{share:.1%}" if near_end else f"{share:.0%}"


def _write_count(number: float) -> str:
    if not math.isfinite(number):
        return "unknown"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"
