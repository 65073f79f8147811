"""What a check is, and what it says: a status, and findings that name files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from candid.wording import name_some

if TYPE_CHECKING:
    from candid.auditing.evidence import Evidence

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
            the right class (`candid.decisions.class_as_decision`), or nothing.
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
        return cls(f"{name_some([item.path for item in items])}: {what}", tuple(items))


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
