"""What of an audit the page shows: the most important of each check, within what opens at once.

Charts of the page: values turned into text and places, which the template draws.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from candid.auditing.finding import Bar, Chart, Check, Finding, Item, Severity, Status
from candid.auditing.result import Audit, Checked, ClassCount
from candid.core.text import plural

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


#: Thumbnails in all, shared fairly between the checks.
MOST_THUMBNAILS: Final = 700
#: Findings of a check that are shown with thumbnails.
MOST_PICTURED: Final = 24
#: Thumbnails of a finding, and of one that is the only one of its check.
MOST_SIDE_BY_SIDE: Final = 8
MOST_ALONE: Final = 24
#: Lines of text in all for what has no thumbnail: a line a finding, and one a file.
MOST_LINES: Final = 2500
#: Findings of a check that are listed as text.
MOST_LISTED: Final = 200
#: Files of a finding that are named as text.
MOST_NAMED: Final = 100

#: What a severity is called on the page; the others are called what they are.
WORDS: Final[dict[str, str]] = {"error": "Error", "warning": "Warning", "info": "Note"}

#: How checks end, in the order of showing: what found nothing last.
_ORDER: Final[tuple[Status, ...]] = ("found", "failed", "skipped", "not applicable", "clean")
_NOT_RUN: Final[tuple[Status, ...]] = ("failed", "skipped")

#: Above checks that ended alike: what did not run must not look like what passed.
_HEADINGS: Final[tuple[tuple[str, tuple[Status, ...]], ...]] = (
    ("Did not run, so nobody knows", _NOT_RUN),
    ("Not applicable", ("not applicable",)),
    ("Clean: looked, and found nothing", ("clean",)),
)


@dataclass(frozen=True)
class Shown:
    """A finding as it is shown.

    Attributes:
        finding: What was found.
        pictured: Those of its files that have a thumbnail.
        named: Those that are named as text.
    """

    finding: Finding
    pictured: tuple[Item, ...]
    named: tuple[Item, ...]

    @property
    def num_left_out(self) -> int:
        """How many files are neither pictured nor named."""
        return len(self.finding.items) - len(self.pictured) - len(self.named)


@dataclass(frozen=True)
class Section:
    """A check that found something.

    Attributes:
        checked: The check and its outcome.
        pictured: Findings that are shown with thumbnails, or that are about no file.
        listed: Findings that are shown as text.
    """

    checked: Checked
    pictured: tuple[Shown, ...]
    listed: tuple[Shown, ...]

    @property
    def num_left_out(self) -> int:
        """How many findings are neither pictured nor listed."""
        return len(self.checked.outcome.findings) - len(self.pictured) - len(self.listed)


@dataclass(frozen=True)
class Group:
    """Checks that found nothing, and ended alike.

    Attributes:
        heading: How they ended.
        rows: The checks.
    """

    heading: str
    rows: tuple[Checked, ...]

    @property
    def did_run(self) -> bool:
        """Whether nothing is left open."""
        return all(row.outcome.status not in _NOT_RUN for row in self.rows)


def sections(audit: Audit) -> tuple[Section, ...]:
    """Choose what is shown of each check that found something.

    Args:
        audit: Everything that was found.

    Returns:
        A section a check; together they have at most `MOST_THUMBNAILS` thumbnails.
    """
    found = audit.found
    num_thumbnails = fair_shares([_num_wanted(row) for row in found], MOST_THUMBNAILS)
    num_lines = fair_shares([_num_lines(row) for row in found], MOST_LINES)
    return tuple(map(_section, found, num_thumbnails, num_lines))


def fair_shares(wanted: Sequence[int], total: int) -> list[int]:
    """Share a number among those who want some of it.

    Args:
        wanted: How much each can use.
        total: How much there is.

    Returns:
        Shares in the order of ``wanted``: nobody gets more than they can use, and those who get
        less all get the same (give or take 1).

    >>> fair_shares([100, 3, 50], 43)
    [20, 3, 20]
    """
    shares = [0] * len(wanted)
    left = total
    for rank, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[place] = min(wanted[place], left // (len(wanted) - rank))
        left -= shares[place]
    return shares


def other_groups(audit: Audit) -> tuple[Group, ...]:
    """Put checks together that found nothing and ended alike, what did not run first."""
    rows = sorted(audit.checked, key=lambda row: _ORDER.index(row.outcome.status))
    alike = [
        Group(heading, tuple(row for row in rows if row.outcome.status in statuses))
        for heading, statuses in _HEADINGS
    ]
    return tuple(group for group in alike if group.rows)


def remark(finding: Finding) -> str:
    """Give what a finding says of its first file, without the name with which it begins.

    >>> remark(Finding("a.jpg: blurred", (Item("cat/a.jpg"),)))
    'blurred'
    """
    path = finding.items[0].path
    for name in (path, path.rpartition("/")[2]):
        if finding.summary.startswith(name):
            return finding.summary.removeprefix(name).lstrip(": ")
    return finding.summary


def rest(check: Check) -> str:
    """Say where the rest is, for whoever meets one of the limits."""
    return f"all of them are in audit.json{' and decisions.csv' if check.to_decide else ''}"


def measured(audit: Audit) -> tuple[Checked, ...]:
    """Give the checks that found nothing and have a chart all the same."""
    return tuple(
        row for row in audit.checked if row.outcome.status != "found" and row.outcome.chart
    )


def verdict(audit: Audit) -> str:
    """Say how many checks found something bad: ``1 error, 3 warnings``."""
    errors = _num_found(audit, Severity.error)
    warnings = _num_found(audit, Severity.warning)
    if not errors and not warnings:
        return "No errors, no warnings"
    return f"{plural(errors, 'error')}, {plural(warnings, 'warning')}"


def not_run(audit: Audit) -> str:
    """Say how many checks did not run, lest they be taken for passed; empty where all did."""
    number = sum(row.outcome.status in _NOT_RUN for row in audit.checked)
    return f"{plural(number, 'check')} did not run" if number else ""


def tally(audit: Audit) -> str:
    """Say how all checks ended, in a sentence."""
    ends = Counter(row.outcome.status for row in audit.checked)
    words = {
        "found": "found something",
        "failed": "failed",
        "skipped": "skipped",
        "not applicable": "not applicable",
        "clean": "clean",
    }
    parts = [f"{ends[status]} {words[status]}" for status in _ORDER if ends[status]]
    return f"{plural(len(audit.checked), 'check')}: {', '.join(parts)}."


def _num_found(audit: Audit, severity: Severity) -> int:
    return sum(row.check.severity == severity for row in audit.found)


def _most(checked: Checked) -> int:
    return MOST_ALONE if len(checked.outcome.findings) == 1 else MOST_SIDE_BY_SIDE


def _num_wanted(checked: Checked) -> int:
    shown = checked.outcome.findings[:MOST_PICTURED]
    return sum(min(len(finding.items), _most(checked)) for finding in shown)


def _num_lines(checked: Checked) -> int:
    return sum(1 + len(finding.items) for finding in checked.outcome.findings)


def _section(checked: Checked, num_thumbnails: int, num_lines: int) -> Section:
    findings = checked.outcome.findings
    # Half is kept for findings without pictures, which would else be crowded out by files.
    num_kept = num_lines // 2 if len(findings) > MOST_PICTURED else 0
    lines = _Purse(num_lines - num_kept)
    pictured = tuple(_pictured(findings, _most(checked), _Purse(num_thumbnails), lines))
    further = findings[len(pictured) : len(pictured) + MOST_LISTED]
    listed = _listed(further, _Purse(num_kept + lines.left))
    return Section(checked, pictured, tuple(listed))


def _pictured(
    findings: Sequence[Finding], most: int, thumbnails: _Purse, lines: _Purse
) -> Iterator[Shown]:
    for finding in findings[:MOST_PICTURED]:
        num_wanted = min(len(finding.items), most)
        # Less than two say nothing of what is to be looked at side by side.
        if min(num_wanted, 2) > thumbnails.left:
            return
        num_pictured = thumbnails.take(num_wanted)
        rest = finding.items[num_pictured:]
        named = rest[: lines.take(min(len(rest), MOST_NAMED))]
        yield Shown(finding, finding.items[:num_pictured], named)


def _listed(findings: Sequence[Finding], lines: _Purse) -> Iterator[Shown]:
    for finding in findings:
        if not lines.take(1):
            return
        named = finding.items[: lines.take(min(len(finding.items), MOST_SIDE_BY_SIDE))]
        yield Shown(finding, (), named)


class _Purse:
    """What is left of a share."""

    def __init__(self, share: int) -> None:
        self.left = share

    def take(self, wanted: int) -> int:
        """Take as much of it as there is."""
        taken = min(wanted, self.left)
        self.left -= taken
        return taken
