"""The summary that a report begins with, and `candid train` prints: one statement per result."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from candid.core.text import join_names
from candid.evaluation.baselines import ALIKE, LARGEST_CLASS
from candid.models.decision_rule import DecisionRule
from candid.reporting.number_format import (
    decimals,
    decimals_with_n,
    percent,
    percent_between,
    percent_interval,
    percent_with_interval,
    photo_count,
    points,
    signed_points,
    signed_points_with_unit,
)

if TYPE_CHECKING:
    from candid.evaluation.baselines import Baseline
    from candid.evaluation.estimate import Estimate
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.rare_class import RareClass
    from candid.reporting.report.contents import Contents, Shortcut

#: ``open`` marks what was not measured; it must not look like a good result.
Tone = Literal["good", "bad", "open", "note"]

#: Why nothing was measured.
NO_PHOTO = "There was no photo to test on."

_MOST_NAMED = 6
_RARELY_FOUND = 0.5  # a recall of the rarest class that may be lower than this is a warning
_MOST_COSTS = 3


@dataclass(frozen=True)
class Statement:
    """One result of the summary.

    Attributes:
        tone: How the page marks it.
        title: The result in a few words.
        text: The figures behind it, in sentences.
        section: Id of the page's section with the details.
        brief: The result in one line, for a terminal; empty where there is none to print.
    """

    tone: Tone
    title: str
    text: str
    section: str
    brief: str = ""


def describe_task(classes: tuple[str, ...]) -> str:
    """The classification task: ``Classifies photos into happy and sad``."""
    if len(classes) > _MOST_NAMED:
        return f"Classifies photos into {len(classes)} classes"
    return f"Classifies photos into {join_names(classes, most=_MOST_NAMED)}"


def statements(contents: Contents) -> tuple[Statement, ...]:
    """All statements of the summary, the most important first."""
    evaluation = contents.evaluation
    found = (
        accuracy_statement(evaluation, contents.measured_on),
        worst_class_statement(evaluation, contents.run),
        rule_statement(evaluation),
        baseline_statement(evaluation),
        None if contents.measured_on else leak_tax_statement(evaluation),
        abstention_statement(evaluation),
        shortcut_statement(contents.shortcut),
    )
    return tuple(statement for statement in found if statement is not None)


def measured_by(evaluation: Evaluation) -> str:
    """How the figures to believe were measured: ``on the test part``."""
    if evaluation.kfold is not None:
        return "by grouped cross-validation"
    own = evaluation.own is not None and evaluation.own.has_test
    return "on the folder's own test part" if own else "on the test part"


def accuracy_statement(evaluation: Evaluation, on: str = "") -> Statement:
    """The interval of the accuracy, which estimate it is, and why that one.

    ``on`` replaces how it was measured, for photos from elsewhere.
    """
    accuracy, test = evaluation.believed.accuracy, evaluation.test.accuracy
    if accuracy is None:
        title = "Nothing measured"
        return Statement("open", title, NO_PHOTO, "figures", f"{title}: {NO_PHOTO}")
    how = on or measured_by(evaluation)
    each = "Each" if accuracy.n > 1 else "It"
    text = (
        f"This is the 95 % interval, measured on {photo_count(accuracy.n)} {how}. {each} was "
        "predicted by a model trained on neither it nor a copy of it."
        if evaluation.kfold is not None or on
        else f"This is the 95 % interval, measured on the {photo_count(accuracy.n)} of "
        f"{how.removeprefix('on ')}. "
        f"{evaluation.leak or 'The model was trained on none of them, nor on a copy.'}"
    )
    if evaluation.kfold is not None:
        text += str(evaluation.refits or "")
    if evaluation.kfold is not None and test is not None:
        only = "only " if test.n < accuracy.n else ""
        text += (
            f" The test part alone has {only}{photo_count(test.n)} and gives "
            f"{percent_with_interval(test)}."
        )
    brief = f"Accuracy {decimals_with_n(accuracy)}, {how}"
    if evaluation.leak:
        brief += "; too good, as the model was trained on copies of some of these photos"
        return Statement("bad", f"Accuracy is {percent_between(accuracy)}", text, "figures", brief)
    return Statement("note", f"Accuracy is {percent_between(accuracy)}", text, "figures", brief)


def rule_statement(evaluation: Evaluation) -> Statement | None:
    """How classes are chosen, unless the most probable one is."""
    rule = evaluation.rule
    if rule == DecisionRule():
        return None
    if rule.costs:
        title = chosen = "Classes are chosen by the cost of mistakes"
        costs = [f"{true}→{claimed}={cost:g}" for (true, claimed), cost in rule.costs.items()]
        text = f"The costs are {join_names(costs, most=_MOST_COSTS)}; other mistakes cost 1."
    else:
        title = "Classes are chosen by a threshold"
        text = f"{evaluation.classes[-1]} is predicted above a probability of {rule.threshold:g}."
        chosen = f"{title} of {rule.threshold:g}"
    text += " Accuracy counts every mistake alike, so it is not what the model aims for."
    brief = f"{chosen}, not for the best accuracy."
    return Statement("note", title, text, "confusion", brief)


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
    return Statement(tone, title, text, "figures", rare.to_text())


def worst_class_statement(evaluation: Evaluation, run: str = "RUN") -> Statement | None:
    """The class of which the smallest share is found, unless all are found equally often.

    Of unbalanced classes, it is the rarest one.
    """
    if evaluation.rare is not None:
        return rare_class_statement(evaluation.rare, run)
    recalls = class_recalls(evaluation)
    if len({recall.value for recall in recalls.values()}) < 2:
        return None
    name, recall = min(recalls.items(), key=lambda item: item[1].value)
    found = round(recall.value * recall.n)
    text = (
        f"It finds {found:,} of {photo_count(recall.n)} of {name}: {percent_with_interval(recall)}."
    )
    brief = f"Worst class: {name}, finds {found} of {recall.n}."
    return Statement("note", f"The class missed most often is {name}", text, "figures", brief)


def class_recalls(evaluation: Evaluation) -> dict[str, Estimate]:
    """The recall of every class of which there was a photo."""
    rows = evaluation.believed.per_class
    return {row.name: row.recall for row in rows if row.recall is not None}


def baseline_statement(evaluation: Evaluation) -> Statement:
    """Whether the model is better than every baseline; else, than which it is not, and how surely.

    It is bad only where a failure was measured: a rule is better, or enough photos show no gain
    over always naming the largest class. That too few photos can't tell is no failure.
    """
    baselines = evaluation.baselines
    if not baselines:
        text = "Whether the model is better than a simple rule was not measured."
        title = "Not compared with baselines"
        return Statement("open", title, text, "baselines", f"{title}.")
    unbeaten = [row for row in baselines if not row.beaten]
    if not unbeaten:
        best = max(baselines, key=lambda row: row.accuracy.value)
        title = "Better than every baseline"
        brief = f"{title}{_gain_over(best)} over the best, {best.name}."
        return Statement("good", title, _compare(best), "baselines", brief)
    failing = [row for row in unbeaten if row.unmasks]
    blind = [row for row in unbeaten if row.name == LARGEST_CLASS]
    told = failing or blind or unbeaten
    text = " ".join(map(_compare, unbeaten))
    tone: Tone = "bad" if failing and not _aims_elsewhere(evaluation, failing) else "note"
    if failing and tone == "note":
        text += " Accuracy alone does not say whether this model is of use."
    title = _title_of_unbeaten(told)
    best = max(told, key=lambda row: row.accuracy.value)
    of_several = " over the best of them" if len(told) > 1 else ""
    return Statement(tone, title, text, "baselines", f"{title}{_gain_over(best)}{of_several}.")


def _aims_elsewhere(evaluation: Evaluation, failing: list[Baseline]) -> bool:
    """Whether accuracy does not tell if the model fails.

    With costs or a threshold it is not the aim. And where one class has nearly all photos, naming
    it is hard to beat, though the model tells the classes apart.
    """
    balanced = evaluation.believed.balanced_accuracy
    if evaluation.rule != DecisionRule():
        return True
    apart = balanced is not None and balanced.low > 1 / len(evaluation.classes)
    return apart and all(row.name == LARGEST_CLASS for row in failing)


def _title_of_unbeaten(rows: list[Baseline]) -> str:
    """Worse, as good, or too few photos to tell: the strongest that holds of any of them."""
    worse = [row.name for row in rows if row.verdict == "worse"]
    if worse:
        return f"Worse than {join_names(worse)}"
    names = join_names([row.name for row in rows])
    if any(row.unmasks for row in rows):
        return f"Not shown to be better than {names}"
    if all(row.accuracy.value == 1 and row.gain.value == 0 for row in rows):
        return f"No mistakes, but {names} {'makes' if len(rows) == 1 else 'make'} none either"
    if all(row.verdict == "alike" for row in rows):
        return f"About as good as {names}"
    return f"Too few photos to tell if it is better than {names}"


def _gain_over(row: Baseline) -> str:
    """The gain over a rule with its interval: ``: +7 points (+4 to +10)``."""
    gain = row.gain
    interval = f"{signed_points(gain.low)} to {signed_points(gain.high)}"
    return f": {signed_points_with_unit(gain.value)} ({interval})"


def _compare(row: Baseline) -> str:
    gain = row.gain
    differs = f"{points(gain.value)} {'better' if gain.value > 0 else 'worse'}"
    return (
        f"On the same {photo_count(row.accuracy.n)}, “{row.name}” reaches "
        f"{percent_with_interval(row.accuracy)}; the model is "
        f"{'as good' if signed_points(gain.value) == '0' else differs} "
        f"({signed_points(gain.low)} to {signed_points(gain.high)})."
    )


def kept_together(evaluation: Evaluation) -> str:
    """Where copies are, in a sentence or two."""
    own = evaluation.own
    if own is None:
        return "Copies of a photo were kept in one part."
    if own.mode == "as-is":
        return f"The parts are the folder's own, kept as they are.{evaluation.leak}"
    return (
        "The parts are the folder's own; of a photo with copies in several, only those in the "
        "first of train, val and test were used."
    )


def leak_tax_statement(evaluation: Evaluation) -> Statement:
    """By how much a random split, with copies in different parts, overstates the accuracy."""
    row = evaluation.leak_tax
    if row is None:
        text = (
            f"{kept_together(evaluation)} The accuracy that a random split would give was not "
            "measured."
        )
        return Statement("open", "Leak tax not measured", text, "leak-tax")
    naive, honest = percent(row.naive.value), percent(row.honest.value)
    recipe = f", recipe {evaluation.refits.others}" if evaluation.refits else ""
    source = f"({row.estimate}, {photo_count(row.honest.n)}{recipe})"
    if not row.num_copies:
        title = "No copies among the photos"
        text = f"So a random split leaks nothing; it gives {naive} {source}."
        return Statement("good", title, text, "leak-tax", f"{title}: a random split leaks nothing.")
    size = row.num_images or row.honest.n
    text = (
        f"Accuracy with a random split: {naive}; with copies kept together: {honest} {source}. "
        f"{row.num_copies:,} of {photo_count(size)} show a picture that is there already."
    )
    if row.tax.low > 0:
        title = f"A random split would overstate accuracy by {points(row.tax.value)}"
        said = decimals(row.naive.value)
        brief = f"A random split would say {said}, {points(row.tax.value)} too much: copies leak."
        return Statement("good", title, text, "leak-tax", brief)
    tone: Tone
    if row.tax.high <= ALIKE:
        tone, title = "good", "Copies do not inflate the accuracy"
    else:
        tone, title = "note", "Too few photos to tell whether copies inflate the accuracy"
    kept = "" if evaluation.leak else "; they are kept together"
    return Statement(tone, title, text, "leak-tax", f"{title}{kept}.")


def abstention_statement(evaluation: Evaluation) -> Statement:
    """How often the model is sure, how often it is then correct, and its false alarms."""
    row = evaluation.abstained
    if row is None:
        text = "It predicts one of its classes for every photo, whatever the photo shows."
        title = "The model can't abstain"
        brief = f"{title}: there were too few photos to calibrate it."
        return Statement("open", title, text, "abstaining", brief)
    sure, alarms = row.sure, row.false_alarms
    text = f"It is sure about {_portion(sure)} of {photo_count(sure.n)}"
    brief = f"Sure about {_portion(sure)} of the photos"
    if row.accuracy_when_sure:
        correct = f"{_portion(row.accuracy_when_sure)} of those"
        text += f", and {correct} are correct"
        brief += f", {correct} correct"
    if alarms.value:
        text += f". It wrongly calls {percent(alarms.value)} of the photos unknown."
        brief += f"; {_portion(alarms)} wrongly called unknown"
    else:
        text += ". It calls none of them unknown."
    title = "The model abstains when it is unsure"
    return Statement("note", title, text, "abstaining", f"{brief}.")


def _portion(share: Estimate) -> str:
    """A share in a sentence: ``87 %``, ``all`` or ``none``."""
    return {0.0: "none", 1.0: "all"}.get(share.value, percent(share.value))


def shortcut_statement(found: Shortcut | None) -> Statement:
    """Whether the audit found that the class can be predicted from traits of the file alone."""
    if found is None:
        text = (
            "It is not known whether the class can be predicted from something other than the "
            "picture, such as the size of the file."
        )
        return Statement("open", "No audit of this folder", text, "shortcut")
    if not found.is_checked:
        text = f"The audit of this folder could not check it: {found.summary}."
        return Statement("open", "Shortcuts could not be checked", text, "shortcut")
    guessed = "The class can be guessed from the file alone"
    text = f"By the audit: {found.summary}."
    if found.found:
        traits = join_names(list(filter(None, found.traits)))
        brief = f"{guessed}: {traits}." if traits else f"{guessed}."
        return Statement("bad", guessed, text, "shortcut", brief)
    if found.is_judged:
        title = f"{guessed}, and a person has judged that it may"
        text = "The audit reported it, and decisions.csv keeps it."
        return Statement("note", title, text, "shortcut")
    return Statement("good", "The file alone says little of the class", text, "shortcut")
