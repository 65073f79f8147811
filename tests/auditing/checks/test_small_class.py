"""Classes with too few pictures to be tested."""

from __future__ import annotations

import dataclasses

import pytest

from candid.auditing.checks.classes import SMALL_CLASS as CHECK
from candid.auditing.checks.classes import recall_interval
from candid.evaluation.estimate import wilson
from tests.auditing.made import make_evidence


def test_it_finds_a_class_of_less_than_ten_pictures() -> None:
    outcome = CHECK.run(make_evidence("a" * 100 + "b" * 9))
    assert outcome.summary == "1 class is too small to measure"
    assert [finding.summary for finding in outcome.findings] == [
        "b has 9 different pictures; 10 are needed for one to test on"
    ]


def test_several_are_told_of_in_the_plural_the_smallest_first() -> None:
    outcome = CHECK.run(make_evidence("a" * 100 + "b" * 9 + "c"))
    assert outcome.summary == "2 classes are too small to measure"
    assert outcome.findings[0].summary.startswith("c has 1 different picture;")


def test_copies_do_not_make_a_class_larger() -> None:
    pictures = [*range(100), *[100 + i // 4 for i in range(20)]]
    assert CHECK.run(make_evidence("a" * 100 + "b" * 20, pictures=pictures)).status == "found"


def test_it_stays_quiet_on_large_classes() -> None:
    outcome = CHECK.run(make_evidence("a" * 50 + "b" * 60))
    assert (outcome.status, outcome.summary, outcome.chart) == ("clean", "", None)


def test_of_classes_that_can_hardly_be_tested_it_says_how_little_will_be_known() -> None:
    outcome = CHECK.run(make_evidence("a" * 100 + "b" * 30))
    assert outcome.status == "clean"
    assert outcome.summary == (
        "b (30) has few pictures: of a recall of 0.9 in b, the test would say no more than "
        "0.36 to 0.99"
    )
    assert outcome.chart is not None
    (bar,) = outcome.chart.bars
    assert bar.label == "b (30)"
    assert (bar.low, bar.high) == pytest.approx((0.358, 0.993), abs=0.001)


def test_what_will_be_known_is_wilsons_interval_of_the_tests_share() -> None:
    figure = wilson(4.5, 5)
    assert recall_interval(50) == figure


def test_empty_classes_are_left_to_the_check_for_them() -> None:
    evidence = make_evidence("a" * 50)
    scanned = dataclasses.replace(evidence.scanned, classes=("a", "b"))
    assert CHECK.run(dataclasses.replace(evidence, scanned=scanned)).status == "clean"


def test_it_is_not_applicable_without_photos() -> None:
    evidence = make_evidence("a")
    catalog = dataclasses.replace(evidence.features.catalog, photos=())
    features = dataclasses.replace(
        evidence.features, catalog=catalog, embeddings=evidence.features.embeddings[:0]
    )
    groups = dataclasses.replace(evidence.groups, of_photo=evidence.groups.of_photo[:0])
    empty = dataclasses.replace(evidence, features=features, groups=groups)
    assert CHECK.run(empty).status == "not applicable"
