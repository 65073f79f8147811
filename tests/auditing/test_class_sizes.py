"""How many different pictures each class has."""

from __future__ import annotations

import dataclasses

from candid.auditing.checks.classes import MOST_BARS, chart_of, pictures_by_class
from tests.auditing.made import make_evidence


def test_copies_count_once() -> None:
    assert pictures_by_class(make_evidence("aaab", pictures=[0, 0, 1, 2])) == {"a": 2, "b": 1}


def test_a_picture_in_two_classes_counts_in_both() -> None:
    assert pictures_by_class(make_evidence("ab", pictures=[0, 0])) == {"a": 1, "b": 1}


def test_empty_classes_are_there() -> None:
    evidence = make_evidence("ab")
    scanned = dataclasses.replace(evidence.scanned, classes=("a", "b", "c"))
    assert pictures_by_class(dataclasses.replace(evidence, scanned=scanned))["c"] == 0


def test_the_chart_has_the_largest_class_first_and_emphasises_the_smallest() -> None:
    chart = chart_of({"a": 2, "b": 9, "c": 5})
    assert [bar.label for bar in chart.bars] == ["b", "c", "a"]
    assert [bar.value for bar in chart.bars] == [9, 5, 2]
    assert [bar.emphasis for bar in chart.bars] == [False, False, True]
    assert chart.unit == "count"


def test_classes_of_one_size_have_no_smallest() -> None:
    assert not any(bar.emphasis for bar in chart_of({"a": 2, "b": 2}).bars)


def test_of_very_many_classes_the_chart_shows_both_ends() -> None:
    chart = chart_of({f"{i:04}": i for i in range(1000)})
    assert len(chart.bars) == MOST_BARS
    assert (chart.bars[0].value, chart.bars[-1].value) == (999, 0)
    assert "20 largest" in chart.title
