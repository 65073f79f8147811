"""Classes of very different sizes."""

from __future__ import annotations

from candid.auditing.checks.classes import IMBALANCE as CHECK
from tests.auditing.made import make_evidence


def test_it_finds_a_class_of_less_than_a_third() -> None:
    outcome = CHECK.run(make_evidence("a" * 40 + "b" * 10))
    assert outcome.summary == "a has 4.0 times as many different pictures as b"
    assert [finding.summary for finding in outcome.findings] == [
        "b (10) has less than a third of the 40 different pictures of a; always saying a would be "
        "right for 80 % of all"
    ]
    assert outcome.chart is not None
    assert [bar.value for bar in outcome.chart.bars] == [40, 10]


def test_of_several_small_classes_the_smallest_come_first() -> None:
    outcome = CHECK.run(make_evidence("a" * 40 + "b" * 10 + "c" * 4 + "d" * 30))
    assert outcome.findings[0].summary.startswith("c (4) and b (10) have less than a third")


def test_it_stays_quiet_up_to_three_to_one_and_shows_the_counts() -> None:
    outcome = CHECK.run(make_evidence("a" * 30 + "b" * 10))
    assert outcome.status == "clean"
    assert outcome.chart is not None


def test_pictures_count_and_not_their_copies() -> None:
    pictures = [i // 4 for i in range(40)] + [10 + i for i in range(10)]
    assert CHECK.run(make_evidence("a" * 40 + "b" * 10, pictures=pictures)).status == "clean"


def test_it_is_not_applicable_to_one_class() -> None:
    outcome = CHECK.run(make_evidence("aaa"))
    assert outcome.status == "not applicable"
    assert outcome.summary == "there is only one class with photos"
