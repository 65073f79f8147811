"""Number formats in sentences and tables."""

from __future__ import annotations

import pytest

from candid.evaluation.estimate import Estimate
from candid.reporting.number_format import (
    capitalise_first,
    decimals,
    percent,
    percent_between,
    percent_interval,
    percent_with_interval,
    photo_count,
    points,
    signed_points,
    signed_points_with_unit,
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
def test_a_share_is_in_percent_and_not_rounded_to_0_or_100(share: float, text: str) -> None:
    assert plain(percent(share)) == text


def test_an_interval_is_in_percent() -> None:
    figure = Estimate(0.863, 0.804, 0.911, 305)
    assert plain(percent_between(figure)) == "between 80 and 91 %"
    assert plain(percent_interval(figure)) == "80 to 91 %"
    assert plain(percent_with_interval(figure)) == "86 % (80 to 91 %)"


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
    assert plain(signed_points_with_unit(difference)) == noun


def test_a_number_of_photos_has_its_noun() -> None:
    assert [plain(photo_count(n)) for n in (1, 2, 12345)] == [
        "1 photo",
        "2 photos",
        "12,345 photos",
    ]


def test_a_table_has_three_decimals() -> None:
    assert decimals(0.8634) == "0.863"
    assert decimals(float("inf")) == "–"


def test_the_first_letter_is_capitalised() -> None:
    assert capitalise_first("nearest neighbour") == "Nearest neighbour"
    assert capitalise_first("") == ""
