"""The summary that a report begins with: accuracy, baselines, leak tax, abstention, shortcuts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from candid.core.text import join_names
from candid.reporting.number_format import (
    percent,
    percent_between,
    percent_interval,
    percent_with_interval,
    photo_count,
    points,
    signed_points,
)

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.rare_class import RareClass
    from candid.reporting.report.contents import Contents, Shortcut

#: ``open`` marks what was not measured; it must not look like a good result.
Tone = Literal["good", "bad", "open", "note"]

_MOST_NAMED = 6
_RARELY_FOUND = 0.5  # a recall of the rarest class that may be lower than this is a warning


@dataclass(frozen=True)
class Statement:
    """One result of the summary.

    Attributes:
        tone: How the page marks it.
        title: The result in a few words.
        text: The figures behind it, in sentences.
        section: Id of the page's section with the details.
    """

    tone: Tone
    title: str
    text: str
    section: str


def describe_task(classes: tuple[str, ...]) -> str:
    """The classification task: ``Classifies photos into happy and sad``."""
    if len(classes) > _MOST_NAMED:
        return f"Classifies photos into {len(classes)} classes"
    return f"Classifies photos into {join_names(classes, most=_MOST_NAMED)}"


def statements(contents: Contents) -> tuple[Statement, ...]:
    """All statements of the summary, the most important first."""
    evaluation = contents.evaluation
    rare = evaluation.rare
    return (
        *(() if rare is None else (rare_class_statement(rare, contents.run),)),
        accuracy_statement(evaluation),
        baseline_statement(evaluation.baselines),
        leak_tax_statement(evaluation),
        abstention_statement(evaluation),
        shortcut_statement(contents.shortcut),
    )


def accuracy_statement(evaluation: Evaluation) -> Statement:
    """The interval of the accuracy, which estimate it is, and why that one."""
    accuracy, test = evaluation.believed.accuracy, evaluation.test.accuracy
    if accuracy is None:
        return Statement("open", "Nothing measured", "There was no photo to test on.", "figures")
    estimate = "the test part" if evaluation.kfold is None else "grouped cross-validation"
    text = (
        f"This is the 95 % interval, measured on {photo_count(accuracy.n)} by {estimate}. Each was "
        "predicted by a model trained on neither it nor a copy of it."
    )
    if evaluation.kfold is not None and test is not None:
        text += (
            f" The test part alone has only {photo_count(test.n)} and gives "
            f"{percent_with_interval(test)}."
        )
    return Statement("note", f"Accuracy is {percent_between(accuracy)}", text, "figures")


def rare_class_statement(rare: RareClass, run: str) -> Statement:
    """How many photos of the rarest class are found, and the command that finds more."""
    recall, offer = rare.recall, rare.offer
    text = (
        f"The share is {percent_with_interval(recall)}. Classes are unbalanced: the accuracy says "
        f"little about {rare.name}."
    )
    if offer is not None:
        command = f"candid predict PHOTO --run {shlex.quote(run)} {offer.options}"
        text += (
            f" “{command}” finds {offer.num_found} of {offer.recall.n} "
            f"({percent_interval(offer.recall)}), and calls {offer.num_false:,} of "
            f"{offer.num_others:,} {rare.others} photos {rare.name}; now it is "
            f"{offer.num_false_before:,}. This was counted on folds that the option was not "
            "chosen on."
        )
    tone: Tone = "bad" if recall.low < _RARELY_FOUND else "note"
    title = f"Finds {rare.num_found} of {photo_count(recall.n)} of {rare.name}"
    return Statement(tone, title, text, "figures")


def baseline_statement(baselines: tuple[Baseline, ...]) -> Statement:
    """Whether the model is better than every baseline; else, than which it is not."""
    if not baselines:
        text = "Whether the model is better than a simple rule was not measured."
        return Statement("open", "Not compared with baselines", text, "baselines")
    unbeaten = [row for row in baselines if not row.beaten]
    if unbeaten:
        names = join_names([row.name for row in unbeaten])
        text = " ".join(map(_compare, unbeaten))
        return Statement("bad", f"Not shown to be better than {names}", text, "baselines")
    best = max(baselines, key=lambda row: row.accuracy.value)
    return Statement("good", "Better than every baseline", _compare(best), "baselines")


def _compare(row: Baseline) -> str:
    return (
        f"On the same {photo_count(row.accuracy.n)}, “{row.name}” reaches "
        f"{percent_with_interval(row.accuracy)}; the model is {points(row.gain.value)} "
        f"{'better' if row.gain.value >= 0 else 'worse'} ({signed_points(row.gain.low)} to "
        f"{signed_points(row.gain.high)})."
    )


def leak_tax_statement(evaluation: Evaluation) -> Statement:
    """By how much a random split, with copies in different parts, overstates the accuracy."""
    row = evaluation.leak_tax
    if row is None:
        text = (
            "Copies of a photo were kept in one part. The accuracy that a random split would give "
            "was not measured."
        )
        return Statement("open", "Leak tax not measured", text, "leak-tax")
    source = f"({row.estimate}, {photo_count(row.honest.n)})"
    if not row.num_copies and not row.tax.value:
        text = f"A random split gives the same accuracy, {percent(row.honest.value)} {source}."
        return Statement("good", "No copies among the photos", text, "leak-tax")
    title = "Copies do not inflate the accuracy"
    if row.tax.low > 0:
        title = f"A random split would overstate accuracy by {points(row.tax.value)}"
    text = (
        f"Accuracy with a random split: {percent(row.naive.value)}; with copies kept together: "
        f"{percent(row.honest.value)} {source}."
    )
    return Statement("good", title, text, "leak-tax")


def abstention_statement(evaluation: Evaluation) -> Statement:
    """How often the model is sure, how often it is then correct, and its false alarms."""
    row = evaluation.abstained
    if row is None:
        text = "It predicts one of its classes for every photo, whatever the photo shows."
        return Statement("open", "The model can't abstain", text, "abstaining")
    correct = row.accuracy_when_sure
    of_these = f", and {percent(correct.value)} of those are correct" if correct else ""
    text = (
        f"It is sure about {percent(row.sure.value)} of {photo_count(row.sure.n)}{of_these}. "
        f"It wrongly calls {percent(row.false_alarms.value)} of the photos unknown."
    )
    return Statement("note", "The model abstains when it is unsure", text, "abstaining")


def shortcut_statement(found: Shortcut | None) -> Statement:
    """Whether the audit found that the class can be predicted without the picture."""
    if found is None:
        text = (
            "It is not known whether the class can be predicted from something other than the "
            "picture, such as the size of the file."
        )
        return Statement("open", "No audit of this folder", text, "shortcut")
    if found.found:
        return Statement("bad", "The audit found a shortcut", found.summary, "shortcut")
    return Statement("good", "The audit found no shortcut", found.summary, "shortcut")
