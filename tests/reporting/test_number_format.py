"""Figures in sentences and in tables."""

from __future__ import annotations

import pytest

from candid.evaluation.estimate import Estimate
from candid.reporting.number_format import (
    between,
    capitalised,
    decimals,
    gain,
    interval,
    percent,
    photos,
    points,
    said,
    signed_points,
)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.863, "86 %"),
        (0, "0 %"),
        (1, "100 %"),
        (0.996, "99.6 %"),
        (0.004, "0.4 %"),
        (float("nan"), "– %"),
    ],
)
def test_a_share_is_in_percent_and_never_rounded_to_certainty(share: float, text: str) -> None:
    assert plain(percent(share)) == text


def test_an_interval_is_said_with_one_unit() -> None:
    figure = Estimate(0.863, 0.804, 0.911, 305)
    assert plain(between(figure)) == "between 80 and 91 %"
    assert plain(interval(figure)) == "80 to 91 %"
    assert plain(said(figure)) == "86 %, between 80 and 91 %"


@pytest.mark.parametrize(
    ("difference", "without", "signed", "noun"),
    [
        (0.354, "35 points", "+35", "+35 points"),
        (0.037, "3.7 points", "+3.7", "+3.7 points"),
        (0.01, "1 point", "+1", "+1 point"),
        (-0.01, "1 point", "−1", "−1 point"),
        (-0.004, "0.4 points", "−0.4", "−0.4 points"),
        (0.0001, "0 points", "0", "0 points"),
        (-0.0001, "0 points", "0", "0 points"),
        (0.0996, "10 points", "+10", "+10 points"),
    ],
)
def test_a_difference_is_in_points(difference: float, without: str, signed: str, noun: str) -> None:
    assert plain(points(difference)) == without
    assert signed_points(difference) == signed
    assert plain(gain(difference)) == noun


def test_photos_are_counted_with_their_noun() -> None:
    assert [plain(photos(n)) for n in (1, 2, 12345)] == ["1 photo", "2 photos", "12,345 photos"]


def test_a_table_has_three_decimals() -> None:
    assert decimals(0.8634) == "0.863"
    assert decimals(float("inf")) == "–"


def test_a_line_begins_with_a_capital() -> None:
    assert capitalised("nearest neighbour") == "Nearest neighbour"
    assert capitalised("") == ""
