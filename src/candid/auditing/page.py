"""The page of an audit: one HTML file that opens from disk and needs no network.

Charts are drawn here: values become text, and positions in percent of the width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from shlex import join
from typing import Final, Literal

from candid.auditing import page_view
from candid.auditing.finding import Bar, Chart
from candid.auditing.result import Audit
from candid.reporting.pages import Previews, make_environment, make_thumbnails, read_together

#: Bars of a chart, and classes that are visible at first.
MAX_BARS: Final = 40
#: Longest side of the large pictures, at which a face in a group can be judged.
LARGE_PX: Final = 400
_FOLDER: Final = Path(__file__).parent


def write_page(audit: Audit, previews: Previews, small: Previews | None = None) -> str:
    """Render the page.

    Args:
        audit: The audit.
        previews: Encodes the pictures of files; see `file_previews`.
        small: Likewise, for those beyond the number of large ones.

    Returns:
        HTML that UTF-8 can encode, of less than 20 MB: of longer audits, the most important
        findings of each check are shown, and the page says where the rest is.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    # Before the thumbnails, so that a missing package is reported at once.
    template = make_environment(_FOLDER, extra="audit").get_template("page.html")
    sections = page_view.sections(audit)
    typical = page_view.typical_photos(audit)
    large = page_view.large_pictures(sections, typical)
    shown = (shown for section in sections for shown in section.with_thumbnails)
    paths = chain(*typical.values(), (item.path for some in shown for item in some.pictured))

    def encode(names: Iterable[str]) -> Mapping[str, bytes]:
        rest = [name for name in names if name not in large]
        return {**previews(name for name in names if name in large), **(small or previews)(rest)}

    return template.render(
        audit=audit,
        view=page_view,
        sections=sections,
        draw=draw,
        command=join(
            [
                "candid",
                "train",
                str(audit.data),
                *audit.data.options,
                "--decisions",
                "decisions.csv",
            ]
        ),
        classes=audit.classes[: page_view.MAX_CLASSES],
        position=partial(_position, top=max((row.num_photos for row in audit.classes), default=0)),
        max_bars=MAX_BARS,
        thumbnails=make_thumbnails(paths, encode),
        typical=typical,
        decidable=page_view.decidable(audit),
        style=read_together(_FOLDER, "base.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "decide.js", "page.js"),
    )


@dataclass(frozen=True)
class DrawnBar:
    """A bar with its texts, and its end and the interval's whisker in percent of the width."""

    label: str
    emphasis: bool
    value: str
    interval: str
    end: float
    whisker: tuple[float, float] | None


def draw(chart: Chart) -> tuple[DrawnBar, ...]:
    """Lay out a chart; shares are drawn from 0 to 1, counts up to the largest."""
    ends = [bar.high if bar.high is not None else bar.value for bar in chart.bars]
    top = 1.0 if chart.unit == "share" else max(filter(math.isfinite, ends), default=0)
    return tuple(_draw_bar(bar, top, chart.unit) for bar in chart.bars[:MAX_BARS])


def _draw_bar(bar: Bar, top: float, unit: Literal["share", "count"]) -> DrawnBar:
    to_text = _format_share if unit == "share" else _format_count
    interval, whisker = "", None
    if bar.low is not None and bar.high is not None:
        interval = f"{to_text(bar.low)} to {to_text(bar.high)}"
        whisker = (_position(bar.low, top), _position(bar.high, top))
    end = _position(bar.value, top)
    return DrawnBar(bar.label, bar.emphasis, to_text(bar.value), interval, end, whisker)


def _position(value: float, top: float) -> float:
    """In percent of the width, from 0 to 100."""
    return round(100 * max(0.0, min(1.0, value / (top or 1))), 2) if math.isfinite(value) else 0.0


def _format_share(share: float) -> str:
    if not math.isfinite(share):
        return "unknown"
    # In whole percent, 99.6 % would read as certain and 0.4 % as impossible.
    near_end = 0 < share < 0.01 or 0.99 < share < 1
    return f"{share:.1%}" if near_end else f"{share:.0%}"


def _format_count(number: float) -> str:
    if not math.isfinite(number):
        return "unknown"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"
