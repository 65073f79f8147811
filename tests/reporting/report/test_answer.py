"""The summary of a report."""

from __future__ import annotations

from dataclasses import replace

from candid.evaluation.estimate import Estimate
from candid.evaluation.rare_class import Offer, RareClass
from candid.reporting.report.answer import (
    abstention_statement,
    accuracy_statement,
    baseline_statement,
    describe_task,
    leak_tax_statement,
    rare_class_statement,
    shortcut_statement,
    statements,
)
from candid.reporting.report.contents import Shortcut
from tests.reporting.report.made import (
    bare_contents,
    empty_contents,
    make_baselines,
    make_contents,
    make_measures,
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


def test_a_rare_class_comes_first_with_the_command_that_finds_more_and_what_it_costs() -> None:
    contents = make_contents()
    assert all("Finds" not in row.title for row in statements(contents))
    contents = replace(contents, evaluation=replace(contents.evaluation, rare=RARE))
    first = statements(contents)[0]
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
    assert "measured on 40 photos by the test part" in alone
    assert "alone" not in alone
    assert accuracy_statement(empty_contents().evaluation).tone == "open"


def test_better_than_all_baselines_is_good_and_names_the_best_of_them() -> None:
    statement = baseline_statement(make_baselines(0.86, 300, 2))
    assert statement.tone == "good"
    assert "“nearest neighbour” reaches 76 %" in plain(statement.text)
    assert "10 points better (+5.3 to +15)" in plain(statement.text)


def test_a_baseline_that_is_not_beaten_is_a_warning_that_names_it() -> None:
    rows = make_baselines(0.86, 300, 2)
    level = replace(rows[1], gain=Estimate(-0.01, -0.03, 0.01, 300))
    statement = baseline_statement((rows[0], level, rows[2]))
    assert statement.tone == "bad"
    assert statement.title == "Not shown to be better than brightness and colour alone"
    assert "1 point worse (−3 to +1)" in plain(statement.text)


def test_a_gain_whose_interval_starts_at_zero_is_not_a_gain() -> None:
    rows = make_baselines(0.86, 300, 2)
    assert (
        baseline_statement((replace(rows[0], gain=Estimate(0.02, 0.0, 0.04, 300)),)).tone == "bad"
    )


def test_the_leak_tax_has_the_accuracy_of_a_random_split() -> None:
    evaluation = make_contents().evaluation
    tax = evaluation.leak_tax
    assert tax is not None
    statement = leak_tax_statement(evaluation)
    assert plain(statement.title) == "A random split would overstate accuracy by 3.7 points"
    text = f"random split: {tax.naive.value:.0%}; with copies kept together: {tax.honest.value:.0%}"
    assert text.replace("%", " %") in plain(statement.text)
    none = replace(tax, naive=tax.honest, tax=Estimate(0.0, -0.01, 0.01, 300))
    assert (
        leak_tax_statement(replace(evaluation, leak_tax=none)).title == "No copies among the photos"
    )
    copies = replace(none, num_copies=90, tax=Estimate(0.003, -0.01, 0.01, 300))
    statement = leak_tax_statement(replace(evaluation, leak_tax=copies))
    assert statement.title == "Copies do not inflate the accuracy"


def test_abstention_has_the_share_and_accuracy_of_sure_predictions() -> None:
    text = plain(abstention_statement(make_contents().evaluation).text)
    assert "It is sure about 87 % of 300 photos, and 94 % of those are correct." in text
    assert "It wrongly calls 5 % of the photos unknown." in text
    row = make_contents().evaluation.abstained
    assert row is not None
    none_sure = replace(make_contents().evaluation, abstained=replace(row, accuracy_when_sure=None))
    assert "correct" not in abstention_statement(none_sure).text


def test_a_shortcut_is_bad_no_shortcut_good_and_no_audit_open() -> None:
    row = Shortcut("summary", (), True, "runs/a")
    assert shortcut_statement(row).tone == "bad"
    assert shortcut_statement(replace(row, found=False)).tone == "good"
    assert shortcut_statement(None).tone == "open"


def test_what_was_not_measured_is_open_and_never_good() -> None:
    tones = [statement.tone for statement in statements(bare_contents())]
    assert tones == ["note", "open", "open", "open", "open"]


def test_an_empty_test_part_is_not_mentioned() -> None:
    contents = make_contents()
    none = make_measures(empty_contents().predictions)
    lonely = replace(contents.evaluation, test=none)
    assert "alone" not in accuracy_statement(lonely).text
