"""The answer that a report begins with: how good, how sure, better than what, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from candid.core.text import join_names
from candid.reporting.number_format import (
    between,
    capitalised,
    percent,
    photos,
    points,
    said,
    signed_points,
)

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.evaluation import Evaluation
    from candid.reporting.report.contents import Contents, Shortcut

#: ``open`` is what nobody has looked at: it must not look like what was found good.
Tone = Literal["good", "bad", "open", "note"]

_MOST_NAMED = 6


@dataclass(frozen=True)
class Statement:
    """One thing to know.

    Attributes:
        tone: How it is to be taken.
        title: What it says, in a few words.
        text: The figures behind it, in sentences.
        section: The section of the page that has more of it.
    """

    tone: Tone
    title: str
    text: str
    section: str


def what_it_does(classes: tuple[str, ...]) -> str:
    """Say what a classifier tells apart."""
    if len(classes) > _MOST_NAMED:
        return f"Tells photos of {len(classes)} classes apart"
    return f"Tells photos of {join_names(classes, most=_MOST_NAMED)} apart"


def statements(contents: Contents) -> tuple[Statement, ...]:
    """Say all there is to say at first, the most important first."""
    evaluation = contents.evaluation
    return (
        how_sure(evaluation),
        beaten(evaluation.baselines),
        leak_tax(evaluation),
        abstaining(evaluation),
        shortcut(contents.shortcut),
    )


def how_sure(evaluation: Evaluation) -> Statement:
    """Say how sure the figure is, which estimate it is of, and why that one."""
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return Statement(
            "open", "Nothing to measure on", "There was no photo to test on.", "figures"
        )
    text = f"With 95 % confidence. Measured on {photos(accuracy.n)} by {_believe(evaluation)}"
    return Statement("note", f"The truth is {between(accuracy)}", text, "figures")


def _believe(evaluation: Evaluation) -> str:
    seen = "each answered by a model that saw neither it nor a copy of it."
    if evaluation.kfold is None:
        return f"the test part, {seen}"
    test = evaluation.test.accuracy
    if test is None:
        return f"grouped cross-validation, {seen}"
    return (
        f"grouped cross-validation, {seen} Believe it before the test part, which has only "
        f"{photos(test.n)} and says {said(test)}."
    )


def beaten(baselines: tuple[Baseline, ...]) -> Statement:
    """Say which simple rules it beats, and plainly which not."""
    if not baselines:
        text = "Whether it is better than doing nothing was not measured."
        return Statement("open", "Not compared with simple rules", text, "baselines")
    unbeaten = [row for row in baselines if not row.beaten]
    if unbeaten:
        names = join_names([row.name for row in unbeaten])
        text = " ".join(map(_compare, unbeaten))
        return Statement("bad", f"Not shown to be better than {names}", text, "baselines")
    best = max(baselines, key=lambda row: row.accuracy.value)
    return Statement("good", "Better than every simple rule", _compare(best), "baselines")


def _compare(row: Baseline) -> str:
    more = "more" if row.gain.value >= 0 else "less"
    return (
        f"On the same {photos(row.accuracy.n)} the rule “{row.name}” has {said(row.accuracy)}; the "
        f"model has {points(row.gain.value)} {more} ({signed_points(row.gain.low)} to "
        f"{signed_points(row.gain.high)})."
    )


def leak_tax(evaluation: Evaluation) -> Statement:
    """Say what a random split would have claimed."""
    row = evaluation.leak_tax
    if row is None:
        text = "Copies of a photo were kept together; what a random split would have claimed was "
        return Statement("open", "Leak tax not measured", text + "not measured.", "leak-tax")
    text = (
        f"A random split would have said {percent(row.naive.value)}; it is "
        f"{percent(row.honest.value)} ({row.estimate}, {photos(row.honest.n)})."
    )
    if not row.num_copies and not row.tax.value:
        text = f"A random split would have said the same, {percent(row.honest.value)}"
        text = f"{text} ({row.estimate}, {photos(row.honest.n)})."
        return Statement("good", "There are no copies", text, "leak-tax")
    if row.tax.low > 0:
        return Statement(
            "good",
            f"{capitalised(points(row.tax.value))} of self-deception avoided",
            text,
            "leak-tax",
        )
    return Statement("good", "Copies do not flatter the figure", text, "leak-tax")


def abstaining(evaluation: Evaluation) -> Statement:
    """Say what it brings that it may say that it does not know."""
    row = evaluation.abstained
    if row is None:
        text = "It answers one of its classes for every photo, whatever that shows."
        return Statement("open", "It can't say that it does not know", text, "abstaining")
    right = row.accuracy_when_sure
    of_these = f", and {percent(right.value)} of those are right" if right else ""
    text = (
        f"It is sure about {percent(row.sure.value)} of {photos(row.sure.n)}{of_these}. "
        f"{percent(row.false_alarms.value)} of these familiar photos it calls unknown."
    )
    return Statement("note", "It says when it does not know", text, "abstaining")


def shortcut(found: Shortcut | None) -> Statement:
    """Say whether the classes are told by the file and not by the picture."""
    if found is None:
        text = (
            "Whether something beside what is in the pictures gives the classes away is not known."
        )
        return Statement("open", "No audit of this folder", text, "shortcut")
    if found.found:
        return Statement("bad", "There is a shortcut in the photos", found.summary, "shortcut")
    return Statement("good", "The audit found no shortcut", found.summary, "shortcut")
