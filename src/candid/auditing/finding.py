"""Checks, their outcomes and findings, and how checks of single photos report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from candid.auditing.evidence import Evidence
from candid.core.text import join_names, plural_are

#: How a check ends; every check of every audit ends in exactly one of these.
Status = Literal["found", "clean", "not applicable", "skipped", "failed"]


class Severity(StrEnum):
    """Severity of a check's findings.

    ``error``: training or measurement will be wrong. ``warning``: it may be; a person should look.
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
        note: Shown below its thumbnail: ``labelled sad, predicted happy, 0.97``.
        suggestion: Suggested value of the decision column: ``keep``, ``drop``, the right class
            (`candid.data.decisions.class_as_decision`), or nothing.
    """

    path: str
    note: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Finding:
    """One problem that a check found.

    Attributes:
        summary: One line that names the first few files.
        items: The files; none if it is about a class or the whole folder.
        about: What a decision about the whole folder is about, as `about_all` writes it; empty if
            there is nothing to decide.
        suggestion: Suggested value of the decision column for it.
    """

    summary: str
    items: tuple[Item, ...] = ()
    about: str = ""
    suggestion: str = ""

    @classmethod
    def of(cls, items: Sequence[Item], what: str) -> Finding:
        """Files, then what is wrong: ``a.jpg, b.jpg and 3 more: cut off``."""
        return cls(f"{join_names([item.path for item in items])}: {what}", tuple(items))

    @classmethod
    def naming(cls, what: str, items: Sequence[Item]) -> Finding:
        """What is wrong, then the files: ``the same picture: a.jpg and b.jpg``."""
        return cls(f"{what}: {join_names([item.path for item in items])}", tuple(items))


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: a value with its 95 % interval, if any, in the chart's unit.

    ``emphasis`` marks the bars that the chart is about; the others are for comparison.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    emphasis: bool = False


@dataclass(frozen=True)
class Chart:
    """A horizontal bar chart of shares (0 to 1) or counts, from top to bottom."""

    title: str
    bars: tuple[Bar, ...]
    unit: Literal["share", "count"]


@dataclass(frozen=True)
class Outcome:
    """How a check ended.

    Attributes:
        status: One of `Status`.
        summary: One line: what was found, or why the check did not apply or did not run. Mostly
            empty if clean.
        findings: Most important first. None unless ``found``.
        chart: Figures that go with it, whatever the status.
        num_kept: Number of findings that a person decided to keep; they are not in `findings`.
    """

    status: Status
    summary: str = ""
    findings: tuple[Finding, ...] = ()
    chart: Chart | None = None
    num_kept: int = 0

    @classmethod
    def from_findings(
        cls, summary: str, findings: Sequence[Finding], *, chart: Chart | None = None
    ) -> Outcome:
        """``found``; without findings ``clean``, and then without the summary."""
        if not findings:
            return cls.clean(chart=chart)
        return cls("found", summary, tuple(findings), chart)

    @classmethod
    def clean(cls, summary: str = "", *, chart: Chart | None = None) -> Outcome:
        """The check ran and found nothing."""
        return cls("clean", summary, (), chart)

    @classmethod
    def not_applicable(cls, why: str) -> Outcome:
        """The check does not apply to this folder; ``why`` is one clause."""
        return cls("not applicable", why)


@dataclass(frozen=True)
class Check:
    """A check; see `candid.auditing.checks` for all of them.

    Attributes:
        code: Its name in JSON, decisions and on the command line. Never changed.
        title: What it looks for, as a heading: ``Same picture in two classes``.
        severity: Severity of its findings.
        remedy: What to do about them, in one or two sentences.
        run: The check itself. It may raise `candid.errors.DependencyError`, which skips it.
        to_decide: Whether its files are listed in decisions.csv; not if nothing can be decided.
        by_picture: Whether a person judges by what the picture shows, so that a decision is about
            all copies in a finding, and typical photos of the classes help.
        learns: Whether it fits models: it runs in a thread beside the others, and reads no cache.
    """

    code: str
    title: str
    severity: Severity
    remedy: str
    run: Callable[[Evidence], Outcome]
    to_decide: bool = True
    by_picture: bool = False
    learns: bool = False


#: Why checks of files do not apply if no file could be measured.
UNMEASURED: Final = "no photo could be measured"
_NOT_JUDGED: Final = "no photo could be judged: none could be measured, or all are blank"

_MIN_FOR_CLASS = 5  # fewer may be in one class by chance
_MIN_SHARE_IN_CLASS = 0.75
_MIN_OVERREPRESENTATION = 1.5
_MAX_LISTED_IF_USUAL = 20  # what most photos have in common is listed up to this many


@dataclass(frozen=True)
class FlaggedPhoto:
    """A photo that a check reports; the highest rank is shown first."""

    index: int
    note: str
    rank: float


def report_photos(
    evidence: Evidence,
    flagged: Sequence[FlaggedPhoto],
    *,
    num_judged: int,
    what: str,
    suggestion: str = "",
    may_be_usual: bool = True,
) -> Outcome:
    """Report flagged photos, one finding per picture with its copies.

    ``what`` is the predicate: ``dark``. If ``may_be_usual`` and most photos are flagged, such as
    dark photos in a folder of night scenes, one finding about the whole folder is reported.
    """
    if not num_judged:
        return Outcome.not_applicable(_NOT_JUDGED)
    if not flagged:
        return Outcome.clean()
    where = name_dominant_class(evidence, [row.index for row in flagged])
    if may_be_usual and num_judged > _MAX_LISTED_IF_USUAL and len(flagged) > num_judged / 2:
        summary = f"most photos are {what} ({len(flagged)} of {num_judged})"
        finding = Finding(f"{summary}; as this is usual here, they are not listed one by one")
        return Outcome.from_findings(summary + where, [finding])
    summary = f"{plural_are(len(flagged), 'photo')} {what}{where}"
    return Outcome.from_findings(summary, group_by_picture(evidence, flagged, suggestion))


def group_by_picture(
    evidence: Evidence, flagged: Sequence[FlaggedPhoto], suggestion: str = ""
) -> list[Finding]:
    """One finding per picture, with all of its flagged copies."""
    pictures: dict[int, list[Item]] = {}
    for row in sorted(flagged, key=lambda row: (-row.rank, evidence.photos[row.index].content)):
        item = Item(evidence.photos[row.index].path, row.note, suggestion)
        pictures.setdefault(int(evidence.groups.of_photo[row.index]), []).append(item)
    return [
        Finding(f"{items[0].path}: {items[0].note}", tuple(items)) for items in pictures.values()
    ]


def name_dominant_class(evidence: Evidence, indices: Sequence[int]) -> str:
    """Name the class of nearly all given photos, as the end of a line; empty if there is none.

    A class that holds most of all photos anyway is not named.
    """
    labels = Counter(evidence.photos[index].label for index in indices)
    name, number = labels.most_common(1)[0]
    share_of_all = sum(photo.label == name for photo in evidence.photos) / len(evidence.photos)
    share = number / len(indices)
    min_share = max(_MIN_SHARE_IN_CLASS, _MIN_OVERREPRESENTATION * share_of_all)
    if len(indices) < _MIN_FOR_CLASS or share < min_share:
        return ""
    return f"; {'all' if share == 1 else f'{number} of {len(indices)}'} are in {name}"
