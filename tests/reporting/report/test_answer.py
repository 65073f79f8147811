"""What a report says first."""

from __future__ import annotations

from dataclasses import replace

from candid.evaluation.estimate import Estimate
from candid.reporting.report.answer import (
    abstaining,
    beaten,
    how_sure,
    leak_tax,
    shortcut,
    statements,
    what_it_does,
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


def test_classes_are_named_while_they_are_few() -> None:
    assert what_it_does(("happy", "sad")) == "Tells photos of happy and sad apart"
    assert what_it_does(("a", "b", "c")) == "Tells photos of a, b and c apart"
    assert what_it_does(tuple(map(str, range(24)))) == "Tells photos of 24 classes apart"


def test_how_sure_it_is_names_the_estimate_to_believe_and_why() -> None:
    evaluation = make_contents().evaluation
    text = plain(how_sure(evaluation).text)
    assert "Measured on 300 photos by grouped cross-validation" in text
    assert "Believe it before the test part, which has only 30 photos and says" in text
    alone = plain(how_sure(bare_contents().evaluation).text)
    assert "Measured on 40 photos by the test part" in alone
    assert "Believe" not in alone
    assert how_sure(empty_contents().evaluation).tone == "open"


def test_better_than_all_rules_is_good_and_names_the_best_of_them() -> None:
    statement = beaten(make_baselines(0.86, 300, 2))
    assert statement.tone == "good"
    assert "“nearest neighbour” has 76 %" in plain(statement.text)
    assert "10 points more (+5.3 to +15)" in plain(statement.text)


def test_one_rule_that_is_not_beaten_is_a_warning_that_names_it() -> None:
    rows = make_baselines(0.86, 300, 2)
    level = replace(rows[1], gain=Estimate(-0.01, -0.03, 0.01, 300))
    statement = beaten((rows[0], level, rows[2]))
    assert statement.tone == "bad"
    assert statement.title == "Not shown to be better than brightness and colour alone"
    assert "1 point less (−3 to +1)" in plain(statement.text)


def test_a_gain_that_begins_at_nothing_is_not_a_gain() -> None:
    rows = make_baselines(0.86, 300, 2)
    assert beaten((replace(rows[0], gain=Estimate(0.02, 0.0, 0.04, 300)),)).tone == "bad"


def test_the_leak_tax_says_what_a_random_split_would_have_said() -> None:
    evaluation = make_contents().evaluation
    tax = evaluation.leak_tax
    assert tax is not None
    statement = leak_tax(evaluation)
    assert plain(statement.title) == "3.7 points of self-deception avoided"
    said = f"A random split would have said {tax.naive.value:.0%}; it is {tax.honest.value:.0%}"
    assert said.replace("%", " %") in plain(statement.text)
    none = replace(tax, naive=tax.honest, tax=Estimate(0.0, -0.01, 0.01, 300))
    assert leak_tax(replace(evaluation, leak_tax=none)).title == "There are no copies"
    copies = replace(none, num_copies=90, tax=Estimate(0.003, -0.01, 0.01, 300))
    statement = leak_tax(replace(evaluation, leak_tax=copies))
    assert statement.title == "Copies do not flatter the figure"


def test_abstaining_says_what_it_brings() -> None:
    text = plain(abstaining(make_contents().evaluation).text)
    assert "It is sure about 87 % of 300 photos, and 94 % of those are right." in text
    assert "5 % of these familiar photos it calls unknown." in text
    row = make_contents().evaluation.abstained
    assert row is not None
    none_sure = replace(make_contents().evaluation, abstained=replace(row, accuracy_when_sure=None))
    assert "right" not in abstaining(none_sure).text


def test_a_shortcut_is_bad_no_shortcut_good_and_no_audit_open() -> None:
    row = Shortcut("summary", (), True, "runs/a")
    assert shortcut(row).tone == "bad"
    assert shortcut(replace(row, found=False)).tone == "good"
    assert shortcut(None).tone == "open"


def test_what_nobody_measured_is_open_and_never_good() -> None:
    tones = [statement.tone for statement in statements(bare_contents())]
    assert tones == ["note", "open", "open", "open", "open"]


def test_without_cross_validation_of_any_photo_nothing_is_compared() -> None:
    contents = make_contents()
    none = make_measures(empty_contents().predictions)
    lonely = replace(contents.evaluation, test=none)
    assert "Believe" not in how_sure(lonely).text
