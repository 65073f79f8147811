"""The summary of a report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from candid.evaluation.baselines import Baseline
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.rare_class import Offer, RareClass
from candid.models.decision_rule import DecisionRule
from candid.reporting.report.answer import (
    abstention_statement,
    accuracy_statement,
    baseline_statement,
    describe_task,
    leak_tax_statement,
    rare_class_statement,
    rule_statement,
    shortcut_statement,
    statements,
    worst_class_statement,
)
from candid.reporting.report.contents import Shortcut
from tests.reporting.report.made import (
    bare_contents,
    empty_contents,
    make_baselines,
    make_contents,
    make_measures,
    share,
)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_task_names_the_classes_while_they_are_few() -> None:
    assert describe_task(("happy", "sad")) == "Classifies photos into happy and sad"
    assert describe_task(("a", "b", "c")) == "Classifies photos into a, b and c"
    assert describe_task(tuple(map(str, range(24)))) == "Classifies photos into 24 classes"


RARE = RareClass(
    "rare",
    "common",
    Estimate(1 / 12, 0.015, 0.354, 12),
    1,
    Offer("--threshold 0.2", Estimate(10 / 12, 0.55, 0.95, 12), 10, 9, 0, 300),
)


def test_a_rare_class_leads_with_the_command_that_finds_more_and_what_it_costs() -> None:
    contents = make_contents()
    assert all("Finds" not in row.title for row in statements(contents))
    contents = replace(contents, evaluation=replace(contents.evaluation, rare=RARE))
    first = statements(contents)[1]  # after the accuracy
    assert first.tone == "bad"
    assert plain(first.title) == "Finds 1 of 12 photos of rare"
    assert f"candid predict PHOTO --run {contents.run} --threshold 0.2" in first.text
    assert "finds 10 of 12 (55 to 95 %), and calls 9 of 300 common photos rare" in plain(first.text)
    often = replace(RARE, recall=Estimate(0.9, 0.8, 0.95, 60), num_found=54, offer=None)
    assert rare_class_statement(often, "runs/a").tone == "note"
    assert "candid predict" not in rare_class_statement(often, "runs/a").text


def test_the_accuracy_is_of_the_estimate_to_believe_and_the_other_is_named() -> None:
    evaluation = make_contents().evaluation
    text = plain(accuracy_statement(evaluation).text)
    assert "measured on 300 photos by grouped cross-validation" in text
    assert "The test part alone has only 30 photos and gives" in text
    alone = plain(accuracy_statement(bare_contents().evaluation).text)
    assert "measured on the 40 photos of the test part" in alone
    assert "alone" not in alone
    assert accuracy_statement(empty_contents().evaluation).tone == "open"


def with_baselines(*rows: Baseline) -> Evaluation:
    return replace(make_contents().evaluation, baselines=rows)


def against(name: str, gain: Estimate, *, accuracy: float = 0.8) -> Evaluation:
    """Compared with one rule."""
    return with_baselines(Baseline(name, share(accuracy, gain.n), gain))


def test_better_than_all_baselines_is_good_and_names_the_best_of_them() -> None:
    statement = baseline_statement(with_baselines(*make_baselines(0.86, 300, 2)))
    assert statement.tone == "good"
    assert "“nearest neighbour” reaches 76 %" in plain(statement.text)
    assert "10 points better (+5.3 to +15)" in plain(statement.text)


@pytest.mark.parametrize(
    ("evaluation", "tone", "title"),
    [
        (
            against("nearest neighbour", Estimate(-0.09, -0.15, -0.03, 300)),
            "bad",
            "Worse than nearest neighbour",
        ),
        (
            against("nearest neighbour", Estimate(0.05, -0.01, 0.11, 60)),
            "note",
            "Too few photos to tell if it is better than nearest neighbour",
        ),
        (
            against("nearest neighbour", Estimate(-0.01, -0.03, 0.0, 60)),
            "note",
            "About as good as nearest neighbour",
        ),
        (
            against("nearest neighbour", Estimate(0.0, -0.03, 0.03, 60), accuracy=1.0),
            "note",
            "No mistakes, but nearest neighbour makes none either",
        ),
        (
            against("always the largest class", Estimate(0.1, -0.3, 0.5, 10)),
            "note",
            "Too few photos to tell if it is better than always the largest class",
        ),
    ],
)
def test_worse_is_told_from_too_few_photos_to_tell(
    evaluation: Evaluation, tone: str, title: str
) -> None:
    statement = baseline_statement(evaluation)
    assert (statement.tone, statement.title) == (tone, title)
    assert statement.brief.startswith(title)


def test_no_gain_over_guessing_is_a_failure_unless_the_classes_are_told_apart() -> None:
    evaluation = against("always the largest class", Estimate(0.01, -0.05, 0.07, 300))
    assert baseline_statement(evaluation).tone == "note", "balanced accuracy says it tells them"
    assert evaluation.kfold is not None
    blind = replace(evaluation.kfold, balanced_accuracy=Estimate(0.5, 0.45, 0.55, 300))
    assert baseline_statement(replace(evaluation, kfold=blind)).tone == "bad"


def test_a_model_with_costs_does_not_fail_by_its_accuracy() -> None:
    worse = against("nearest neighbour", Estimate(-0.09, -0.15, -0.03, 300))
    rule = DecisionRule(costs={("sad", "happy"): 5.0})
    statement = baseline_statement(replace(worse, rule=rule))
    assert (statement.tone, statement.title) == ("note", "Worse than nearest neighbour")
    chosen = rule_statement(replace(worse, rule=rule))
    assert chosen is not None
    assert "sad→happy=5" in chosen.text
    threshold = rule_statement(replace(worse, rule=DecisionRule(threshold=0.9)))
    assert threshold is not None
    assert "sad is predicted above a probability of 0.9" in threshold.text
    assert rule_statement(worse) is None


def test_the_worst_class_is_named_where_one_is_worse() -> None:
    evaluation = make_contents().evaluation
    assert evaluation.kfold is not None
    rows = evaluation.kfold.per_class
    level = [replace(row, recall=share(0.9, 100)) for row in rows]
    few = [level[0], replace(level[1], recall=share(0.25, 12))]
    kfold = replace(evaluation.kfold, per_class=tuple(few))
    statement = worst_class_statement(replace(evaluation, kfold=kfold))
    assert statement is not None
    assert statement.brief == "Worst class: sad, finds 3 of 12."
    kfold = replace(evaluation.kfold, per_class=tuple(level))
    assert worst_class_statement(replace(evaluation, kfold=kfold)) is None


def test_the_leak_tax_has_the_accuracy_of_a_random_split() -> None:
    evaluation = make_contents().evaluation
    tax = evaluation.leak_tax
    assert tax is not None
    statement = leak_tax_statement(evaluation)
    assert plain(statement.title) == "A random split would overstate accuracy by 3.7 points"
    text = f"random split: {tax.naive.value:.0%}; with copies kept together: {tax.honest.value:.0%}"
    assert text.replace("%", " %") in plain(statement.text)
    none = replace(tax, naive=tax.honest, tax=Estimate(0.0, 0.0, 0.0, 300), num_copies=0)
    assert (
        leak_tax_statement(replace(evaluation, leak_tax=none)).title == "No copies among the photos"
    )
    copies = replace(none, num_copies=90, tax=Estimate(0.003, -0.01, 0.01, 300))
    statement = leak_tax_statement(replace(evaluation, leak_tax=copies))
    assert statement.title == "Copies do not inflate the accuracy"
    wide = replace(copies, tax=Estimate(0.003, -0.05, 0.06, 300))
    statement = leak_tax_statement(replace(evaluation, leak_tax=wide))
    assert statement.title == "Too few photos to tell whether copies inflate the accuracy"
    assert statement.tone == "note"


def test_abstention_has_the_share_and_accuracy_of_sure_predictions() -> None:
    text = plain(abstention_statement(make_contents().evaluation).text)
    assert "It is sure about 87 % of 300 photos, and 94 % of those are correct." in text
    assert "It wrongly calls 5 % of the photos unknown." in text
    row = make_contents().evaluation.abstained
    assert row is not None
    none_sure = replace(make_contents().evaluation, abstained=replace(row, accuracy_when_sure=None))
    assert "correct" not in abstention_statement(none_sure).text


def test_a_shortcut_is_bad_no_shortcut_good_and_no_audit_open() -> None:
    row = Shortcut("summary", (), True, "runs/a", traits=("file size", "camera"))
    assert shortcut_statement(row).tone == "bad"
    assert shortcut_statement(row).brief.endswith("the file alone: file size and camera.")
    assert shortcut_statement(replace(row, found=False)).tone == "good"
    assert shortcut_statement(None).tone == "open"


def test_a_shortcut_that_a_person_has_judged_is_no_warning() -> None:
    statement = shortcut_statement(Shortcut("1 kept", (), False, "runs/a", is_judged=True))
    assert statement.tone == "note"
    assert "a person has judged" in statement.title


def test_a_check_that_could_not_run_is_not_a_missing_audit() -> None:
    statement = shortcut_statement(Shortcut("too few", (), False, "runs/a", is_checked=False))
    assert statement.tone == "open"
    assert statement.title == "Shortcuts could not be checked"
    assert "too few" in statement.text


def test_what_was_not_measured_is_open_and_never_good() -> None:
    tones = [statement.tone for statement in statements(bare_contents())]
    assert tones == ["note", "note", "open", "open", "open", "open"]


def test_an_empty_test_part_is_not_mentioned() -> None:
    contents = make_contents()
    none = make_measures(empty_contents().predictions)
    lonely = replace(contents.evaluation, test=none)
    assert "alone" not in accuracy_statement(lonely).text
