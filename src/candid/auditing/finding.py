"""What checks share that look at one photo at a time: who is judged, and how it is told.

What a check is, and what it says: a status, and findings that name files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from candid.auditing.evidence import Evidence
from candid.auditing.properties import PixelProperties, Properties
from candid.core.text import join_names, plural_are

#: How a check ends; each of every run ends in exactly one of these.
Status = Literal["found", "clean", "not applicable", "skipped", "failed"]


class Severity(StrEnum):
    """How bad it is if a check finds something, from bad to harmless.

    ``error``: what is measured or learnt is wrong. ``warning``: it may be, so a person should look.
    ``info``: good to know; nothing has to be done.
    """

    error = "error"
    warning = "warning"
    info = "info"


@dataclass(frozen=True)
class Item:
    """A file in a finding.

    Attributes:
        path: Relative to the data folder, with forward slashes.
        note: What is special about it, shown below its thumbnail: ``labelled sad, looks happy,
            0.97``.
        suggestion: What a person may want to write into the decision column: ``keep``, ``drop``,
            the right class (`candid.data.decisions.class_as_decision`), or nothing.
    """

    path: str
    note: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that a check found: files to be looked at side by side.

    Attributes:
        summary: What it is, in a line that names the files where they are few.
        items: The files; none where it is about a class or the whole folder.
    """

    summary: str
    items: tuple[Item, ...] = ()

    @classmethod
    def of(cls, items: Sequence[Item], what: str) -> Finding:
        """Files of which one thing is to be said: ``a.jpg, b.jpg and 3 more: cut off``."""
        return cls(f"{join_names([item.path for item in items])}: {what}", tuple(items))


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        label: What it stands for.
        value: Its length, in the chart's unit.
        low: Where its 95 % interval begins; None without one.
        high: Where it ends.
        emphasis: Whether the chart is about this bar; the others are there to compare.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


@dataclass(frozen=True)
class Chart:
    """Horizontal bars below one another.

    Attributes:
        title: What is shown.
        bars: The bars, in the order of showing.
        unit: ``share`` (values from 0 to 1, shown as such) or ``count``.
    """

    title: str
    bars: tuple[Bar, ...]
    unit: Literal["share", "count"]


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    Attributes:
        status: One of `Status`.
        summary: One line: what was found, or why the check did not apply or did not run. Mostly
            empty where all is clean.
        findings: What was found, the most important first. None unless ``found``.
        chart: Figures that go with it, whatever the status.
    """

    status: Status
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    chart: Chart | None = None

    @classmethod
    def found(
        cls, summary: str, findings: Sequence[Finding], *, chart: Chart | None = None
    ) -> Outcome:
        """Something was found."""
        return cls("found", summary, tuple(findings), chart)

    @classmethod
    def clean(cls, summary: str = "", *, chart: Chart | None = None) -> Outcome:
        """The check ran and found nothing."""
        return cls("clean", summary, (), chart)

    @classmethod
    def not_applicable(cls, why: str) -> Outcome:
        """The check does not apply to this folder; ``why`` is a clause in one line."""
        return cls("not applicable", why)

    @classmethod
    def skipped(cls, why: str) -> Outcome:
        """The check could not run, or was not asked for."""
        return cls("skipped", why)


@dataclass(frozen=True)
class Check:
    """A check; see `candid.auditing.checks` for all of them.

    Attributes:
        code: What it is called in JSON, in decisions and on the command line. Never changed.
        title: What it looks for, as a heading: ``Same picture in two classes``.
        severity: How bad it is if it finds something.
        remedy: What to do then, in one or two sentences.
        run: Looks at the evidence. It may raise `candid.errors.DependencyError`, which skips it.
        to_decide: Whether its files are listed in decisions.csv; not where there is nothing to do.
    """

    code: str
    title: str
    severity: Severity
    remedy: str
    run: Callable[[Evidence], Outcome]
    to_decide: bool = True


#: Why nothing can be said where no file could be measured.
UNMEASURED: Final = "no photo could be measured"
UNJUDGED: Final = "no photo could be judged: none could be measured, or all are blank"

_LEAST_FOR_A_CLASS = 5  # of fewer, it may be chance that they are in one class
_MOST_IN_ONE_CLASS = 0.75
_MORE_THAN_ITS_SHARE = 1.5
_LEAST_FOR_A_HABIT = 20  # what most of fewer photos have in common can be listed


@dataclass(frozen=True)
class Notable:
    """A photo that a check has something to say about.

    Attributes:
        place: Its place among the photos that can be read.
        note: What is special about it.
        rank: The higher, the more so; the highest are shown first.
    """

    place: int
    note: str
    rank: float


def measured(evidence: Evidence) -> Iterator[tuple[int, Properties]]:
    """The photos whose files could be measured, with their places."""
    for place, photo in enumerate(evidence.photos):
        properties = evidence.properties_of(photo)
        if properties is not None:
            yield place, properties


def seen(evidence: Evidence) -> Iterator[tuple[int, PixelProperties]]:
    """The photos whose pixels could be measured, with their places."""
    for place, properties in measured(evidence):
        if properties.pixels is not None:
            yield place, properties.pixels


def tell(
    evidence: Evidence,
    notable: Sequence[Notable],
    *,
    num_judged: int,
    what: str,
    suggestion: str = "",
    may_be_usual: bool = True,
) -> Outcome:
    """Say which photos are notable.

    Args:
        evidence: Where they are from.
        notable: The photos, in any order.
        num_judged: How many were looked at.
        what: The predicate: ``dark``.
        suggestion: What a person may want to decide about each.
        may_be_usual: Whether it is in one line, about the whole folder, where it is true of most:
            in photos of the night, a thousand findings that it is dark help nobody.

    Returns:
        A finding a picture, copies side by side.
    """
    if not num_judged:
        return Outcome.not_applicable(UNJUDGED)
    if not notable:
        return Outcome.clean()
    places = [row.place for row in notable]
    if may_be_usual and num_judged > _LEAST_FOR_A_HABIT and len(notable) > num_judged / 2:
        summary = f"most photos are {what} ({len(notable)} of {num_judged})"
        told = f"{summary}, so it is the habit of this folder, and they are not listed one by one"
        return Outcome.found(summary + mostly_in(evidence, places), [Finding(told)])
    summary = f"{plural_are(len(notable), 'photo')} {what}{mostly_in(evidence, places)}"
    return Outcome.found(summary, by_picture(evidence, notable, suggestion))


def by_picture(
    evidence: Evidence, notable: Sequence[Notable], suggestion: str = ""
) -> list[Finding]:
    """Findings of a picture each, with those of its copies that are notable too."""
    pictures: dict[int, list[Item]] = {}
    for row in sorted(notable, key=lambda row: (-row.rank, evidence.photos[row.place].content)):
        item = Item(evidence.photos[row.place].path, row.note, suggestion)
        pictures.setdefault(int(evidence.groups.of_photo[row.place]), []).append(item)
    return [
        Finding(f"{items[0].path}: {items[0].note}", tuple(items)) for items in pictures.values()
    ]


def mostly_in(evidence: Evidence, places: Sequence[int]) -> str:
    """Name the class that nearly all of some photos are in, as the end of a line, or nothing.

    A class that has most of all photos anyway is not named.
    """
    labels = Counter(evidence.photos[place].label for place in places)
    name, number = labels.most_common(1)[0]
    of_all = sum(photo.label == name for photo in evidence.photos) / len(evidence.photos)
    share = number / len(places)
    if len(places) < _LEAST_FOR_A_CLASS:
        return ""
    if share < max(_MOST_IN_ONE_CLASS, _MORE_THAN_ITS_SHARE * of_all):
        return ""
    return f"; {'all' if share == 1 else f'{number} of {len(places)}'} are in {name}"
